import { formatHex } from "../vindex/bytes.ts";
import { decodeAnswer } from "../vindex/payload.ts";

/**
 * Draws the path of a verified answer as a small tree: from the map root down to the leaf, one line for each branch with
 * the sibling that the proof holds there.
 */
export function drawProof(payload: Uint8Array, subject: string, mapRoot: Uint8Array): string {
  const { proof } = decodeAnswer(payload);
  const short = (hash: Uint8Array): string => `${formatHex(hash).slice(0, 12)}…`;
  const lines = [`map root ${short(mapRoot)}`];
  if (proof.kind === "emptyMap") return `${lines[0]} (the empty map)`;
  const steps = proof.path.bits.map((bit, i) => ({ bit, sibling: proof.path.siblings[i] as Uint8Array })).reverse();
  let indent = "";
  for (const { bit, sibling } of steps) {
    lines.push(`${indent}├─ ${short(sibling)}  sibling, from the proof`);
    lines.push(`${indent}└─ branch at bit ${bit}`);
    indent += "   ";
  }
  const leaf =
    proof.kind === "inclusion"
      ? `leaf: ${subject} and its value`
      : `leaf of another key ${short(proof.other.indexKey)}: so ${subject} is absent`;
  lines.push(`${indent}└─ ${leaf}`);
  return lines.join("\n");
}
