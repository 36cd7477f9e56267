import assert from "node:assert/strict";
import { equalBytes } from "../src/vindex/bytes.ts";
import {
  type AnswerPayload,
  decodeAnswer,
  decodeHead,
  decodeLogProof,
  decodePage,
  encodeAnswer,
  encodeHead,
  encodeLogProof,
  encodePage,
  type HeadPayload,
  type VersionEntry,
} from "../src/vindex/payload.ts";
import { Input } from "./input.ts";
import { naiveAnswer, naiveHead, naiveLogProof, naivePage } from "./oracle/payload.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/**
 * Payloads of TXT answers, both ways: what decodes encodes to the same bytes, and exactly what spec/dns.md §2 allows
 * decodes; what is encoded decodes to the same.
 */
export const target: Target = { maxLength: 4096, plants: ["trailing-byte", "times-in-32-bits"] };

/** Bug: a zero byte behind the last section of an answer is not noticed. */
const readAnswer = plant("trailing-byte", decodeAnswer, (payload) =>
  decodeAnswer(payload.at(-1) === 0 && payload.length > 40 ? payload.subarray(0, -1) : payload),
);

/** Bug: the times of cosignatures are added up in 32 bits. */
const readHead = plant("times-in-32-bits", decodeHead, (payload, form) => {
  const head = decodeHead(payload, form);
  return { ...head, cosignatures: head.cosignatures.map((one) => ({ ...one, time: one.time % 2 ** 32 })) };
});

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  input.pick(CASES)(input);
}

const CASES = [plainHead, sinceHead, answer, page, logProof, builtHead, builtAnswer, builtPage] as const;

function plainHead(input: Input): void {
  head(input.rest(), "plain");
}

function sinceHead(input: Input): void {
  head(input.rest(), "since");
}

/** What was refused was refused as such; gives the value. */
function accepted<T>(outcome: Outcome<T>, isExpected: boolean): T | undefined {
  assert.equal(outcome.code, isExpected ? undefined : "MALFORMED_ANSWER", outcome.error?.message);
  return outcome.value;
}

function head(bytes: Uint8Array, form: HeadPayload["form"]): void {
  const naive = naiveHead(bytes, form);
  const outcome = withinTime("a head", () => outcomeOf(() => readHead(bytes, form), "MALFORMED_ANSWER"));
  const decoded = accepted(outcome, naive !== undefined);
  if (decoded === undefined || naive === undefined) return;
  assert.ok(equalBytes(encodeHead(decoded), bytes));
  assert.equal(decoded.form, form);
  const { epoch, treeHead, cosignatures, hashes } = decoded;
  assert.deepEqual([epoch, treeHead.treeSize], [naive.epoch, naive.sumdbSize]);
  assert.deepEqual(
    cosignatures.map(({ keyId, time }) => [keyId, time]),
    naive.cosignatures.map(({ keyId, time }) => [Number.parseInt(keyId, 16), time]),
  );
  assert.equal(hashes.length, naive.hashes.length);
}

function answer(input: Input): void {
  const bytes = input.rest();
  const naive = naiveAnswer(bytes);
  const outcome = withinTime("an answer", () => outcomeOf(() => readAnswer(bytes), "MALFORMED_ANSWER"));
  const decoded = accepted(outcome, naive !== undefined);
  if (decoded === undefined || naive === undefined) return;
  assert.ok(equalBytes(encodeAnswer(decoded), bytes));
  const { text, epoch, proof, stateText, majorItems } = decoded;
  assert.deepEqual([text, epoch, proof.kind], [naive.text, naive.epoch, naive.kind]);
  assert.deepEqual([stateText, majorItems], [naive.state, naive.majors]);
  if (proof.kind === "emptyMap") return;
  assert.deepEqual(proof.path.bits, naive.bits);
  assert.ok(proof.path.siblings.every((hash, i) => equalBytes(hash, naive.siblings[i] as Uint8Array)));
  if (proof.kind === "nonInclusion") {
    assert.ok(equalBytes(proof.other.indexKey, naive.otherKey) && equalBytes(proof.other.value, naive.otherValue));
  }
}

