import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { formatVerifierKey, KEY_TYPE_COSIGNATURE, KEY_TYPE_ED25519, makeVerifierKey } from "../src/vindex/note.ts";
import {
  firstQuorumTime,
  formatPolicy,
  freshestQuorumTime,
  isQuorum,
  type Policy,
  parsePolicy,
  type QuorumRule,
} from "../src/vindex/policy.ts";
import { Input, latin1Of } from "./input.ts";
import { H } from "./oracle/merkle.ts";
import { naiveKeyType } from "./oracle/vkey.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/**
 * Policies, against the rules of C2SP and spec/client.md §1 written a second time; and quorums over cosignatures of any
 * times. Bytes from 0xf0 on stand for whole verifier keys, which no engine would put together.
 */
export const target: Target = { maxLength: 1024, plants: ["control-characters", "keyword-case"] };

/** Bug: control characters are passed over. */
const readControls = plant("control-characters", parsePolicy, (input) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what the bug is about
  parsePolicy(Buffer.from(latin1Of(input as Uint8Array).replaceAll(/[\u0001-\u0008\u000b-\u001f]/g, ""), "latin1")),
);

/** Bug: keywords may be written with capitals. */
const read = plant("keyword-case", readControls, (input) =>
  readControls(
    Buffer.from(
      latin1Of(input as Uint8Array).replaceAll(/^(?:log|witness|group|quorum)(?= )/gim, (word) => word.toLowerCase()),
      "latin1",
    ),
  ),
);

const key = (name: string, type: number, n: number): string =>
  formatVerifierKey(makeVerifierKey(name, type, H(`key ${n}`)));

/** What the bytes from 0xf0 on stand for: logs, witnesses, and keys that are one of them once more. */
const KEYS: readonly string[] = [
  key("l.example.org/p1", KEY_TYPE_ED25519, 1),
  key("other.example/p1", KEY_TYPE_ED25519, 2),
  key("l.example.org/p1", KEY_TYPE_ED25519, 3),
  key("clock", KEY_TYPE_COSIGNATURE, 4),
  key("w1", KEY_TYPE_COSIGNATURE, 5),
  key("w2", KEY_TYPE_COSIGNATURE, 6),
  key("w3", KEY_TYPE_COSIGNATURE, 7),
  key("w1-again", KEY_TYPE_COSIGNATURE, 5),
  key("caf\u00e9", KEY_TYPE_COSIGNATURE, 8),
];

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  const times = Array.from({ length: 5 }, () => input.byte());
  const bytes = expanded(input.rest());
  const { value } = withinTime("a policy", () => outcomeOf(() => read(bytes), "MALFORMED_POLICY"));
  const naive = naivePolicy(latin1Of(bytes));
  assert.equal(value !== undefined, naive !== undefined);
  if (value === undefined || naive === undefined) return;
  const vkeys = value.logs.map(({ verifierKey }) => formatVerifierKey(verifierKey));
  assert.deepEqual(vkeys, naive.logs);
  assert.deepEqual(
    value.witnesses.map(({ name, verifierKey }) => [name, formatVerifierKey(verifierKey)]),
    [...naive.witnesses],
  );
  assert.equal(value.quorum === undefined, naive.quorum === "none");
  if (value.quorum !== undefined) quorums(value, value.quorum, naive, times);
  const [log] = value.logs;
  if (log !== undefined) formatted(value, log);
}

function expanded(bytes: Uint8Array): Uint8Array {
  const out: Uint8Array[] = [];
  for (const b of bytes)
    out.push(b < 0xf0 || KEYS[b - 0xf0] === undefined ? Uint8Array.of(b) : Buffer.from(KEYS[b - 0xf0] as string));
  return Buffer.concat(out);
}

interface NaivePolicy {
  readonly logs: readonly string[];
  /** Name to vkey, in order. */
  readonly witnesses: ReadonlyMap<string, string>;
  readonly groups: ReadonlyMap<string, { readonly k: number; readonly members: readonly string[] }>;
  readonly quorum: string;
}

/** Type of a key that stands in a policy: its bytes are UTF-8. */
function typeOf(vkey: string): number | undefined {
  const bytes = Buffer.from(vkey, "latin1");
  return isUtf8(bytes) ? naiveKeyType(bytes.toString()) : undefined;
}

const utf8 = (latin1: string): string => Buffer.from(latin1, "latin1").toString();

