import { concatBytes, decodeUtf8, encodeUtf8 } from "../../vindex/bytes.ts";
import { ProofdnsError } from "../../vindex/error.ts";
import { familyMemberPath, isModulePath, isVersionOfPath } from "../../vindex/module-path.ts";
import { decodeVarint, encodeVarint } from "../../vindex/varint.ts";
import { parseVersion } from "../../vindex/version.ts";
import type { Subject } from "./answer.ts";

/** What a proof file is about: a subject of the index, or one version of a module in the checksum database. */
export type ProofSubject = Subject | { readonly kind: "record"; readonly path: string; readonly version: string };

/** The extra data of a proof file (spec/proof-file.md §2). */
export interface ProofExtra {
  readonly subject: ProofSubject;
  /** Text of the leaf of the output log. */
  readonly leafText: string;
  /** Payload of the module answer; undefined for a `record`. */
  readonly answer: Uint8Array | undefined;
  /** Payloads of the module's pages; none unless its versions are asked. */
  readonly pages: readonly Uint8Array[];
  /** Payload of a page of one record, and of its `_record` proof. */
  readonly record: { readonly page: Uint8Array; readonly proof: Uint8Array } | undefined;
}

const EXTRA_TYPE = "proofdns-proof/1\n";
const TAG = { subject: 0x01, leaf: 0x02, answer: 0x03, page: 0x04, record: 0x05, proof: 0x06 } as const;

/** More than a file can hold whose pages are full; empty ones cost two bytes each. */
const MAX_SECTIONS = 1024;

/** The text of a subject in a proof file. */
export function formatProofSubject(subject: ProofSubject): string {
  switch (subject.kind) {
    case "module":
      return `${subject.withVersions === true ? "versions" : "module"} ${subject.path}`;
    case "majors":
      return `majors ${subject.basePath}`;
    case "toolchain":
      return "toolchain";
    case "record":
      return `record ${subject.path} ${subject.version}`;
  }
}

/** Parses what `formatProofSubject` made of a valid subject; undefined otherwise. */
export function parseProofSubject(text: string): ProofSubject | undefined {
  const [kind, name = "", version, ...rest] = text.split(" ");
  if (rest.length > 0) return undefined;
  if (kind === "toolchain") return text === "toolchain" ? { kind } : undefined;
  if (kind === "record") {
    const parsed = version === undefined ? undefined : parseVersion(version);
    if (parsed === undefined || !isModulePath(name) || !isVersionOfPath(parsed, name)) return undefined;
    return { kind, path: name, version: parsed.text };
  }
  if (version !== undefined) return undefined;
  if (kind === "majors") return isModulePath(familyMemberPath(name, "2")) ? { kind, basePath: name } : undefined;
  if ((kind !== "module" && kind !== "versions") || !isModulePath(name)) return undefined;
  return { kind: "module", path: name, withVersions: kind === "versions" };
}

/** Encodes extra data; they are not checked. */
export function encodeProofExtra(extra: ProofExtra): Uint8Array {
  const section = (tag: number, content: Uint8Array): Uint8Array =>
    concatBytes(Uint8Array.of(tag), encodeVarint(content.length), content);
  const parts = [encodeUtf8(EXTRA_TYPE), section(TAG.subject, encodeUtf8(formatProofSubject(extra.subject)))];
  parts.push(section(TAG.leaf, encodeUtf8(extra.leafText)));
  if (extra.answer !== undefined) parts.push(section(TAG.answer, extra.answer));
  for (const page of extra.pages) parts.push(section(TAG.page, page));
  if (extra.record !== undefined) {
    parts.push(section(TAG.record, extra.record.page), section(TAG.proof, extra.record.proof));
  }
  return concatBytes(...parts);
}

/**
 * Decodes extra data: sections in their order, and those that the subject asks for. The payloads in them are not looked at.
 *
 * @throws ProofdnsError `MALFORMED_PROOF`
 */
export function decodeProofExtra(bytes: Uint8Array): ProofExtra {
  const start = encodeUtf8(EXTRA_TYPE);
  if (start.some((b, i) => bytes[i] !== b)) return refuse(`its extra data are not of type ${EXTRA_TYPE.trim()}`);
  const sections = new Map<number, Uint8Array[]>();
  let last = 0;
  let count = 0;
  for (let at = start.length; at < bytes.length; ) {
    const tag = bytes[at] as number;
    const length = decodeVarint(bytes, at + 1);
    if (length === undefined || length.end + length.value > bytes.length) return refuse("a section is cut off");
    if (tag < last || tag < TAG.subject || tag > TAG.proof) return refuse("an unknown section, or one out of order");
    if (tag === last && tag !== TAG.page) return refuse("a section twice");
    if (++count > MAX_SECTIONS) return refuse(`more than ${MAX_SECTIONS} sections`);
    last = tag;
    at = length.end + length.value;
    const content = bytes.subarray(length.end, at);
    const known = sections.get(tag);
    if (known === undefined) sections.set(tag, [content]);
    else known.push(content);
  }
  const take = (tag: number): Uint8Array | undefined => sections.get(tag)?.[0];
  const subject = parseProofSubject(takeText(take(TAG.subject), "subject"));
  if (subject === undefined) return refuse("its subject is none");
  const leafText = takeText(take(TAG.leaf), "leaf");
  const answer = take(TAG.answer);
  const pages = sections.get(TAG.page) ?? [];
  const [page, proof] = [take(TAG.record), take(TAG.proof)];
  if ((answer === undefined) !== (subject.kind === "record"))
    return refuse("an answer belongs to every subject but a record");
  if ((page === undefined) !== (proof === undefined))
    return refuse("a record without its proof, or a proof without a record");
  const record = page === undefined || proof === undefined ? undefined : { page, proof };
  if (subject.kind === "record" && record === undefined) return refuse("no record");
  if (record !== undefined && subject.kind !== "record" && subject.kind !== "module")
    return refuse("a record of no module");
  if (pages.length > 0 && !(subject.kind === "module" && subject.withVersions === true))
    return refuse("pages that were not asked for");
  return { subject, leafText, answer, pages, record };
}

function takeText(bytes: Uint8Array | undefined, what: string): string {
  const text = bytes === undefined ? undefined : decodeUtf8(bytes);
  return text ?? refuse(`no ${what}`);
}

function refuse(why: string): never {
  throw new ProofdnsError("MALFORMED_PROOF", `proof file: ${why}`);
}
