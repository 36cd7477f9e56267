import { captureAnswers } from "../../bench/dns/capture.ts";
import { modulePaths } from "../../bench/dns/names.ts";
import { Questions } from "../../src/client/questions.ts";
import type { Subject } from "../../src/client/verify/index.ts";
import { familyOf, isModulePath } from "../../src/vindex/module-path.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import type { Question } from "./order.ts";

/** Longest answer, without a cookie: it must fit UDP with one, and with a proof that grows with the log. */
const MAX_ANSWER = 1232 - 28 - 66;
/** One absent module for so many present ones, and so on. */
const ABSENT_EVERY = 10;
const MAJORS_EVERY = 20;

/** What clients ask: modules of the first records, modules that are not there, majors, and the toolchain. */
export async function makeQuestions(zone: string, records: readonly Uint8Array[], port: number): Promise<Question[]> {
  const subjects: Subject[] = [{ kind: "toolchain" }];
  for (const [i, path] of modulePaths(records).entries()) {
    subjects.push({ kind: "module", path });
    const absent = `${path}/no/such/module`;
    if (i % ABSENT_EVERY === 0 && isModulePath(absent)) subjects.push({ kind: "module", path: absent });
    const basePath = familyOf(path)?.basePath;
    if (i % MAJORS_EVERY === 0 && basePath !== undefined) subjects.push({ kind: "majors", basePath });
  }
  const names = new Questions(zone, nodeSha256);
  const questions = subjects.map((subject): Question => ({ subject, name: names.subject(subject) }));
  const captured = await captureAnswers(
    port,
    questions.map(({ name }) => name),
  );
  const fitting = new Set(captured.filter(({ messageBytes }) => messageBytes <= MAX_ANSWER).map(({ name }) => name));
  return questions.filter(({ name }) => fitting.has(name));
}