function naivePolicy(text: string): NaivePolicy | undefined {
  const logs: string[] = [];
  const witnesses = new Map<string, string>();
  const groups = new Map<string, { k: number; members: string[] }>();
  const used = new Set<string>();
  let quorum: string | undefined;
  const lines = text.split("\n");
  if (lines.length > 10_000) return undefined;
  for (const line of lines) {
    for (const c of line) if ((c < " " && c !== "\t") || c === "\u007f") return undefined;
    const [word, ...items] = line
      .replaceAll("\t", " ")
      .split(" ")
      .filter((item) => item !== "");
    if (word === undefined || word[0] === "#") continue;
    const isKnown = (name: string): boolean => witnesses.has(name) || groups.has(name);
    if (word === "log") {
      const vkey = items[0] ?? "";
      if (items.length > 2 || typeOf(vkey) !== KEY_TYPE_ED25519) return undefined;
      const [name] = vkey.split("+");
      if (logs.some((other) => other.split("+")[0] === name)) return undefined;
      logs.push(utf8(vkey));
    } else if (word === "witness") {
      const [name = "", vkey = ""] = items;
      if (items.length < 2 || items.length > 3 || typeOf(vkey) !== KEY_TYPE_COSIGNATURE) return undefined;
      const publicKey = vkey.split("+").slice(2).join("+");
      if ([...witnesses.values()].some((other) => other.split("+").slice(2).join("+") === publicKey)) return undefined;
      if (name === "none" || isKnown(name)) return undefined;
      witnesses.set(name, utf8(vkey));
    } else if (word === "group") {
      const [name = "", threshold = "", ...members] = items;
      if (members.length === 0 || groups.size >= 1000) return undefined;
      for (const member of members) {
        if (used.has(member) || !isKnown(member)) return undefined;
        used.add(member);
      }
      if (name === "none" || isKnown(name)) return undefined;
      const k = threshold === "all" ? members.length : threshold === "any" ? 1 : naiveNumber(threshold);
      if (k === undefined || k < 1 || k > members.length) return undefined;
      groups.set(name, { k, members });
    } else if (word === "quorum") {
      if (quorum !== undefined || items.length !== 1) return undefined;
      [quorum] = items;
      if (quorum !== "none" && !isKnown(quorum as string)) return undefined;
    } else return undefined;
  }
  return quorum === undefined ? undefined : { logs, witnesses, groups, quorum };
}

function naiveNumber(text: string): number | undefined {
  for (const c of text) if (c < "0" || c > "9") return undefined;
  return text !== "" && text[0] !== "0" && text.length <= 6 ? Number(text) : undefined;
}

/** The key ids of the witnesses that a set of names is. */
function isMet(policy: NaivePolicy, name: string, names: ReadonlySet<string>): boolean {
  const group = policy.groups.get(name);
  if (group === undefined) return names.has(name);
  let met = 0;
  for (const member of group.members) if (isMet(policy, member, names)) met++;
  return met >= group.k;
}

function quorums(policy: Policy, rule: QuorumRule, naive: NaivePolicy, times: readonly number[]): void {
  const signed = policy.witnesses.slice(0, 5).flatMap(({ name, verifierKey }, i) => {
    const time = times[i] as number;
    return time % 4 === 0 ? [] : [{ name, keyId: verifierKey.keyId, time }];
  });
  const has = (filter: (time: number) => boolean): boolean =>
    isMet(naive, naive.quorum, new Set(signed.filter(({ time }) => filter(time)).map(({ name }) => name)));
  assert.equal(
    isQuorum(rule, new Set(signed.map(({ keyId }) => keyId))),
    has(() => true),
  );
  const all = signed.map(({ time }) => time).sort((a, b) => a - b);
  assert.equal(
    firstQuorumTime(rule, signed),
    all.find((limit) => has((time) => time <= limit)),
  );
  assert.equal(
    freshestQuorumTime(rule, signed),
    all.reverse().find((limit) => has((time) => time >= limit)),
  );
}

/** What the project writes itself is read as what it says: all must cosign. */
function formatted(policy: Policy, log: Policy["logs"][number]): void {
  const cosigners = policy.witnesses.map(({ verifierKey }, i) => ({ name: `c${i}`, verifierKey }));
  const back = parsePolicy(formatPolicy(log.verifierKey, cosigners));
  const ids = cosigners.map(({ verifierKey }) => verifierKey.keyId);
  if (back.quorum === undefined) assert.equal(ids.length, 0);
  else {
    assert.ok(isQuorum(back.quorum, new Set(ids)));
    assert.ok(!isQuorum(back.quorum, new Set(ids.slice(1))));
  }
}
