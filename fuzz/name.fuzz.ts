import assert from "node:assert/strict";
import { Questions } from "../src/client/questions.ts";
import { decodePathName, encodeElementLabel, encodePathName } from "../src/dns/module-name.ts";
import {
  countLabelsBelow,
  equalFolded,
  formatName,
  joinName,
  ROOT_NAME,
  readLabel,
  scanName,
} from "../src/dns/name.ts";
import { type Asked, type Meaning, parseMeaning } from "../src/dns/question.ts";
import { makeZone } from "../src/dns/zone.ts";
import { equalBytes, formatHex } from "../src/vindex/bytes.ts";
import { isModulePath } from "../src/vindex/module-path.ts";
import { Input, latin1Of, textOf } from "./input.ts";
import { naiveElement, naiveLabel, naiveMeaning } from "./oracle/dns-name.ts";
import { H } from "./oracle/merkle.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/**
 * Names: as wire format, as questions under the zone, and as module paths. No two names mean one subject, every ancestor of
 * a name that exists exists, and what a client asks is what a server reads.
 */
export const target: Target = { maxLength: 300, plants: ["folded-labels", "tilde-kept", "long-wire-name"] };

const zone = makeZone({
  apex: "l.example.org",
  nameServers: [
    { name: "ns1.l.example.org", addresses: ["192.0.2.1"] },
    { name: "a.ns.l.example.org", addresses: ["192.0.2.2"] },
  ],
  hostmaster: "hostmaster@example.org",
});
const questions = new Questions("l.example.org", H);

/** Bug: labels are folded where they are decoded, and not where they are compared. */
const decodePath = plant("folded-labels", decodePathName, (labels) =>
  decodePathName(labels.map((label) => label.toLowerCase())),
);

/** Bug: a tilde stands for itself in a label. */
const encodeElement = plant("tilde-kept", encodeElementLabel, (element) =>
  encodeElementLabel(element)?.replaceAll("_7e", "~"),
);

/** Bug: the bound on the length of a name leaves out its first label. */
const scan = plant("long-wire-name", scanName, (bytes, offset) => {
  const scanned = scanName(bytes, offset);
  const first = bytes[offset] ?? 0;
  if (scanned !== undefined || first === 0 || first > 63) return scanned;
  const rest = scanName(bytes, offset + 1 + first);
  return rest && { labelOffsets: [offset, ...rest.labelOffsets], end: rest.end };
});

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick([wireName, question, path, element, asked])(input);
}

function wireName(input: Input): void {
  const offset = input.byte() % 3;
  const bytes = input.rest();
  const scanned = withinTime("a name", () => scan(bytes, offset));
  const naive = naiveScan(bytes, offset);
  assert.equal(scanned?.end, naive?.end);
  if (scanned === undefined || naive === undefined) return;
  assert.equal(scanned.labelOffsets.length, naive.labels.length);
  const labels = scanned.labelOffsets.map((at) => readLabel(bytes, at));
  assert.deepEqual(labels, naive.labels.map(foldLatin1));
  const name = bytes.slice(offset, scanned.end);
  const joined = joinName(labels, ROOT_NAME);
  assert.ok(joined !== undefined && equalFolded(joined, 0, name, 0, name.length) && joined.length === name.length);
  const text = formatName(name);
  assert.deepEqual(naiveLabelsOf(text), naive.labels);
  const below = countLabelsBelow(bytes, scanned, zone.apex.wire);
  const apex = ["l", "example", "org"];
  const isBelow = labels.length >= 3 && apex.every((label, i) => labels.at(i - 3) === label);
  assert.equal(below, isBelow ? labels.length - 3 : undefined);
}

/** A–Z only: the platform's own rule takes É to é. */
function foldLatin1(label: string): string {
  return [...label].map((c) => (c >= "A" && c <= "Z" ? c.toLowerCase() : c)).join("");
}

