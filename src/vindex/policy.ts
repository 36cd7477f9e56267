import { decodeUtf8, encodeUtf8 } from "./bytes.ts";
import { ProofdnsError } from "./error.ts";
import {
  formatVerifierKey,
  KEY_TYPE_COSIGNATURE,
  KEY_TYPE_ED25519,
  parseVerifierKey,
  type VerifierKey,
} from "./note.ts";

/** A log or a witness of a policy, with the URL that its line may hold. */
export interface PolicyKey {
  readonly verifierKey: VerifierKey;
  readonly url: string | undefined;
}

/** A quorum rule: satisfied by a cosigner, or by `threshold` of its members. */
export type QuorumRule =
  | { readonly kind: "witness"; readonly keyId: number }
  | { readonly kind: "group"; readonly threshold: number; readonly members: readonly QuorumRule[] };

/** A C2SP tlog-policy (c2sp.org/tlog-policy): which logs and cosigners are trusted, and how many of them. */
export interface Policy {
  readonly logs: readonly PolicyKey[];
  readonly witnesses: readonly (PolicyKey & { readonly name: string })[];
  /** Undefined for `quorum none`: no cosignature is asked for, and nothing proves freshness. */
  readonly quorum: QuorumRule | undefined;
}

const MAX_LINES = 10_000;
/** Groups nest, and rules are evaluated by recursion. */
const MAX_GROUPS = 1_000;

/**
 * Parses a policy. Beyond C2SP, log keys must have type 0x01, witness keys type 0x04, and no two witnesses one key id.
 * Names are octet strings: bytes are read as latin1, keys in them as UTF-8.
 *
 * @throws ProofdnsError `MALFORMED_POLICY`, naming the line
 */
export function parsePolicy(input: string | Uint8Array): Policy {
  const bytes = typeof input === "string" ? encodeUtf8(input) : input;
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  const lines = text.split("\n");
  const parser = new PolicyParser();
  if (lines.length > MAX_LINES) parser.refuse(`more than ${MAX_LINES} lines`);
  for (const line of lines) parser.parseLine(line);
  return parser.finish();
}

class PolicyParser {
  readonly #logs: PolicyKey[] = [];
  readonly #witnesses: (PolicyKey & { name: string })[] = [];
  readonly #rules = new Map<string, QuorumRule>();
  readonly #members = new Set<string>();
  #quorum: { rule: QuorumRule | undefined } | undefined;
  #line = 0;
  #groups = 0;

  refuse(why: string): never {
    throw new ProofdnsError("MALFORMED_POLICY", `policy, line ${this.#line}: ${why}`);
  }

  parseLine(line: string): void {
    this.#line++;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) this.refuse("a control character");
    const [keyword, ...rest] = line.split(/[ \t]+/).filter((item) => item !== "");
    if (keyword === undefined || keyword.startsWith("#")) return;
    if (keyword === "log") this.#parseLog(rest);
    else if (keyword === "witness") this.#parseWitness(rest);
    else if (keyword === "group") this.#parseGroup(rest);
    else if (keyword === "quorum") this.#parseQuorum(rest);
    else this.refuse(`"${keyword.slice(0, 40)}" is not log, witness, group or quorum`);
  }

