import { formatProofSubject, type VerifiedProof } from "../client/verify/files.ts";
import type { Trust } from "../client/verify/index.ts";
import { printable } from "../input/printable.ts";
import type { ProofdnsError } from "../vindex/error.ts";
import { formatH1 } from "../vindex/record.ts";
import { formatSpan, formatTime } from "./age-text.ts";
import { EXIT } from "./exit-code.ts";
import { exitCodeOfAnswer } from "./latest-output.ts";

/** The JSON object of a verified proof: schema version 1. `failures` are those that belong to no answer, such as a known fork. */
export function proofToJson(
  trust: Trust,
  proof: VerifiedProof,
  now: number,
  failures: readonly ProofdnsError[] = [],
): Readonly<Record<string, unknown>> {
  const { head, answer, versions, record } = proof;
  const json = {
    schemaVersion: 1,
    subject: formatProofSubject(proof.subject),
    status: statusOf(proof),
    ...(answer?.kind === "module" ? { version: answer.value.latest.version.text } : {}),
    ...(answer === undefined || answer.kind === "absent" ? {} : { value: answer.text }),
    ...(versions === undefined ? {} : { versions: versions.map(({ version }) => version) }),
    ...(record === undefined
      ? {}
      : {
          record: {
            version: record.version,
            index: record.logIndex,
            zipHash: formatH1(record.zipHash),
            goModHash: formatH1(record.goModHash),
          },
        }),
    log: trust.origin,
    epoch: head.epoch,
    sumdbSize: head.leaf.treeHead.treeSize,
    ...(failures.length === 0
      ? {}
      : { errors: failures.map(({ code, kind, message }) => ({ code, kind, message: printable(message, 1000) })) }),
  };
  if (head.ageTime === 0) return { ...json, asOf: null };
  return { ...json, asOf: head.ageTime, ageSeconds: Math.max(0, now - head.ageTime) };
}

function statusOf({ answer }: VerifiedProof): string {
  if (answer === undefined) return "record";
  if (answer.kind === "absent") return "absent";
  return answer.kind === "module" && answer.value.kind === "pseudo" ? "untagged" : "latest";
}

/** What a verified proof says, in sentences. */
export function describeProof(trust: Trust, proof: VerifiedProof, now: number): string {
  const { head } = proof;
  const when =
    head.ageTime === 0
      ? "when is not proven: no cosigner was asked for"
      : `as of ${formatTime(head.ageTime)}, ${formatSpan(now - head.ageTime)} ago, by a quorum of the policy's cosigners`;
  return [
    ...describeStatement(proof),
    `  ${when}`,
    `  in epoch ${head.epoch} of ${trust.origin}, over the first ${head.leaf.treeHead.treeSize} records of ${trust.sumdbKey.keyName}`,
  ].join("\n");
}

function describeStatement({ subject, answer, versions, record }: VerifiedProof): string[] {
  const hashes =
    record === undefined
      ? []
      : [
          `  ${record.version} is record ${record.logIndex} of the checksum database`,
          `  zip ${formatH1(record.zipHash)}`,
          `  go.mod ${formatH1(record.goModHash)}`,
        ];
  if (subject.kind === "record")
    return [`proven: ${subject.path}@${subject.version} is in the checksum database`, ...hashes];
  const name = formatProofSubject(subject).replace(/^\S+ /, "");
  if (answer === undefined || answer.kind === "absent") return [`proven: the index had no ${name}`];
  if (answer.kind === "toolchain")
    return [`proven: newest toolchains ${answer.items.map(({ version }) => version.text).join(", ")}`];
  if (answer.kind === "majors") {
    const items = answer.items.map(({ path, version }) => `${path} ${version.text}`);
    const more = answer.isComplete ? "" : " and older ones";
    return [`proven: majors of ${name}: ${items.join(", ")}${more}`];
  }
  const { latest, kind } = answer.value;
  const what = kind === "pseudo" ? "no tagged version; newest pseudo-version" : "latest";
  const list =
    versions === undefined
      ? []
      : [`  all ${versions.length} records: ${versions.map(({ version }) => version).join(" ")}`];
  return [`proven: ${name} ${what} ${latest.version.text}`, ...list, ...hashes];
}

/** Exit code of a verified proof. */
export function exitCodeOfProof({ answer }: VerifiedProof): number {
  return answer === undefined ? EXIT.proven : exitCodeOfAnswer(answer);
}