function naiveScan(bytes: Uint8Array, offset: number): { labels: string[]; end: number } | undefined {
  const labels: string[] = [];
  let at = offset;
  while ((bytes[at] ?? 64) !== 0) {
    const length = bytes[at] ?? 64;
    if (length > 63 || at + 1 + length > bytes.length) return undefined;
    labels.push(latin1Of(bytes.slice(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return at + 1 - offset <= 255 ? { labels, end: at + 1 } : undefined;
}

/** Labels of a name's text with its escapes. */
function naiveLabelsOf(text: string): string[] {
  const labels: string[] = [];
  let label = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    if (c === ".") {
      if (label !== "") labels.push(label);
      label = "";
    } else if (c === "\\") {
      const digits = text.slice(i + 1, i + 4);
      const isNumber = /^[0-9]{3}$/.test(digits);
      label += isNumber ? String.fromCharCode(Number(digits)) : (text[i + 1] as string);
      i += isNumber ? 3 : 1;
    } else label += c;
  }
  return labels;
}

/** Labels under `p1`, each behind its length. */
function question(input: Input): void {
  const labels: string[] = [];
  while (!input.isDone && labels.length < 130) labels.push(foldLatin1(latin1Of(input.take(1 + (input.byte() % 63)))));
  const below = labels.filter((label) => label !== "");
  const meaning = sayMeaning(withinTime("a question", () => parseMeaning(["p1", ...[...below].reverse()], zone)));
  assert.equal(meaning, naiveMeaning(below), below.join(" . "));
  if (meaning === "NXDOMAIN") return;
  for (let i = 1; i <= below.length; i++) {
    const ancestor = parseMeaning(["p1", ...below.slice(i).reverse()], zone);
    assert.notEqual(ancestor.kind, "nonexistent", `${below.slice(i).join(".")} does not exist, a name below it does`);
  }
}

function sayMeaning(meaning: Meaning): string {
  const about = (who: Asked): string => ("subject" in who ? who.subject : `key ${formatHex(who.indexKey)}`);
  switch (meaning.kind) {
    case "nonexistent":
      return "NXDOMAIN";
    case "empty-non-terminal":
      return "NODATA";
    case "module":
    case "versions":
      return `${meaning.kind} ${about(meaning.asked)}`;
    case "majors": {
      const subject = about(meaning.asked);
      assert.ok(subject.endsWith(subject.startsWith("gopkg.in/") ? ".v*" : "/v*"));
      return `majors ${subject.slice(0, -3)}`;
    }
    case "page":
      return `page ${meaning.page} ${about(meaning.asked)}`;
    case "head": {
      const parts = [
        meaning.since === undefined ? [] : [`s${meaning.since}`],
        meaning.epoch === undefined ? [] : [`e${meaning.epoch}`],
      ];
      return `head ${parts.flat().join(" ") || "newest"}`;
    }
    case "head-at":
      return `head t${meaning.time}`;
    case "consistency":
      return `_consistency ${meaning.oldSize} ${meaning.newSize}`;
    case "sumdb-consistency":
      return `_sumdb ${meaning.oldSize} ${meaning.newSize}`;
    case "record":
      return `_record ${meaning.logIndex} ${meaning.treeSize}`;
    default:
      return meaning.kind;
  }
}

/** A path text and its labels, both ways. */
function path(input: Input): void {
  const text = textOf(input.rest());
  const labels = withinTime("a path", () => encodePathName(text));
  if (labels !== undefined) {
    assert.equal(decodePath(labels), text);
    assert.ok(
      labels.every((label) => label === "_" || naiveElement(label) !== undefined || /^[a-z0-9-]+$/.test(label)),
    );
  }
  // As labels: those that say something say it in one way only.
  const given = text.split(".").map((label) => label.slice(0, 63));
  const decoded = decodePath(given);
  if (decoded !== undefined) assert.deepEqual(encodePathName(decoded), given);
}

function element(input: Input): void {
  const text = textOf(input.rest());
  const label = withinTime("an element", () => encodeElement(text));
  assert.equal(label, naiveLabel(text));
  if (label !== undefined) assert.equal(naiveElement(label), text);
}

/** What a client asks is what a server reads. */
function asked(input: Input): void {
  const numbers = [input.uint53(), input.uint53()] as const;
  const kind = input.byte() % 10;
  const text = textOf(input.rest());
  const isPath = isModulePath(text);
  const ask: readonly [() => Uint8Array, string][] = [
    [() => questions.subject({ kind: "module", path: text }), `module ${text}`],
    [() => questions.subject({ kind: "module", path: text, withVersions: true }), `versions ${text}`],
    [() => questions.page(text, numbers[0]), `page ${numbers[0]} ${text}`],
    [() => questions.subject({ kind: "majors", basePath: text }), `majors ${text}`],
    [() => questions.subject({ kind: "toolchain" }), "toolchain"],
    [() => questions.head({ since: numbers[0], epoch: numbers[1] }), `head s${numbers[0]} e${numbers[1]}`],
    [() => questions.headAt(numbers[0]), `head t${numbers[0]}`],
    [() => questions.consistency(...numbers), `_consistency ${Math.min(...numbers)} ${Math.max(...numbers)}`],
    [() => questions.sumdb(...numbers), `_sumdb ${numbers.join(" ")}`],
    [() => questions.record(...numbers), `_record ${numbers.join(" ")}`],
  ];
  const [make, expected] = ask[kind] as (typeof ask)[number];
  const { value: name, code } = outcomeOf(make, "MALFORMED_INPUT", "MALFORMED_NAME");
  if (kind < 3) assert.equal(code, isPath ? undefined : "MALFORMED_INPUT");
  if (name === undefined) return;
  const scanned = scanName(name, 0);
  assert.ok(scanned !== undefined && scanned.end === name.length, "not a name");
  const count = countLabelsBelow(name, scanned, zone.apex.wire);
  const labels = scanned.labelOffsets.slice(0, count).map((at) => readLabel(name, at));
  const meaning = parseMeaning(labels.reverse(), zone);
  const said = sayMeaning(meaning === undefined ? { kind: "nonexistent" } : meaning);
  // What has no name that fits is asked by its key.
  const subject = kind === 3 ? `${text}${text.startsWith("gopkg.in/") ? ".v*" : "/v*"}` : text;
  const key = `key ${formatHex(H(subject))}`;
  const byKey = [`module ${key}`, `versions ${key}`, `page ${numbers[0]} ${key}`, `module ${key}`][kind];
  assert.ok(said === expected || said === byKey, `${said} instead of ${expected}`);
  assert.ok(equalBytes(name.subarray(name.length - zone.apex.wire.length), zone.apex.wire));
}
