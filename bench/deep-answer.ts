import { type AnswerInput, subjectText } from "../src/client/verify/index.ts";
import { encodeUtf8 } from "../src/vindex/bytes.ts";
import { computeIndexKey } from "../src/vindex/module-value.ts";
import { decodeAnswer, encodeAnswer } from "../src/vindex/payload.ts";
import { bitOf, computeMapLeafHash, computeMapNodeHash } from "../src/vindex/prefix-tree.ts";
import type { Hash, Sha256 } from "../src/vindex/sha256.ts";

/** Siblings of the median answer in a map of 2.5 million modules. */
export const SIBLINGS = 22;

/**
 * The same answer as if it stood in a map of millions of modules, under a head of that map: a path of `SIBLINGS` invented siblings beside
 * the first bits of the key, and one bit that nobody shares, as a tree of random keys has it.
 */
export function deepen(input: Omit<AnswerInput, "trust">, sha256: Sha256): Omit<AnswerInput, "trust"> {
  const answer = decodeAnswer(input.untrustedAnswer);
  const indexKey = computeIndexKey(subjectText(input.subject), sha256);
  const bits = [SIBLINGS + 2, ...Array.from({ length: SIBLINGS - 1 }, (_, i) => SIBLINGS - 2 - i)];
  const siblings = bits.map((bit) => sha256(encodeUtf8(`sibling ${bit}`)));
  let root: Hash = computeMapLeafHash(indexKey, encodeUtf8(answer.text), sha256);
  for (const [i, bit] of bits.entries()) {
    const sibling = siblings[i] as Hash;
    root =
      bitOf(indexKey, bit) === 0
        ? computeMapNodeHash(bit, root, sibling, sha256)
        : computeMapNodeHash(bit, sibling, root, sha256);
  }
  const { head } = input;
  return {
    ...input,
    untrustedAnswer: encodeAnswer({ ...answer, proof: { kind: "inclusion", path: { bits, siblings } } }),
    head: { ...head, leaf: { ...head.leaf, mapRoot: root } },
  };
}
