import { readRegularFile } from "../audit/regular-file.ts";
import { hashGoMod, hashTree } from "../go/dir-hash.ts";
import { type CachedModule, listModuleCache } from "../go/module-cache.ts";
import { MAX_GO_MOD } from "../go/module-proxy.ts";
import { hashZip } from "../go/zip-hash.ts";
import { printable } from "../input/printable.ts";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { parseH1 } from "../vindex/record.ts";
import type { Hash } from "../vindex/sha256.ts";
import type { ClaimKind, Claims } from "./claim.ts";

/** Modules whose files are hashed at once. */
const AT_ONCE = 4;

/**
 * Hashes everything in a module cache, and adds the claims: of each version the zip, the extracted tree, the go.mod, and the hash that the go command
 * noted. `isWanted` leaves modules out before anything is read.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if there is no module cache
 */
export async function addModuleCacheClaims(
  into: Claims,
  root: string,
  options: {
    readonly isWanted?: (path: string) => boolean;
    readonly onProgress?: (done: number, total: number) => void;
  } = {},
): Promise<void> {
  const { isWanted = () => true, onProgress } = options;
  const onSkipped = (file: string, why: string): void => {
    into.passed.push({ name: file, reason: "unreadable-name", detail: why, place: { file, line: undefined } });
  };
  const modules: CachedModule[] = [];
  let listed = 0;
  for await (const module of listModuleCache(root, { onSkipped })) {
    listed++;
    if (isWanted(module.path)) modules.push(module);
  }
  // Nothing is no clean bill.
  if (listed === 0)
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `${root} has no module in it: is it a module cache (\`go env GOMODCACHE\`)?`,
    );
  // One list for each, so that the order is that of the cache whichever is done first.
  const found = modules.map((): Claims => ({ claims: [], passed: [], problems: [] }));
  let [next, done] = [0, 0];
  const work = async (): Promise<void> => {
    for (let i = next++; i < modules.length; i = next++) {
      await addModule(found[i] as Claims, modules[i] as CachedModule);
      onProgress?.(++done, modules.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  for (const { claims, passed, problems } of found) {
    for (const claim of claims) into.claims.push(claim);
    for (const one of passed) into.passed.push(one);
    for (const problem of problems) into.problems.push(problem);
  }
}

async function addModule(into: Claims, module: CachedModule): Promise<void> {
  const { path, version, zip, zipHashFile, goMod, folder } = module;
  const name = `${path}@${version}`;
  const add = async (
    kind: ClaimKind,
    file: string | undefined,
    hashOf: (file: string) => Promise<string | undefined>,
  ): Promise<void> => {
    if (file === undefined) return;
    const place = { file, line: undefined };
    try {
      const h1 = await hashOf(file);
      const hash: Hash | undefined = h1 === undefined ? undefined : parseH1(h1);
      if (hash === undefined) throw new ProofdnsError("MALFORMED_INPUT", `${file} holds no h1: hash`);
      into.claims.push({ path, version, kind, hash, place });
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      into.problems.push({ error, place });
    }
  };
  await add("zip", zip, (file) => hashZip(file, path, version));
  await add("ziphash", zipHashFile, async (file) =>
    decodeUtf8((await readRegularFile(file, 1024)) ?? new Uint8Array(0))?.trim(),
  );
  await add("go.mod", goMod, async (file) => {
    const bytes = await readRegularFile(file, MAX_GO_MOD);
    return bytes === undefined ? undefined : hashGoMod(bytes);
  });
  if (module.isPartial === true && folder !== undefined) {
    const detail = "the go command has not extracted it to its end, and will do so again before it uses it";
    into.passed.push({ name, reason: "partial", detail, place: { file: folder, line: undefined } });
  } else {
    await add("tree", folder, (at) => hashExtracted(into, at, module));
  }
}

/**
 * What no module holds is proof of a change: the tree has a hash that no module has, and what makes it so is named. The go command would follow a link and build with what
 * it leads to.
 */
async function hashExtracted(into: Claims, folder: string, { path, version }: CachedModule): Promise<string> {
  const name = `${path}@${version}`;
  const { h1, foreign } = await hashTree(folder, name);
  for (const { path: file, why } of foreign) {
    const message = `${printable(file)} in the extracted tree of ${name} ${why}: it was changed since; \`go clean -modcache\` removes it`;
    into.problems.push({ error: new ProofdnsError("MALFORMED_INPUT", message), place: { file, line: undefined } });
  }
  return h1;
}