function page(input: Input): void {
  const bytes = input.rest();
  const naive = naivePage(bytes);
  const outcome = withinTime("a page", () => outcomeOf(() => decodePage(bytes), "MALFORMED_ANSWER"));
  const decoded = accepted(outcome, naive !== undefined);
  if (decoded === undefined || naive === undefined) return;
  assert.ok(equalBytes(encodePage(decoded), bytes));
  assert.deepEqual(
    decoded.map(({ logIndex, version }) => [logIndex, version]),
    naive.map(({ index, version }) => [index, version]),
  );
}

function logProof(input: Input): void {
  const bytes = input.rest();
  const naive = naiveLogProof(bytes);
  const decoded = accepted(
    outcomeOf(() => decodeLogProof(bytes), "MALFORMED_ANSWER"),
    naive !== undefined,
  );
  if (decoded === undefined) return;
  assert.equal(decoded.length, naive?.length);
  assert.ok(equalBytes(encodeLogProof(decoded), bytes));
}

/** `length` bytes, made of what the input has left. */
function filled(input: Input, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(input.take(Math.min(length, 3)));
  return out;
}

function hashes(input: Input): Uint8Array[] {
  return Array.from({ length: input.byte() % 8 }, () => filled(input, 32));
}

function builtHead(input: Input): void {
  const ids = new Set(Array.from({ length: input.byte() % 6 }, () => input.uint16() * 0x10001));
  const limit = Math.floor(Number.MAX_SAFE_INTEGER / (ids.size + 1));
  const built: HeadPayload = {
    epoch: 1 + (input.uint53() % Number.MAX_SAFE_INTEGER),
    logSignature: filled(input, 64),
    mapRoot: filled(input, 32),
    treeHead: { treeSize: input.uint53(), rootHash: filled(input, 32) },
    sumdbSignature: filled(input, 64),
    cosignatures: [...ids].map((keyId) => ({
      keyId,
      time: 1 + (input.uint53() % limit),
      signature: filled(input, 64),
    })),
    form: input.pick(["plain", "since"]),
    hashes: hashes(input),
  };
  const bytes = encodeHead(built);
  const back = readHead(bytes, built.form);
  const inOrder = [...built.cosignatures].sort((a, b) => a.time - b.time || a.keyId - b.keyId);
  assert.deepEqual(back, { ...built, cosignatures: inOrder });
}

function builtAnswer(input: Input): void {
  const bits = [...new Set(Array.from({ length: input.byte() % 40 }, () => input.byte()))].sort((a, b) => b - a);
  const path = { bits, siblings: bits.map(() => filled(input, 32)) };
  const epoch = 1 + (input.uint53() % Number.MAX_SAFE_INTEGER);
  const text = Array.from(input.block(), (b) => String.fromCharCode(0x20 + (b % 0x5f))).join("");
  const section = (): string | undefined =>
    Array.from(input.block(), (b) => (b === 10 ? "\n" : String.fromCharCode(0x20 + (b % 0x5f)))).join("") || undefined;
  const [stateText, majorItems] = text === "" ? [] : [section(), section()];
  const absent: AnswerPayload["proof"] = input.isDone
    ? { kind: "emptyMap" }
    : {
        kind: "nonInclusion",
        path,
        other: { indexKey: filled(input, 32), value: Uint8Array.of(1, ...input.take(200)) },
      };
  const built: AnswerPayload = {
    text,
    epoch,
    proof: text === "" ? absent : { kind: "inclusion", path },
    ...(stateText === undefined ? {} : { stateText }),
    ...(majorItems === undefined ? {} : { majorItems }),
  };
  assert.deepEqual(plainly(readAnswer(encodeAnswer(built))), plainly(built));
}

function builtPage(input: Input): void {
  const entries: VersionEntry[] = [];
  let logIndex = -1;
  for (let count = 1 + (input.byte() % 5); count > 0; count--) {
    logIndex += 1 + input.uint16();
    const version = Array.from(input.take(input.byte() % 91), (b) => String.fromCharCode(0x21 + (b % 0x5e))).join("");
    entries.push({ logIndex, version: version || "v", zipHash: filled(input, 32), goModHash: filled(input, 32) });
  }
  assert.deepEqual(plainly(decodePage(encodePage(entries))), plainly(entries));
}

/** Without the difference between a Buffer and an array of bytes. */
function plainly(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, v) => (v instanceof Uint8Array ? [...v] : v)));
}