  finish(): Policy {
    if (this.#quorum === undefined) return this.refuse("no quorum line; a policy has exactly one");
    return { logs: this.#logs, witnesses: this.#witnesses, quorum: this.#quorum.rule };
  }

  #parseLog(items: string[]): void {
    if (items.length < 1 || items.length > 2) this.refuse("expected: log <vkey> [<url>]");
    const verifierKey = this.#parseKey(items[0] as string, KEY_TYPE_ED25519);
    if (this.#logs.some((log) => isSameKey(log.verifierKey, verifierKey))) this.refuse("a second log with this key");
    if (this.#logs.some((log) => log.verifierKey.keyName === verifierKey.keyName))
      this.refuse("a second log of this name");
    this.#logs.push({ verifierKey, url: items[1] });
  }

  #parseWitness(items: string[]): void {
    if (items.length < 2 || items.length > 3) this.refuse("expected: witness <name> <vkey> [<url>]");
    const verifierKey = this.#parseKey(items[1] as string, KEY_TYPE_COSIGNATURE);
    const { keyId } = verifierKey;
    if (this.#witnesses.some((w) => isSameKey(w.verifierKey, verifierKey)))
      this.refuse("a second witness with this key");
    if (this.#witnesses.some((w) => w.verifierKey.keyId === keyId)) this.refuse("a second witness with this key id");
    this.#define(items[0] as string, { kind: "witness", keyId });
    this.#witnesses.push({ name: items[0] as string, verifierKey, url: items[2] });
  }

  #parseGroup(items: string[]): void {
    if (items.length < 3) this.refuse("expected: group <name> <all|any|k> <member>…");
    const [name, threshold, ...names] = items as [string, string, ...string[]];
    if (++this.#groups > MAX_GROUPS) this.refuse(`more than ${MAX_GROUPS} groups`);
    const members = names.map((member) => {
      if (this.#members.has(member)) this.refuse(`"${member}" is a member twice`);
      this.#members.add(member);
      return this.#rules.get(member) ?? this.refuse(`"${member}" is not defined above`);
    });
    const k = threshold === "all" ? members.length : threshold === "any" ? 1 : parseThreshold(threshold);
    if (k === undefined || k < 1 || k > members.length)
      this.refuse(`the threshold is not 1 to ${members.length}, all or any`);
    this.#define(name, { kind: "group", threshold: k as number, members });
  }

  #parseQuorum(items: string[]): void {
    if (this.#quorum !== undefined) this.refuse("a second quorum line");
    if (items.length !== 1) this.refuse("expected: quorum <name>|none");
    const name = items[0] as string;
    if (name === "none") this.#quorum = { rule: undefined };
    else this.#quorum = { rule: this.#rules.get(name) ?? this.refuse(`"${name}" is not defined above`) };
  }

  #define(name: string, rule: QuorumRule): void {
    if (name === "none") this.refuse('"none" is not a name for a witness or group');
    if (this.#rules.has(name)) this.refuse(`"${name}" is defined twice`);
    this.#rules.set(name, rule);
  }

  #parseKey(item: string, type: number): VerifierKey {
    const vkey = decodeUtf8(Uint8Array.from(item, (c) => c.charCodeAt(0)));
    let key: VerifierKey;
    try {
      key = parseVerifierKey(vkey ?? this.refuse("a key that is not UTF-8"));
    } catch (error) {
      return this.refuse(error instanceof ProofdnsError ? error.message : "a malformed key");
    }
    if (key.type !== type) this.refuse(`a key of type 0x0${key.type} where 0x0${type} must stand`);
    return key;
  }
}

function parseThreshold(text: string): number | undefined {
  return /^[1-9][0-9]{0,5}$/.test(text) ? Number(text) : undefined;
}

function isSameKey(a: VerifierKey, b: VerifierKey): boolean {
  return a.publicKey.every((byte, i) => byte === b.publicKey[i]);
}

/** Formats a policy of one log and its cosigners that all must cosign. */
export function formatPolicy(
  log: VerifierKey,
  cosigners: readonly { name: string; verifierKey: VerifierKey }[],
): string {
  const lines = [`log ${formatVerifierKey(log)}`];
  for (const { name, verifierKey } of cosigners) lines.push(`witness ${name} ${formatVerifierKey(verifierKey)}`);
  if (cosigners.length === 1) lines.push(`quorum ${cosigners[0]?.name}`);
  else if (cosigners.length === 0) lines.push("quorum none");
  else lines.push(`group cosigners all ${cosigners.map(({ name }) => name).join(" ")}`, "quorum cosigners");
  return `${lines.join("\n")}\n`;
}

/** True if the cosigners with these key ids satisfy the rule. */
export function isQuorum(rule: QuorumRule, keyIds: ReadonlySet<number>): boolean {
  if (rule.kind === "witness") return keyIds.has(rule.keyId);
  return rule.members.filter((member) => isQuorum(member, keyIds)).length >= rule.threshold;
}

/**
 * The largest T such that the cosignatures with time ≥ T satisfy the rule: the oldest time in the freshest quorum
 * (spec/client.md §2); undefined if all of them do not.
 */
export function freshestQuorumTime(
  rule: QuorumRule,
  cosignatures: readonly { keyId: number; time: number }[],
): number | undefined {
  return quorumTime(
    rule,
    [...cosignatures].sort((a, b) => b.time - a.time),
  );
}

/** The smallest T such that the cosignatures with time ≤ T satisfy the rule: the first quorum time; undefined if none do. */
export function firstQuorumTime(
  rule: QuorumRule,
  cosignatures: readonly { keyId: number; time: number }[],
): number | undefined {
  return quorumTime(
    rule,
    [...cosignatures].sort((a, b) => a.time - b.time),
  );
}

function quorumTime(rule: QuorumRule, inOrder: readonly { keyId: number; time: number }[]): number | undefined {
  const keyIds = new Set<number>();
  for (const { keyId, time } of inOrder) {
    keyIds.add(keyId);
    if (isQuorum(rule, keyIds)) return time;
  }
  return undefined;
}
