import assert from "node:assert/strict";
import {
  epochOfAnswer,
  type Subject,
  subjectText,
  type VerifiedHead,
  verifyAnswer,
} from "../src/client/verify/index.ts";
import { computeIndexKey } from "../src/vindex/module-value.ts";
import { Input } from "./input.ts";
import { foldPath, H, keyBit, mapLeaf, same } from "./oracle/merkle.ts";
import { cutItems, naiveState, valueOfState } from "./oracle/module-state.ts";
import { joinAnswer, type NaiveAnswer, naiveAnswer } from "./oracle/payload.ts";
import { naiveMajorItems, naiveMajorsValue, naiveModuleValue, naiveToolchain } from "./oracle/values.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";
import { EPOCHS, epochOf, subjects, trustOf, verifiedHead, work } from "./world.ts";

/**
 * Answers, verified under a head. Half of the inputs are read under an honest head: then nothing is accepted but what
 * is in the map. The other half under a head whose map root fits what was sent, as an operator could sign it: then the
 * verdict is that of a second implementation of spec/client.md §4.
 */
export const target: Target = { maxLength: 2048, plants: ["absent-by-any-leaf", "state-unbound"] };

/** Bug: a leaf that shows absence need not stand where the key's path ends. */
const verify = plant("absent-by-any-leaf", verifyAnswer, (input) => {
  try {
    return verifyAnswer(input);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("not where the asked key's path ends")) throw error;
    return { kind: "absent", head: input.head };
  }
});

/** Bug: a state that the value does not commit to is passed over. */
const verifyPlanted = plant("state-unbound", verify, (input) => {
  try {
    return verify(input);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes("not the one that the value commits to")) throw error;
    return { kind: "absent", head: input.head };
  }
});

const trust = trustOf();
const heads = Array.from({ length: EPOCHS }, (_, i) => verifiedHead(i + 1, trust));

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  const chosen = input.byte();
  const text = input.pick(subjects);
  const flags = input.byte();
  const newestEpoch = input.byte() % (EPOCHS + 1);
  const size = input.uint16();
  const bytes = input.rest();
  const subject = subjectOf(text, (flags & 2) !== 0);
  const key = computeIndexKey(subjectText(subject), work.sha256);
  const isOperator = (flags & 1) !== 0;
  const decoded = naiveAnswer(bytes);
  const payload = decoded !== undefined && isOperator ? joinAnswer(committed(decoded, subject, flags)) : bytes;
  const answer = naiveAnswer(payload);

  // The head of the epoch that the answer names, if there is one; else, and now and then, some other.
  const named = chosen % 8 === 7 ? 1 + ((chosen >> 3) % EPOCHS) : (answer?.epoch ?? 1);
  const honest = heads[named - 1] ?? (heads[EPOCHS - 1] as VerifiedHead);
  const head = isOperator ? signedFor(honest, answer, key, size) : honest;
  const newest = heads[newestEpoch - 1];
  const outcome = withinTime("an answer", () =>
    outcomeOf(
      () => work.counted(() => verifyPlanted({ trust, subject, untrustedAnswer: payload, head, newest })),
      "MALFORMED_ANSWER",
      "WRONG_EPOCH",
      "BAD_PROOF",
      "BAD_VALUE",
      "BAD_STATE_TEXT",
      "BAD_MAJORS",
      "LAGGING",
    ),
  );
  assert.ok(work.hashes <= 300, `${work.hashes} hashes`);
  const expected = naiveVerdict(answer, subject, key, head, newest);
  assert.equal(outcome.code, expected, outcome.error?.message);
  const epoch = outcomeOf(() => epochOfAnswer(payload), "MALFORMED_ANSWER");
  assert.equal(epoch.value, answer?.epoch);
  if (outcome.value === undefined || answer === undefined) return;
  assert.equal(outcome.value.kind, answer.text === "" ? "absent" : subject.kind);
  if (isOperator || head !== heads[answer.epoch - 1]) return;
  const truth = epochOf(answer.epoch).tree.get(key);
  if (outcome.value.kind === "absent") assert.equal(truth, undefined, "shown to be absent, and there");
  else assert.equal(outcome.value.text, truth && Buffer.from(truth).toString("latin1"), "another value than there is");
}

function subjectOf(text: string, withVersions: boolean): Subject {
  if (text === "toolchain") return { kind: "toolchain" };
  if (text.endsWith("v*")) return { kind: "majors", basePath: text.slice(0, -3) };
  return { kind: "module", path: text, withVersions };
}

const text43 = (hash: Uint8Array): string => Buffer.from(hash).toString("base64").slice(0, 43);

