import assert from "node:assert/strict";
import { parseHostPort } from "../src/cli/host-port.ts";
import { parseMemory } from "../src/client/verify/files.ts";
import { parseKeyFile, parseKeyState } from "../src/dns/dnssec/key-text.ts";
import { parseQuery, Query } from "../src/dns/message.ts";
import { decodePathName, encodePathName } from "../src/dns/module-name.ts";
import { parseName } from "../src/dns/name.ts";
import { decodeTxt } from "../src/dns/rdata.ts";
import { decodeTxtReply, encodeTxtQuery, matchReply } from "../src/dns/txt-reply.ts";
import { splitDataTile } from "../src/sumdb/data-tile.ts";
import { unescapePath, unescapeVersion } from "../src/sumdb/escape.ts";
import { GoSumCollector } from "../src/sumdb/go-sum.ts";
import { parseLookup } from "../src/sumdb/lookup.ts";
import { parseBase32, parseBase64 } from "../src/vindex/base64.ts";
import { parseHex } from "../src/vindex/bytes.ts";
import { parseTreeHead } from "../src/vindex/checkpoint.ts";
import { ProofdnsError } from "../src/vindex/error.ts";
import { verifyForkEvidence } from "../src/vindex/evidence.ts";
import { parseLeaf } from "../src/vindex/leaf.ts";
import { parseMajorItems, parseMajorsValue } from "../src/vindex/majors-value.ts";
import { isModulePath, splitPathSuffix } from "../src/vindex/module-path.ts";
import { parseModuleState } from "../src/vindex/module-state.ts";
import { parseModuleValue } from "../src/vindex/module-value.ts";
import { parseNote, parseVerifierKey, verifyNote } from "../src/vindex/note.ts";
import { decodeAnswer, decodeHead, decodeLogProof, decodePage } from "../src/vindex/payload.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import { parsePolicy } from "../src/vindex/policy.ts";
import { parseRecord } from "../src/vindex/record.ts";
import { parseTilePath } from "../src/vindex/tile.ts";
import { parseToolchainValue } from "../src/vindex/toolchain-value.ts";
import { parseVersion } from "../src/vindex/version.ts";
import { Input, latin1Of, textOf } from "./input.ts";
import { plant } from "./plant.ts";
import { fakeEd25519 } from "./scheme.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import { logKey, sumdbKey, trustOf } from "./world.ts";

/**
 * Every parser over inputs as long as they may come: a beginning, a piece again and again, and an end. Nothing is asked of them
 * but that they end in time, and refuse what they refuse as they should.
 */
export const target: Target = { maxLength: 400, plants: ["quadratic"] };

/** Longest message, and more than any file, note or payload that is read. */
const LENGTH = 65_535;

const trust = trustOf();
const name = Uint8Array.of(2, 0x67, 0x6f, 0);
const query = encodeTxtQuery(name, 0);
const message = new Query();

/** Lines from which the planted bug shows: far above the limit of time or not at all, on any machine. */
const MANY_LINES = 4096;

/** Bug: in a note of many lines all of it is counted again for each of 32,768 of them. */
const readNote = plant("quadratic", parseNote, (note) => {
  const countLines = (): number => {
    let lines = 0;
    for (let i = 0; i < note.length; i++) if (note[i] === "\n") lines++;
    return lines;
  };
  if (countLines() >= MANY_LINES) for (let line = 0; line < 32_768; line++) if (countLines() > LENGTH) break;
  return parseNote(note);
});

const TEXTS: readonly ((text: string) => unknown)[] = [
  readNote,
  (text) => verifyNote(text, logKey.verifierKey, fakeEd25519),
  parseVerifierKey,
  parsePolicy,
  parseTreeHead,
  (text) => parseLeaf(text, sumdbKey.verifierKey),
  (text) => parseMemory(text, trust),
  parseVersion,
  isModulePath,
  splitPathSuffix,
  parseTilePath,
  unescapePath,
  unescapeVersion,
  (text) => parseModuleState(text, "example.com/m", nodeSha256),
  (text) => parseModuleValue(text, "example.com/m", 1000),
  (text) => parseMajorsValue(text, "example.com/m", 1000),
  (text) => parseMajorItems(text, "example.com/m", 1000),
  (text) => parseToolchainValue(text, 1000),
  (text) => {
    const collector = new GoSumCollector();
    for (const [i, line] of text.split("\n").entries()) collector.add({ text: line, number: i + 1 }, "go.sum");
    return collector.result();
  },
  encodePathName,
  (text) => decodePathName(text.split(".")),
  parseName,
  parseHostPort,
  parseKeyFile,
  parseKeyState,
  parseBase64,
  parseBase32,
  parseHex,
  (text) => {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return;
    }
    verifyForkEvidence(json, undefined, fakeEd25519);
  },
];

const BYTES: readonly ((bytes: Uint8Array) => unknown)[] = [
  parsePolicy,
  parseRecord,
  parseLookup,
  (bytes) => splitDataTile(bytes, 256),
  (bytes) => decodeHead(bytes, "plain"),
  (bytes) => decodeHead(bytes, "since"),
  decodeAnswer,
  decodePage,
  decodeLogProof,
  decodeTxt,
  (bytes) => parseQuery(bytes, message),
  (bytes) => (matchReply(bytes, query) === undefined ? undefined : decodeTxtReply(bytes, name)),
];

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  const parser = input.byte() % (TEXTS.length + BYTES.length);
  const start = input.block();
  const end = input.block();
  const unit = input.rest();
  const count = unit.length === 0 ? 0 : Math.floor((LENGTH - start.length - end.length) / unit.length);
  const bytes = Buffer.concat([start, ...Array.from({ length: count }, () => unit), end]);
  const asText = TEXTS[parser];
  const text = asText === undefined ? "" : unit.some((b) => b >= 0x80) ? textOf(bytes) : latin1Of(bytes);
  withinTime("a long input", () => {
    try {
      if (asText !== undefined) asText(text);
      else BYTES[parser - TEXTS.length]?.(bytes);
    } catch (error) {
      assert.ok(error instanceof ProofdnsError, error as Error);
    }
  });
}
