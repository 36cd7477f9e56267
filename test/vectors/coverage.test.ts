import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { makeVectorFiles } from "../../spec/generate/files.ts";
import { readVectors, VECTOR_FILES, type Vector } from "./vectors.ts";

function readSpec(name: string): string {
  return readFileSync(new URL(`../../spec/${name}`, import.meta.url), "utf8");
}

/** The codes that vectors expect, by operation. */
function codesOf(vectors: readonly Vector[]): Map<string, Set<string>> {
  const codes = new Map<string, Set<string>>();
  for (const { operation, expect } of vectors) {
    const { refused } = (expect ?? {}) as { refused?: string };
    const known = codes.get(operation) ?? new Set();
    codes.set(operation, refused === undefined ? known : known.add(refused));
  }
  return codes;
}

const TRUST = ["MALFORMED_POLICY", "NO_LOG_KEY", "MALFORMED_VERIFIER_KEY"];
const SIGNED = ["MALFORMED_ANSWER", "BAD_LOG_SIGNATURE", "BAD_SUMDB_SIGNATURE", "BAD_COSIGNATURE"];
const FRESH = ["NO_FRESHNESS", "NO_QUORUM", "STALE", "FROM_FUTURE"];
const MEMORY = ["FORK", "EXTENSION_NOT_PROVEN", "SUMDB_FORK", "SUMDB_ROLLBACK", "LAGGING", "CONSISTENCY_MISSING"];
const HEAD = [...TRUST, ...SIGNED, "WRONG_EPOCH", "BAD_LEAF", ...MEMORY, ...FRESH];

/** Every code that an operation can end with. */
const CODES: { readonly [operation: string]: readonly string[] } = {
  head: HEAD,
  answer: [
    ...HEAD,
    ...["BAD_PROOF", "BAD_VALUE", "BAD_STATE_TEXT", "BAD_MAJORS"],
    ...["VERSIONS_MISSING", "BAD_VERSIONS", "BAD_RECORD_PROOF"],
  ],
  sumdb: [...HEAD, "SUMDB_EXTENSION_NOT_PROVEN"],
  // The newest head is verified without a memory: no leaf is compared, and an older head is what was asked.
  age: [...HEAD.filter((code) => code !== "BAD_LEAF" && code !== "LAGGING"), "TOO_YOUNG"],
  evidence: ["MALFORMED_EVIDENCE", "BAD_SIGNATURE", "BAD_PROOF"],
};

test("the files of spec/vectors are what the generator makes", () => {
  for (const [name, text] of makeVectorFiles()) {
    const file = readSpec(`vectors/${name}`);
    assert.ok(file === text, `${name} is not up to date: npx tsx spec/generate.ts`);
  }
});

test("the generator makes the same bytes again", () => {
  const [first, second] = [1, 2].map(() => JSON.stringify([...makeVectorFiles()]));
  assert.ok(first === second);
});

test("no two vectors of an operation have one name", () => {
  for (const file of VECTOR_FILES) {
    const names = readVectors(file).map(({ operation, name }) => `${operation}: ${name}`);
    assert.equal(new Set(names).size, names.length, file);
  }
});

test("client.json has every refusal of client.md in every operation that can end with it", () => {
  const codes = codesOf(readVectors("client.json"));
  for (const [operation, expected] of Object.entries(CODES)) {
    assert.deepEqual([...(codes.get(operation) ?? [])].sort(), [...new Set(expected)].sort(), operation);
  }
});

test("every refusal that client.md names occurs in client.json", () => {
  const sections = readSpec("client.md").split(/^## 8\. /m)[0] as string;
  const named = [...sections.matchAll(/`([A-Z][A-Z_]{3,})`/g)].map((match) => match[1] as string);
  const found = new Set([...codesOf(readVectors("client.json")).values()].flatMap((codes) => [...codes]));
  assert.ok(named.length > 25, "the codes of client.md are not found");
  assert.deepEqual(
    named.filter((code) => !found.has(code)),
    [],
  );
});

test("every operation of client.json has vectors that are accepted", () => {
  for (const operation of Object.keys(CODES)) {
    const own = readVectors("client.json").filter((vector) => vector.operation === operation);
    assert.ok(
      own.some(({ expect }) => (expect as { refused?: string }).refused === undefined),
      operation,
    );
  }
});

test("every refusal that proof-file.md names occurs in proof-file.json", () => {
  const named = [...readSpec("proof-file.md").matchAll(/`([A-Z][A-Z_]{3,})`/g)].map((match) => match[1] as string);
  const found = new Set([...codesOf(readVectors("proof-file.json")).values()].flatMap((codes) => [...codes]));
  assert.ok(named.length > 8, "the codes of proof-file.md are not found");
  assert.deepEqual(
    named.filter((code) => !found.has(code)),
    [],
  );
});

test("every section of dns.md occurs in payloads that are accepted", () => {
  const rows = [...readSpec("dns.md").matchAll(/^\| (0x[0-9A-F]{2}) +\| /gm)].map((match) => Number(match[1]));
  const tags = new Set<number>();
  for (const vector of readVectors("dns.json")) {
    const { operation, kind, expect } = vector as Vector & { kind?: string };
    if (operation !== "payload" || (expect as { refused?: string }).refused !== undefined) continue;
    if (kind === "page") tags.add(0x0b);
    else if (kind === "log-proof") tags.add(0x0c);
    else if (kind === "answer") {
      const { proof, stateText, majorItems } = expect as {
        proof: { kind: string };
        stateText: unknown;
        majorItems: unknown;
      };
      tags.add({ inclusion: 0x05, nonInclusion: 0x06, emptyMap: 0x07 }[proof.kind] as number);
      if (stateText !== null) tags.add(0x08);
      if (majorItems !== null) tags.add(0x09);
    } else {
      tags.add(0x01);
      tags.add(kind === "head-plain" ? 0x03 : 0x04);
      if ((expect as { cosignatures: unknown[] }).cosignatures.length > 0) tags.add(0x02);
    }
  }
  assert.equal(rows.length, 11, "the table of sections in dns.md is not found");
  assert.deepEqual([...tags].sort(), rows.sort());
});