/** The answer with a value that commits to its state or its items, as far as the flags ask for it. */
function committed(answer: NaiveAnswer, subject: Subject, flags: number): NaiveAnswer {
  const { text, state, majors } = answer;
  if (state !== undefined && subject.kind === "module") {
    const parsed = naiveState(state, subject.path);
    if ((flags & 8) !== 0 && parsed !== undefined)
      return { ...answer, text: valueOfState(parsed, state, subject.path) };
    if ((flags & 4) !== 0) return { ...answer, text: text.replace(/ s=.{43}/, ` s=${text43(H(state))}`) };
  }
  if (majors !== undefined && subject.kind === "majors") {
    if ((flags & 8) !== 0 && majors.length < 3000) return { ...answer, text: majorsValueOf(majors) || text };
    if ((flags & 4) !== 0) return { ...answer, text: text.replace(/ s=.{43}/, ` s=${text43(H(majors))}`) };
  }
  return answer;
}

/** The value of a family with these items (spec/map.md §7). */
function majorsValueOf(all: string): string {
  const [first, ...rest] = all.split("; ");
  return cutItems([`${first} s=${text43(H(all))}`, ...rest]);
}

/** The head, with the map root that makes the proof sent hold. */
function signedFor(head: VerifiedHead, answer: NaiveAnswer | undefined, key: Uint8Array, size: number): VerifiedHead {
  const mapRoot = answer === undefined ? head.leaf.mapRoot : rootOf(answer, key);
  const epoch = answer?.epoch ?? head.epoch;
  return { ...head, epoch, leaf: { ...head.leaf, mapRoot, treeHead: { ...head.leaf.treeHead, treeSize: size } } };
}

/** The map root that the proof of an answer gives for a key. */
function rootOf({ kind, text, bits, siblings, otherKey, otherValue }: NaiveAnswer, key: Uint8Array): Uint8Array {
  if (kind === "emptyMap") return H();
  if (kind === "inclusion") return foldPath(key, mapLeaf(key, Buffer.from(text, "latin1")), bits, siblings);
  return foldPath(otherKey, mapLeaf(otherKey, otherValue), bits, siblings);
}

/** Steps 1 to 7. */
function naiveVerdict(
  answer: NaiveAnswer | undefined,
  subject: Subject,
  key: Uint8Array,
  head: VerifiedHead,
  newest: VerifiedHead | undefined,
): string | undefined {
  if (answer === undefined) return "MALFORMED_ANSWER";
  const { text, state, majors } = answer;
  const isPresent = text !== "";
  const needsState = isPresent && subject.kind === "module" && subject.withVersions === true;
  if ((state !== undefined) !== needsState) return "MALFORMED_ANSWER";
  if (majors !== undefined && !(isPresent && subject.kind === "majors")) return "MALFORMED_ANSWER";
  if (answer.epoch !== head.epoch) return "WRONG_EPOCH";
  if (!same(rootOf(answer, key), head.leaf.mapRoot)) return "BAD_PROOF";
  if (answer.kind === "nonInclusion") {
    const { bits, otherKey } = answer;
    if (same(otherKey, key) || bits.some((bit) => keyBit(otherKey, bit) !== keyBit(key, bit))) return "BAD_PROOF";
  }
  const code = isPresent ? valueCode(answer, subject, head.leaf.treeHead.treeSize) : undefined;
  if (code !== undefined) return code;
  const isDated = newest !== undefined && newest.ageTime !== 0 && head.ageTime !== 0;
  const isLagging = isDated && newest.epoch > head.epoch && newest.ageTime - head.ageTime > trust.maxLag;
  return isLagging ? "LAGGING" : undefined;
}

/** Steps 4 to 6. */
function valueCode({ text, state, majors }: NaiveAnswer, subject: Subject, size: number): string | undefined {
  if (subject.kind === "toolchain") return naiveToolchain(text, size) === undefined ? "BAD_VALUE" : undefined;
  if (subject.kind === "majors") {
    const value = naiveMajorsValue(text, subject.basePath, size);
    if (value === undefined) return "BAD_VALUE";
    if (majors === undefined) return undefined;
    const isCut =
      text43(H(majors)) === value.hash &&
      naiveMajorItems(majors, subject.basePath, size) !== undefined &&
      majorsValueOf(majors) === text &&
      majors !== value.shown;
    return isCut ? undefined : "BAD_MAJORS";
  }
  const value = naiveModuleValue(text, subject.path, size);
  if (value === undefined) return "BAD_VALUE";
  if (state === undefined) return undefined;
  const parsed = naiveState(state, subject.path);
  const isState =
    text43(H(state)) === value.hashes[2] &&
    parsed !== undefined &&
    parsed.count <= size &&
    valueOfState(parsed, state, subject.path) === text;
  return isState ? undefined : "BAD_STATE_TEXT";
}
