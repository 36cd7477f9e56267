import assert from "node:assert/strict";
import {
  familyMemberPath,
  familyOf,
  isModulePath,
  isVersionOfPath,
  majorsSubject,
  splitPathSuffix,
} from "../src/vindex/module-path.ts";
import { parseVersion } from "../src/vindex/version.ts";
import { textOf } from "./input.ts";
import { isNaivePath, naiveFamily, naiveFits, naiveSuffix } from "./oracle/module-path.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** A path, a space, a version. Against spec/map.md §3 written naively. */
export const target: Target = { maxLength: 400, plants: ["reserved-zero", "three-digits"] };

/** Bug: COM0 and LPT0 are taken for reserved names. */
const isPath = plant("reserved-zero", isModulePath, (path) => isModulePath(path.replaceAll(/\b(com|lpt)0/gi, "$11")));

/** Bug: of a suffix of three digits the first is lost. */
const family = plant("three-digits", familyOf, (path) => {
  const member = familyOf(path);
  return member !== undefined && member.major.length === 3 ? { ...member, major: member.major.slice(1) } : member;
});

export function fuzz(data: Uint8Array): void {
  const text = textOf(data);
  const space = text.indexOf(" ");
  const path = space < 0 ? text : text.slice(0, space);
  const isValid = withinTime("a module path", () => isPath(path));
  assert.equal(isValid, isNaivePath(path), path);
  const suffix = splitPathSuffix(path);
  const naive = naiveSuffix(path);
  assert.deepEqual(
    suffix && [suffix.basePath, suffix.major, suffix.isUnstable],
    naive && [naive.base, naive.digits, naive.isUnstable],
  );
  const member = family(path);
  const naiveMember = naiveFamily(path);
  assert.deepEqual(member && [member.basePath, member.major], naiveMember && [naiveMember.base, naiveMember.digits]);
  if (member !== undefined) {
    assert.equal(familyMemberPath(member.basePath, member.major), path);
    assert.ok(majorsSubject(member.basePath).startsWith(member.basePath));
    // A family's subject is no module path: the two cannot be taken for each other.
    assert.equal(isModulePath(majorsSubject(member.basePath)), false);
  }
  const version = space < 0 ? undefined : parseVersion(text.slice(space + 1));
  if (version !== undefined) assert.equal(isVersionOfPath(version, path), naiveFits(path, version.text), text);
}
