import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { noClaims } from "../../src/verify/claim.ts";
import { addModuleCacheClaims } from "../../src/verify/module-cache.ts";
import { formatH1 } from "../../src/vindex/record.ts";
import { makeZip } from "../go/zip-file.ts";
import { makeFolder } from "../service/world.ts";

const folder = makeFolder("verify-cache");
let caches = 0;

/** A cache of one module version, whose zip and tree may differ. */
function makeCache(path: string, { tree = "package x\n" }: { tree?: string } = {}): string {
  const root = join(folder, String(caches++));
  const download = join(root, "cache", "download", path, "@v");
  mkdirSync(download, { recursive: true });
  mkdirSync(join(root, `${path}@v1.0.0`), { recursive: true });
  writeFileSync(join(download, "v1.0.0.zip"), makeZip([{ name: `${path}@v1.0.0/x.go`, content: "package x\n" }]));
  writeFileSync(join(download, "v1.0.0.mod"), `module ${path}\n`);
  writeFileSync(join(root, `${path}@v1.0.0`, "x.go"), tree);
  return root;
}

async function claimsOf(root: string, isWanted?: (path: string) => boolean) {
  const into = noClaims();
  await addModuleCacheClaims(into, root, isWanted === undefined ? {} : { isWanted });
  return into;
}

describe("a module cache", () => {
  it("is hashed, the zip, the tree and the go.mod each for itself", async () => {
    const right = await claimsOf(makeCache("example.com/x"));
    assert.deepEqual(right.problems, []);
    const hashes = new Map(right.claims.map(({ kind, hash }) => [kind, formatH1(hash)]));
    assert.deepEqual([...hashes.keys()].sort(), ["go.mod", "tree", "zip"]);
    assert.equal(hashes.get("zip"), hashes.get("tree"));
    const changed = await claimsOf(makeCache("example.com/x", { tree: "package y\n" }));
    const other = new Map(changed.claims.map(({ kind, hash }) => [kind, formatH1(hash)]));
    assert.equal(other.get("zip"), hashes.get("zip"));
    assert.notEqual(other.get("tree"), hashes.get("tree"));
  });

  it("is not read where it is not wanted", async () => {
    const { claims } = await claimsOf(makeCache("example.com/x"), () => false);
    assert.deepEqual(claims, []);
  });

  it("that holds what is no module is said, one by one, and the rest is hashed", {
    skip: process.platform === "win32",
  }, async () => {
    const root = makeCache("example.com/x");
    const download = join(root, "cache", "download", "example.com", "x", "@v");
    writeFileSync(join(download, "v1.1.0.zip"), "no zip");
    writeFileSync(join(download, "v1.0.0.ziphash"), "junk");
    execFileSync("mkfifo", [join(download, "v1.2.0.mod")]);
    symlinkSync(root, join(root, "example.com", "loop@v1.0.0"));
    const { claims, problems } = await claimsOf(root);
    assert.equal(claims.length, 3);
    assert.deepEqual(problems.map(({ place }) => place.file.replace(/.*\//, "")).sort(), [
      "v1.0.0.ziphash",
      "v1.1.0.zip",
      "v1.2.0.mod",
    ]);
  });

  it("whose tree has a link in the place of a file has a hash that no module has, and both are named", {
    skip: process.platform === "win32",
  }, async () => {
    const honest = await claimsOf(makeCache("example.com/x"));
    const hashOf = ({ claims }: Awaited<ReturnType<typeof claimsOf>>): string =>
      claims.filter(({ kind }) => kind === "tree").map(({ hash }) => formatH1(hash))[0] ?? "";
    // The content that the link leads to is that of the file.
    const outside = join(folder, "outside.go");
    writeFileSync(outside, "package x\n");
    const root = makeCache("example.com/x");
    const file = join(root, "example.com", "x@v1.0.0", "x.go");
    rmSync(file);
    symlinkSync(outside, file);
    const changed = await claimsOf(root);
    assert.match(hashOf(changed), /^h1:/);
    assert.notEqual(hashOf(changed), hashOf(honest));
    assert.equal(changed.problems.length, 1);
    const message = changed.problems[0]?.error.message ?? "";
    assert.ok(message.includes(file) && message.includes("example.com/x@v1.0.0") && /symbolic link/.test(message));
    // And where the name of a folder goes on as a line of what is hashed.
    const sum = (text: string): string => createHash("sha256").update(text).digest("hex");
    const two = makeCache("example.com/x");
    writeFileSync(join(two, "example.com", "x@v1.0.0", "y.go"), "package y\n");
    const forged = makeCache("example.com/x");
    const tree = join(forged, "example.com", "x@v1.0.0");
    rmSync(join(tree, "x.go"));
    const deep = join(tree, `x.go\n${sum("package y\n")}  example.com`, "x@v1.0.0");
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, "y.go"), "package x\n");
    assert.notEqual(hashOf(await claimsOf(forged)), hashOf(await claimsOf(two)));
  });

  it("is refused where there is none, or nothing in it", async () => {
    mkdirSync(join(folder, "empty"));
    await assert.rejects(claimsOf(join(folder, "empty")), { code: "MALFORMED_INPUT", message: /no module in it/ });
    await assert.rejects(claimsOf(join(folder, "none")), { code: "MALFORMED_INPUT" });
  });
});
