import { fraction, mix } from "./random.ts";

/** The one module that is named as in the real log: the map function looks at it. */
export const TOOLCHAIN = 0;

/** What the generator decides once for a module. */
export interface GeneratedModule {
  readonly path: string;
  /** Digits of the version suffix; 0 for none. */
  readonly suffix: number;
  readonly isGopkgIn: boolean;
}

const SYLLABLES =
  "ba be bi bo da de di do fa go ka ke ko la le li lo ma me mi mo na ne no pa po ra re ri ro sa se si so ta te to va vi wa ze".split(
    " ",
  );
const TOOLS = [
  "proxy",
  "cache",
  "codec",
  "queue",
  "router",
  "ledger",
  "parser",
  "sdk",
  "client",
  "api",
  "kit",
  "go",
] as const;

/**
 * The module of number `m`. Hosts are under names that nobody can register, so that no false checksum of a real module is made;
 * `gopkg.in` and the toolchain must be themselves, for their rules are others.
 *
 * One module in eight is a later major of the one before it, as in the real log; some of their base paths do not exist.
 */
export function makeModule(seed: number, m: number): GeneratedModule {
  if (m === TOOLCHAIN) return { path: "golang.org/toolchain", suffix: 0, isGopkgIn: false };
  const place = m % 16;
  if (place >= 14) {
    const base = m - (place - 13);
    const isOrphan = fraction(seed, base, 2) < 0.1;
    const suffix = place - 12;
    return { path: `${makeBase(seed, base)}${isOrphan ? "x" : ""}/v${suffix}`, suffix, isGopkgIn: false };
  }
  if (mix(seed, m, 3) % 64 === 0 && place !== 13) {
    const suffix = mix(seed, m, 4) % 5;
    const isUnstable = suffix > 0 && mix(seed, m, 5) % 10 === 0;
    const name = `${word(seed, m, 6, 3)}${m.toString(36)}`;
    const user = mix(seed, m, 7) % 2 === 0 ? `${word(seed, m, 8, 3)}/` : "";
    return { path: `gopkg.in/${user}${name}.v${suffix}${isUnstable ? "-unstable" : ""}`, suffix, isGopkgIn: true };
  }
  return { path: makeBase(seed, m), suffix: 0, isGopkgIn: false };
}

/** Path lengths and numbers of elements follow the real ones: median 30 bytes and three elements, one in a hundred over 79 bytes. */
function makeBase(seed: number, m: number): string {
  const kind = fraction(seed, m, 10);
  const id = m.toString(36);
  const user = caseOf(seed, m, word(seed, m, 11, 2 + (mix(seed, m, 12) % 3)));
  const tool = TOOLS[mix(seed, m, 13) % TOOLS.length] as string;
  if (kind < 0.03) return `go.${word(seed, m, 14, 4)}${id}.example`;
  if (kind < 0.09) return `${word(seed, m, 14, 3)}.example/${word(seed, m, 15, 2)}${id}`;
  const host =
    kind < 0.94 ? "git.example" : kind < 0.97 ? "gitlab.example.net" : `code.${word(seed, m, 16, 4)}.example.org`;
  const joint = ["-", "-", "", "_", "."][mix(seed, m, 17) % 40] ?? "-";
  let path = `${host}/${user}/${tool}${joint}${word(seed, m, 18, 2)}${id}`;
  // One in seven is a part of a larger repository, some of them deep.
  const depth = fraction(seed, m, 19);
  const elements = depth < 0.86 ? 0 : 1 + Math.floor((depth - 0.86) * 40);
  for (let i = 0; i < elements; i++) path += `/${word(seed, m, 20 + i, 3 + (mix(seed, m, 30 + i) % 4))}`;
  return mix(seed, m, 40) % 1000 === 0 ? `${path}~x` : path;
}

function caseOf(seed: number, m: number, text: string): string {
  return fraction(seed, m, 41) < 0.09 ? text.slice(0, 1).toUpperCase() + text.slice(1) : text;
}

function word(seed: number, m: number, salt: number, syllables: number): string {
  let out = "";
  for (let i = 0; i < syllables; i++) out += SYLLABLES[mix(seed, m, salt, i) % SYLLABLES.length];
  return out;
}
