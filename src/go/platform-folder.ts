import type { Dirent } from "node:fs";
import { join } from "node:path";

/** Values of GOOS, of past and present (go/src/internal/syslist). */
const SYSTEMS: ReadonlySet<string> = new Set([
  ...["aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl", "netbsd"],
  ...["openbsd", "plan9", "solaris", "wasip1", "windows", "zos"],
]);

/** True for a name such as `windows_amd64`: `go install` puts programs for another platform into such a folder beside those for this one. */
function isPlatformFolder(name: string): boolean {
  const [system, architecture, ...more] = name.split("_");
  return SYSTEMS.has(system ?? "") && /^[a-z0-9]+$/.test(architecture ?? "") && more.length === 0;
}

/**
 * Names of files and links in a folder of programs and, below it, in its folders for other platforms; sorted. `attempt` runs what may fail for one
 * of those alone.
 */
export async function listProgramNames(
  folder: string,
  entriesOf: (folder: string) => Promise<readonly Dirent[]>,
  attempt: (folder: string, read: () => Promise<void>) => Promise<void>,
): Promise<string[]> {
  const entries = await entriesOf(folder);
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  for (const entry of entries) {
    if (!entry.isDirectory() || !isPlatformFolder(entry.name)) continue;
    const path = join(folder, entry.name);
    await attempt(path, async () => {
      for (const one of await entriesOf(path)) if (!one.isDirectory()) names.push(join(entry.name, one.name));
    });
  }
  return names.sort();
}
