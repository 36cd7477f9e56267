/** Values of GOOS, of past and present (go/src/internal/syslist). */
const SYSTEMS: ReadonlySet<string> = new Set([
  ...["aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl", "netbsd"],
  ...["openbsd", "plan9", "solaris", "wasip1", "windows", "zos"],
]);

/** True for a name such as `windows_amd64`: `go install` puts programs for another platform into such a folder beside those for this one. */
export function isPlatformFolder(name: string): boolean {
  const [system, architecture, ...more] = name.split("_");
  return SYSTEMS.has(system ?? "") && /^[a-z0-9]+$/.test(architecture ?? "") && more.length === 0;
}
