import { formatBase64 } from "../vindex/base64.ts";
import { type Cosignature, cosignatureFromNote, verifyCosignature } from "../vindex/cosignature.ts";
import { parseDecimal } from "../vindex/decimal.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { KEY_TYPE_COSIGNATURE, parseNoteSignature, parseVerifierKey, type VerifierKey } from "../vindex/note.ts";
import { nodeEd25519 } from "../vindex/platform.ts";
import type { Hash } from "../vindex/sha256.ts";

/** A witness that cosigns checkpoints (c2sp.org/tlog-witness). */
export interface Witness {
  readonly verifierKey: VerifierKey;
  /** Submission prefix, without a final slash. */
  readonly url: string;
}

/** What a witness said of a checkpoint: its cosignature, or the size that it knows instead of the old one. */
export type WitnessReply =
  | { readonly kind: "cosigned"; readonly cosignature: Cosignature }
  | { readonly kind: "conflict"; readonly treeSize: number };

const MAX_REPLY_LENGTH = 16_384;
const ed25519 = nodeEd25519();

/**
 * Parses `VKEY URL` as given to `--witness`.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` or `MALFORMED_VERIFIER_KEY`
 */
export function parseWitness(text: string): Witness {
  const [vkey, url, ...rest] = text.trim().split(/[ \t]+/);
  if (vkey === undefined || url === undefined || rest.length > 0 || !/^https?:\/\/[^/]/.test(url)) {
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `witness ${JSON.stringify(text)}: expected a verifier key and an http or https URL`,
    );
  }
  const verifierKey = parseVerifierKey(vkey);
  if (verifierKey.type !== KEY_TYPE_COSIGNATURE) {
    throw new ProofdnsError(
      "MALFORMED_VERIFIER_KEY",
      `witness ${verifierKey.keyName}: its key is not of type 0x04 (cosignature/v1)`,
    );
  }
  return { verifierKey, url: url.replace(/\/+$/, "") };
}

/**
 * Asks a witness to cosign a checkpoint that extends the tree of `oldSize` that it knows.
 *
 * `ask` is what is called instead of the platform's `fetch`.
 *
 * @throws ProofdnsError `UNREACHABLE` if it cannot be asked or refuses, `BAD_COSIGNATURE` if its cosignature is wrong
 */
export async function addCheckpoint(
  witness: Witness,
  request: { oldSize: number; consistency: readonly Hash[]; checkpointText: string; note: string },
  signal: AbortSignal,
  ask: typeof fetch = fetch,
): Promise<WitnessReply> {
  const { keyName, keyId } = witness.verifierKey;
  const proof = request.consistency.map((hash) => `${formatBase64(hash)}\n`).join("");
  const body = `old ${request.oldSize}\n${proof}\n${request.note}`;
  let status: number;
  let text: string;
  try {
    const response = await ask(`${witness.url}/add-checkpoint`, { method: "POST", body, signal, redirect: "error" });
    status = response.status;
    text = await readBounded(response);
  } catch (cause) {
    throw new ProofdnsError("UNREACHABLE", `the witness ${keyName} cannot be reached: ${reasonOf(cause)}`, { cause });
  }
  if (status === 409) {
    const treeSize = parseDecimal(text.replace(/\n$/, ""));
    if (treeSize !== undefined) return { kind: "conflict", treeSize };
  }
  if (status !== 200)
    throw new ProofdnsError("UNREACHABLE", `the witness ${keyName} answers ${status}: ${text.slice(0, 200).trim()}`);
  for (const line of text.split("\n")) {
    const signature = parseNoteSignature(line);
    if (signature?.keyName !== keyName || signature.keyId !== keyId) continue;
    const cosignature = cosignatureFromNote(signature);
    if (cosignature === undefined) break;
    verifyCosignature(request.checkpointText, cosignature, witness.verifierKey, ed25519);
    return { kind: "cosigned", cosignature };
  }
  throw new ProofdnsError("BAD_COSIGNATURE", `the witness ${keyName} answers without a cosignature of its key`);
}

/** `fetch` says "fetch failed" and keeps the reason in its cause. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return inner instanceof Error ? inner.message : String(inner);
}

async function readBounded(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > MAX_REPLY_LENGTH) throw new Error(`its answer is longer than ${MAX_REPLY_LENGTH} characters`);
  }
  return text;
}
