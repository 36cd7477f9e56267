import { formatBase64, parseBase64 } from "./base64.ts";
import { parseDecimal } from "./decimal.ts";
import { ProofdnsError } from "./error.ts";
import { HASH_LENGTH, type Hash } from "./sha256.ts";

/** Size and root of an append-only log at one moment. */
export interface TreeHead {
  readonly treeSize: number;
  readonly rootHash: Hash;
}

/** A tree head under the name of its log (c2sp.org/tlog-checkpoint), without extension lines. */
export interface Checkpoint extends TreeHead {
  readonly origin: string;
}

/** First line of every tree head of a Go checksum database, whatever its key is called. */
export const SUMDB_ORIGIN = "go.sum database tree";

/** Formats `origin LF size LF base64(root) LF`. */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.treeSize}\n${formatBase64(checkpoint.rootHash)}\n`;
}

/**
 * Parses exactly three lines: origin, canonical size, base64 of 32 bytes.
 *
 * @throws ProofdnsError `MALFORMED_CHECKPOINT`, also for extension lines (spec/log.md §3)
 */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n");
  const [origin, size, root, end] = lines;
  if (
    lines.length !== 4 ||
    end !== "" ||
    origin === undefined ||
    origin === "" ||
    size === undefined ||
    root === undefined
  ) {
    throw new ProofdnsError(
      "MALFORMED_CHECKPOINT",
      `checkpoint: ${lines.length - 1} lines instead of origin, size and root`,
    );
  }
  const treeSize = parseDecimal(size);
  const rootHash = parseBase64(root);
  if (treeSize === undefined)
    throw new ProofdnsError("MALFORMED_CHECKPOINT", "checkpoint: its size is not a canonical decimal");
  if (rootHash?.length !== HASH_LENGTH)
    throw new ProofdnsError("MALFORMED_CHECKPOINT", "checkpoint: its root is not base64 of 32 bytes");
  return { origin, treeSize, rootHash };
}

/** Formats the three lines of a checksum database's tree head. */
export function formatTreeHead(treeHead: TreeHead): string {
  return formatCheckpoint({ origin: SUMDB_ORIGIN, ...treeHead });
}

/**
 * Parses a checksum database's tree head: three lines, the first of them `go.sum database tree`.
 *
 * @throws ProofdnsError `MALFORMED_TREE_HEAD`
 */
export function parseTreeHead(text: string): TreeHead {
  let checkpoint: Checkpoint;
  try {
    checkpoint = parseCheckpoint(text);
  } catch (cause) {
    throw new ProofdnsError("MALFORMED_TREE_HEAD", "tree head: not the three lines of a go.sum database tree", {
      cause,
    });
  }
  if (checkpoint.origin !== SUMDB_ORIGIN) {
    throw new ProofdnsError("MALFORMED_TREE_HEAD", `tree head: its first line is not "${SUMDB_ORIGIN}"`);
  }
  return { treeSize: checkpoint.treeSize, rootHash: checkpoint.rootHash };
}
