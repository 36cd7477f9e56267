import { encodeUtf8, equalBytes } from "../../vindex/bytes.ts";
import { ProofdnsError } from "../../vindex/error.ts";
import {
  computeMajorsValue,
  isAllItems,
  type MajorItem,
  parseMajorItems,
  parseMajorsValue,
} from "../../vindex/majors-value.ts";
import { isModulePath, majorsSubject, TOOLCHAIN_SUBJECT } from "../../vindex/module-path.ts";
import { type ModuleState, parseModuleState } from "../../vindex/module-state.ts";
import { computeIndexKey, computeModuleValue, type ModuleValue, parseModuleValue } from "../../vindex/module-value.ts";
import { verifyEmptyMap, verifyInclusionProof, verifyNonInclusionProof } from "../../vindex/path-proof.ts";
import { type AnswerPayload, decodeAnswer } from "../../vindex/payload.ts";
import { parseToolchainValue, type ToolchainItem } from "../../vindex/toolchain-value.ts";
import type { Memory, VerifiedHead } from "./head.ts";
import type { Trust } from "./trust.ts";

/** What is looked up: a module (perhaps with its versions), the majors of a base path, or the toolchain. */
export type Subject =
  | { readonly kind: "module"; readonly path: string; readonly withVersions?: boolean }
  | { readonly kind: "majors"; readonly basePath: string }
  | { readonly kind: "toolchain" };

/** The text whose SHA-256 is the subject's index key (spec/map.md §4). */
export function subjectText(subject: Subject): string {
  if (subject.kind === "module") return subject.path;
  return subject.kind === "majors" ? majorsSubject(subject.basePath) : TOOLCHAIN_SUBJECT;
}

/** What `verifyAnswer` proved, under `head`. */
export type VerifiedAnswer =
  | { readonly kind: "absent"; readonly head: VerifiedHead }
  | {
      readonly kind: "module";
      readonly path: string;
      /** The value as committed. */
      readonly text: string;
      readonly value: ModuleValue;
      /** The module's state; only where versions were asked. */
      readonly state: ModuleState | undefined;
      readonly stateText: string | undefined;
      readonly head: VerifiedHead;
    }
  | {
      readonly kind: "majors";
      readonly text: string;
      readonly items: readonly MajorItem[];
      /** False if the family has more members than are proven here. */
      readonly isComplete: boolean;
      readonly head: VerifiedHead;
    }
  | {
      readonly kind: "toolchain";
      readonly text: string;
      readonly items: readonly ToolchainItem[];
      readonly head: VerifiedHead;
    };

/** What `verifyAnswer` is given. */
export interface AnswerInput {
  readonly trust: Trust;
  readonly subject: Subject;
  readonly untrustedAnswer: Uint8Array;
  /** The verified head of the epoch that the answer names. */
  readonly head: VerifiedHead;
  /** A verified or remembered head of a later epoch, if there is one. */
  readonly newest?: Memory | undefined;
}

/** The epoch that an answer names: which head to verify it with. @throws ProofdnsError `MALFORMED_ANSWER` */
export function epochOfAnswer(untrustedAnswer: Uint8Array): number {
  return decodeAnswer(untrustedAnswer).epoch;
}

/**
 * Verifies an answer under the head of its epoch (spec/client.md §4).
 *
 * @throws ProofdnsError with the code of the first check that fails
 */
export function verifyAnswer(input: AnswerInput): VerifiedAnswer {
  const { trust, subject, head } = input;
  if (subject.kind === "module" && !isModulePath(subject.path))
    throw new TypeError(`not a module path: ${subject.path}`);
  const answer = decodeAnswer(input.untrustedAnswer);
  checkSections(answer, subject);
  if (answer.epoch !== head.epoch) {
    throw new ProofdnsError("WRONG_EPOCH", `an answer of epoch ${answer.epoch} beside the head of epoch ${head.epoch}`);
  }
  verifyProof(trust, answer, subject, head);
  const result = answer.text === "" ? ({ kind: "absent", head } as const) : readValue(input, answer);
  const { newest } = input;
  // An age time of 0 is none: what is not known to be fresh is not known to lag.
  const isDated = newest !== undefined && newest.ageTime > 0 && head.ageTime > 0;
  if (isDated && newest.epoch > head.epoch && newest.ageTime - head.ageTime > trust.maxLag) {
    throw new ProofdnsError(
      "LAGGING",
      `the answer is of epoch ${head.epoch}, ${newest.ageTime - head.ageTime} s older than epoch ${newest.epoch}; at most ${trust.maxLag} s are allowed`,
    );
  }
  return result;
}

