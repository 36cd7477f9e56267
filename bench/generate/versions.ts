import { type GeneratedModule, TOOLCHAIN } from "./names.ts";
import { fraction, mix } from "./random.ts";

const PLATFORMS = [
  "linux-amd64",
  "linux-arm64",
  "darwin-arm64",
  "windows-amd64",
  "freebsd-386",
  "linux-ppc64le",
  "solaris-amd64",
  "plan9-arm",
] as const;
const HEX = "0123456789abcdef";

/**
 * Version `ordinal` of `count` of a module: no two ordinals give one version, and a higher ordinal is mostly a higher version.
 * Two in three are releases, one in twenty a pre-release, the others pseudo-versions of the three forms; a third of the modules was
 * never tagged.
 */
export function makeVersion(seed: number, m: number, module: GeneratedModule, ordinal: number, count: number): string {
  if (m === TOOLCHAIN) return makeToolchainVersion(ordinal);
  const kind = fraction(seed, m, 50);
  const isUntagged = kind < (count <= 3 ? 0.5 : 0.14);
  const step = 1 + (mix(seed, m, 51) % 9);
  const minor = Math.floor(ordinal / step);
  const patch = ordinal % step;
  const suffix = module.suffix;
  // A path without suffix may go on to later majors without a go.mod.
  const isIncompatible = suffix === 0 && !module.isGopkgIn && kind > 0.96 && ordinal * 2 > count;
  const later = ordinal * 3 > count ? 1 : 0;
  const major = isIncompatible
    ? 2 + (Math.floor((4 * ordinal) / count) % 3)
    : module.isGopkgIn || suffix > 0
      ? suffix
      : kind > 0.6
        ? later
        : 0;
  const tail = isIncompatible ? "+incompatible" : "";
  if (isUntagged) return `v${major}.0.0-${makeStamp(seed, m, ordinal, count)}-${makeRevision(seed, m, ordinal)}${tail}`;
  const core = `v${major}.${minor}.${patch}`;
  const what = fraction(seed, m, 52, ordinal);
  if (what < 0.17) return `${core}-0.${makeStamp(seed, m, ordinal, count)}-${makeRevision(seed, m, ordinal)}${tail}`;
  if (what < 0.19)
    return `${core}-rc.1.0.${makeStamp(seed, m, ordinal, count)}-${makeRevision(seed, m, ordinal)}${tail}`;
  if (what < 0.24)
    return `${core}-${["rc.1", "rc2", "beta.1", "alpha", "alpha.1.2", "pre-3"][mix(seed, m, 53, ordinal) % 6]}${tail}`;
  return core + tail;
}

function makeToolchainVersion(ordinal: number): string {
  const platform = PLATFORMS[ordinal % PLATFORMS.length] as string;
  const release = Math.floor(ordinal / PLATFORMS.length);
  const minor = 21 + Math.floor(release / 14);
  const step = release % 14;
  const go = step < 2 ? `go1.${minor}rc${step + 1}` : `go1.${minor}.${step - 2}`;
  return `v0.0.1-${go}.${platform}`;
}

/** 14 digits between 2018 and 2026, later for later ordinals. */
function makeStamp(seed: number, m: number, ordinal: number, count: number): string {
  const at = ((ordinal + fraction(seed, m, 54, ordinal)) / count) * 8 * 12 * 28 * 86_400;
  const two = (n: number): string => String(Math.floor(n)).padStart(2, "0");
  const days = Math.floor(at / 86_400);
  const date = `${2018 + Math.floor(days / 336)}${two(1 + (Math.floor(days / 28) % 12))}${two(1 + (days % 28))}`;
  return `${date}${two((at / 3600) % 24)}${two((at / 60) % 60)}${two(at % 60)}`;
}

function makeRevision(seed: number, m: number, ordinal: number): string {
  const a = mix(seed, m, 55, ordinal);
  const b = mix(seed, m, 56, ordinal);
  let out = "";
  for (let i = 0; i < 6; i++) out += HEX[(a >>> (4 * i)) & 15];
  for (let i = 0; i < 6; i++) out += HEX[(b >>> (4 * i)) & 15];
  return out;
}
