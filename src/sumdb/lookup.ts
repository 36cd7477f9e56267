import { decodeUtf8, equalBytes } from "../vindex/bytes.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import type { Ed25519Verifier } from "../vindex/ed25519.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { VerifierKey } from "../vindex/note.ts";
import { sha256 as defaultSha256, type Hash, type Sha256 } from "../vindex/sha256.ts";
import { computeLeafHash } from "../vindex/tlog.ts";
import { findRecordEnd } from "./data-tile.ts";
import { escapePath, escapeVersion } from "./escape.ts";
import { verifyPrefix } from "./fork.ts";
import { type SignedTreeHead, verifySignedTreeHead } from "./signed-head.ts";
import { type TileFetch, TileReader } from "./tile-reader.ts";

/** The three parts of a lookup's answer. Nothing of it is verified. The arrays alias the input. */
export interface UntrustedLookup {
  readonly logIndex: number;
  /** Up to and including the LF before the first blank line. */
  readonly recordText: Uint8Array;
  /** Everything after the first blank line. */
  readonly note: Uint8Array;
}

const LF = 0x0a;

/**
 * Parses `<id>LF<record text>LF<signed note>`: a canonical decimal, the record up to its blank line, and the rest.
 *
 * @throws ProofdnsError `MALFORMED_LOOKUP`
 */
export function parseLookup(untrusted: Uint8Array): UntrustedLookup {
  const refuse = (why: string): never => {
    throw new ProofdnsError("MALFORMED_LOOKUP", `lookup: ${why}`);
  };
  const idEnd = untrusted.indexOf(LF);
  if (idEnd < 0) return refuse("no line with the record's index");
  const id = idEnd > 16 ? undefined : decodeUtf8(untrusted.subarray(0, idEnd));
  const logIndex = parseDecimal(id ?? "") ?? refuse("its first line is not the record's index");
  const start = idEnd + 1;
  const end = findRecordEnd(untrusted, start);
  if (end < 0) return refuse("no blank line after the record");
  return { logIndex, recordText: untrusted.subarray(start, end), note: untrusted.subarray(end + 1) };
}

/** Which module version was asked for. */
export interface LookupQuestion {
  readonly modulePath: string;
  readonly version: string;
}

export interface VerifyLookupOptions {
  readonly verifierKey: VerifierKey;
  /** Reads hash tiles; its bytes are not trusted. */
  readonly fetchTile: TileFetch;
  /** The tree head that the caller holds; the lookup's may be older or newer. */
  readonly known?: SignedTreeHead | undefined;
  readonly tileHeight?: number;
  readonly sha256?: Sha256;
  readonly ed25519?: Ed25519Verifier;
}

/** What `verifyLookup` proved. */
export interface VerifiedLookup {
  readonly logIndex: number;
  readonly recordHash: Hash;
  /** The lines of the authenticated record about the asked path and version, without LF; at least one. */
  readonly lines: readonly string[];
  /** The larger of the two tree heads: the one to know from now on. */
  readonly head: SignedTreeHead;
}

/**
 * Verifies the answer to a lookup: its note is signed, its tree and the known one are one log, exactly this record stands
 * at its index, and the record is about exactly what was asked.
 *
 * @throws ProofdnsError `MALFORMED_LOOKUP`, `MALFORMED_NOTE`, `MALFORMED_TREE_HEAD`; `BAD_SUMDB_SIGNATURE`; `BAD_LOOKUP` if
 *   the record is not the one at its index or says nothing about the question; `SUMDB_FORK` with evidence; `BAD_TILE`,
 *   `MALFORMED_TILE` and `UNREACHABLE` where the tiles do not allow to tell; `MALFORMED_INPUT` if the question is none
 */
export async function verifyLookup(
  untrusted: Uint8Array,
  question: LookupQuestion,
  options: VerifyLookupOptions,
): Promise<VerifiedLookup> {
  // A question with spaces or line feeds could match lines that no module path can make.
  escapePath(question.modulePath);
  escapeVersion(question.version);
  const { verifierKey, known, sha256 = defaultSha256 } = options;
  const { logIndex, recordText, note } = parseLookup(untrusted);
  const answered = verifySignedTreeHead(note, verifierKey, options.ed25519);
  if (logIndex >= answered.treeHead.treeSize) {
    throw bad(`its tree of size ${answered.treeHead.treeSize} does not hold record ${logIndex}`);
  }
  const [older, newer] =
    known !== undefined && known.treeHead.treeSize >= answered.treeHead.treeSize
      ? [answered, known]
      : [known, answered];
  const reader = new TileReader(newer.treeHead, options.fetchTile, {
    ...(options.tileHeight === undefined ? {} : { height: options.tileHeight }),
    sha256,
  });
  if (older !== undefined) await verifyPrefix(older, newer, reader, verifierKey, options.ed25519);
  const recordHash = computeLeafHash(recordText, sha256);
  const [logged] = await reader.readHashes([{ level: 0, index: logIndex }]);
  if (logged === undefined || !equalBytes(logged, recordHash)) {
    throw bad(`record ${logIndex} of the signed tree is another one`);
  }
  const lines = linesAbout(recordText, question);
  if (lines.length === 0) {
    throw bad(`record ${logIndex} is in the log and not about ${question.modulePath} ${question.version}`);
  }
  return { logIndex, recordHash, lines, head: newer };
}

/** The lines of an authenticated record that are about the question: three fields, the first two as asked. */
function linesAbout(recordText: Uint8Array, { modulePath, version }: LookupQuestion): string[] {
  const text = decodeUtf8(recordText);
  if (text === undefined) return [];
  return text.split("\n").filter((line) => {
    const [path, lineVersion, hash, ...more] = line.split(" ");
    const isVersion = lineVersion === version || lineVersion === `${version}/go.mod`;
    return path === modulePath && isVersion && hash !== undefined && hash !== "" && more.length === 0;
  });
}

function bad(why: string): ProofdnsError {
  return new ProofdnsError("BAD_LOOKUP", `lookup: ${why}`);
}