/** Step 1. */
function checkSections(answer: AnswerPayload, subject: Subject): void {
  const isPresent = answer.text !== "";
  const needsState = isPresent && subject.kind === "module" && subject.withVersions === true;
  if ((answer.stateText !== undefined) !== needsState) {
    throw new ProofdnsError("MALFORMED_ANSWER", `answer: ${needsState ? "no" : "a"} state section`);
  }
  if (answer.majorItems !== undefined && subject.kind !== "majors") {
    throw new ProofdnsError("MALFORMED_ANSWER", "answer: a majors section");
  }
}

/** Step 3. */
function verifyProof(trust: Trust, answer: AnswerPayload, subject: Subject, head: VerifiedHead): void {
  const { mapRoot } = head.leaf;
  const indexKey = computeIndexKey(subjectText(subject), trust.sha256);
  const { proof } = answer;
  if (proof.kind === "inclusion")
    verifyInclusionProof(proof.path, indexKey, encodeUtf8(answer.text), mapRoot, trust.sha256);
  else if (proof.kind === "nonInclusion")
    verifyNonInclusionProof(proof.path, indexKey, proof.other, mapRoot, trust.sha256);
  else verifyEmptyMap(mapRoot, trust.sha256);
}

/** Steps 4 to 6. */
function readValue(input: AnswerInput, answer: AnswerPayload): VerifiedAnswer {
  const { trust, subject, head } = input;
  const sumdbSize = head.leaf.treeHead.treeSize;
  if (subject.kind === "toolchain")
    return { kind: "toolchain", text: answer.text, items: parseToolchainValue(answer.text, sumdbSize), head };
  if (subject.kind === "majors") return readMajors(trust, subject.basePath, answer, head);
  const value = parseModuleValue(answer.text, subject.path, sumdbSize);
  const { stateText } = answer;
  const state = stateText === undefined ? undefined : readState(input, subject.path, answer.text, value, stateText);
  return { kind: "module", path: subject.path, text: answer.text, value, state, stateText, head };
}

/** Step 5. */
function readState(
  { trust, head }: AnswerInput,
  path: string,
  valueText: string,
  value: ModuleValue,
  stateText: string,
): ModuleState {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ProofdnsError("BAD_STATE_TEXT", `state of ${path}: ${why}`, { cause });
  };
  if (!equalBytes(trust.sha256(encodeUtf8(stateText)), value.stateHash))
    return refuse("it is not the one that the value commits to");
  let state: ModuleState;
  try {
    state = parseModuleState(stateText, path, trust.sha256);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    return refuse("malformed", cause);
  }
  // Nobody is made to fetch more records than there are.
  if (state.subLog.treeSize > head.leaf.treeHead.treeSize) return refuse("it counts more records than there are");
  if (computeModuleValue(path, state, stateText, trust.sha256) !== valueText) return refuse("it gives another value");
  return state;
}

/** Step 6. */
function readMajors(trust: Trust, basePath: string, answer: AnswerPayload, head: VerifiedHead): VerifiedAnswer {
  const sumdbSize = head.leaf.treeHead.treeSize;
  const value = parseMajorsValue(answer.text, basePath, sumdbSize);
  if (answer.majorItems === undefined) {
    return {
      kind: "majors",
      text: answer.text,
      items: value.items,
      isComplete: isAllItems(value, value.shown, trust.sha256),
      head,
    };
  }
  const refuse = (why: string, cause?: unknown): never => {
    throw new ProofdnsError("BAD_MAJORS", `majors of ${basePath}: ${why}`, { cause });
  };
  if (!isAllItems(value, answer.majorItems, trust.sha256)) return refuse("not the items that the value commits to");
  let items: MajorItem[];
  try {
    items = parseMajorItems(answer.majorItems, basePath, sumdbSize);
  } catch (cause) {
    if (!(cause instanceof ProofdnsError)) throw cause;
    return refuse("malformed", cause);
  }
  if (answer.majorItems === value.shown || computeMajorsValue(answer.majorItems, trust.sha256) !== answer.text) {
    return refuse("the value is not these items, cut");
  }
  return { kind: "majors", text: answer.text, items, isComplete: true, head };
}
