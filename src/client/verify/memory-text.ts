import { formatBase64, parseBase64 } from "../../vindex/base64.ts";
import { encodeUtf8 } from "../../vindex/bytes.ts";
import { formatCheckpoint, formatTreeHead } from "../../vindex/checkpoint.ts";
import { ProofdnsError } from "../../vindex/error.ts";
import { Frontier } from "../../vindex/frontier.ts";
import { type EpochLeaf, formatLeaf, parseLeaf } from "../../vindex/leaf.ts";
import { formatKeyId, formatVerifierKey, parseNote } from "../../vindex/note.ts";
import { HASH_LENGTH } from "../../vindex/sha256.ts";
import type { Memory } from "./head.ts";
import type { Trust } from "./trust.ts";

/** First field of a remembered head. */
const MEMORY_TYPE = "proofdns-memory/1";

/**
 * Formats a memory as JSON text with a final LF:
 *
 *     { "type": "proofdns-memory/1", "log": <vkey>, "epoch": 17, "peaks": [<base64>, …], "logSignature": <base64>,
 *       "leaf": <leaf text>, "ageTime": <unix seconds, 0 = unknown>, "sumdbLeaf": <leaf text of an earlier epoch> }
 *
 * `sumdbLeaf` is absent where it would be the leaf itself.
 */
export function formatMemory(memory: Memory, trust: Trust): string {
  const json = {
    type: MEMORY_TYPE,
    log: formatVerifierKey(trust.logKey),
    epoch: memory.epoch,
    peaks: memory.frontier.peaks.map(formatBase64),
    logSignature: formatBase64(memory.logSignature),
    leaf: formatLeaf(memory.leaf, trust.sumdbKey),
    ageTime: memory.ageTime,
    ...(memory.sumdbLeaf && { sumdbLeaf: formatLeaf(memory.sumdbLeaf, trust.sumdbKey) }),
  };
  return `${JSON.stringify(json, undefined, 2)}\n`;
}

/**
 * Parses what `formatMemory` made, and checks both signatures in it: a damaged or foreign memory is refused, never
 * taken for "nothing remembered", since that would give up the protection from rollback.
 *
 * @throws ProofdnsError `MALFORMED_MEMORY`
 */
export function parseMemory(text: string, trust: Trust): Memory {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ProofdnsError("MALFORMED_MEMORY", `remembered head: ${why}`, { cause });
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    return refuse("not JSON", cause);
  }
  if (typeof json !== "object" || json === null) return refuse("not a JSON object");
  const fields = new Map<string, unknown>(Object.entries(json));
  const takeText = (key: string): string => {
    const value = fields.get(key);
    return typeof value === "string" ? value : refuse(`no ${key}`);
  };
  const takeNumber = (key: string, least: number): number => {
    const value = fields.get(key);
    return typeof value === "number" && Number.isSafeInteger(value) && value >= least ? value : refuse(`no ${key}`);
  };
  if (takeText("type") !== MEMORY_TYPE) return refuse(`its type is not ${MEMORY_TYPE}`);
  if (takeText("log") !== formatVerifierKey(trust.logKey)) return refuse("it is of another log key");
  const epoch = takeNumber("epoch", 1);
  const ageTime = takeNumber("ageTime", 0);
  const peaks = fields.get("peaks");
  if (!Array.isArray(peaks)) return refuse("no peaks");
  const hashes = peaks.map((peak) => {
    const hash = typeof peak === "string" ? parseBase64(peak) : undefined;
    return hash?.length === HASH_LENGTH ? hash : refuse("a peak is no hash");
  });
  const logSignature = parseBase64(takeText("logSignature")) ?? refuse("its signature is not base64");
  try {
    const leaf = parseLeaf(takeText("leaf"), trust.sumdbKey);
    const sumdbLeaf = fields.has("sumdbLeaf") ? parseLeaf(takeText("sumdbLeaf"), trust.sumdbKey) : undefined;
    const frontier = Frontier.of(epoch, hashes, trust.sha256);
    const rootHash = frontier.root();
    const checkpoint = encodeUtf8(formatCheckpoint({ origin: trust.origin, treeSize: epoch, rootHash }));
    if (!trust.ed25519.verify(trust.logKey.publicKey, checkpoint, logSignature))
      return refuse("its log signature is wrong");
    if (![leaf, sumdbLeaf ?? leaf].every((one) => isSigned(one, trust))) return refuse("its sumdb signature is wrong");
    if (sumdbLeaf === undefined) return { epoch, rootHash, logSignature, frontier, leaf, ageTime };
    if (sumdbLeaf.treeHead.treeSize >= leaf.treeHead.treeSize) return refuse("its sumdbLeaf is no earlier one");
    return { epoch, rootHash, logSignature, frontier, leaf, ageTime, sumdbLeaf };
  } catch (cause) {
    if (!(cause instanceof ProofdnsError) || cause.code === "MALFORMED_MEMORY") throw cause;
    const other = signerOf(takeText("leaf"), trust);
    // Whoever gives the wrong key must not be led to throw away a good memory.
    if (other !== undefined)
      return refuse(`its checksum database is ${other}, and the key given is that of ${nameOf(trust.sumdbKey)}`);
    return refuse(cause.message, cause);
  }
}

function isSigned({ treeHead, sumdbSignature }: EpochLeaf, { ed25519, sumdbKey }: Trust): boolean {
  return ed25519.verify(sumdbKey.publicKey, encodeUtf8(formatTreeHead(treeHead)), sumdbSignature);
}

function nameOf({ keyName, keyId }: { keyName: string; keyId: number }): string {
  return `${keyName}+${formatKeyId(keyId)}`;
}

/** Who signed the tree head of a leaf, if it is another than the trusted key. */
function signerOf(leafText: string, { sumdbKey }: Trust): string | undefined {
  const note = leafText.slice(leafText.indexOf("\n") + 1);
  try {
    const { signatures } = parseNote(note);
    const isOther = signatures.every(({ keyName, keyId }) => keyName !== sumdbKey.keyName || keyId !== sumdbKey.keyId);
    const [first] = signatures;
    return isOther && first !== undefined ? nameOf(first) : undefined;
  } catch {
    // No note at all: damaged, which the caller says.
    return undefined;
  }
}
