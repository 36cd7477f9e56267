/**
 * True if a prefix of a module path, in whole elements, matches one of the patterns of a comma-separated list, as in GOPRIVATE
 * (x/mod module.MatchPrefixPatterns). A pattern has as many elements as the prefix that it is held against; empty
 * and malformed ones match nothing.
 */
export function matchesPrefixPatterns(patterns: string, path: string): boolean {
  return findPrefixPattern(patterns, path) !== undefined;
}

/** The first pattern of such a list that matches. */
export function findPrefixPattern(patterns: string, path: string): string | undefined {
  for (const part of patterns.split(",")) {
    const pattern = part.endsWith("/") ? part.slice(0, -1) : part;
    if (pattern === "") continue;
    const prefix = prefixOf(path, pattern.split("/").length);
    if (prefix !== undefined && matchesPattern(pattern, prefix)) return part;
  }
  return undefined;
}

/** The first `count` elements of a path; undefined if it has fewer. */
function prefixOf(path: string, count: number): string | undefined {
  let end = -1;
  for (let i = 0; i < count; i++) {
    end = path.indexOf("/", end + 1);
    if (end < 0) return i === count - 1 ? path : undefined;
  }
  return path.slice(0, end);
}

/** A step of a pattern: one character, or any number of them. */
type Step = { readonly kind: "star" } | { readonly kind: "one"; readonly matches: (character: string) => boolean };

/**
 * True if all of `text` matches a pattern of Go's path.Match: `*` is any run of characters but `/`, `?` one such character,
 * `[a-z]` and `[^a-z]` one of or not of a range, `\` takes the next character as it is. A malformed pattern matches nothing.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  const steps = parsePattern(pattern);
  if (steps === undefined) return false;
  const characters = [...text];
  // Which steps are done: only the last star can be taken again, so the work is at most one product.
  let [at, step] = [0, 0];
  let star: { readonly step: number; at: number } | undefined;
  while (at < characters.length || step < steps.length) {
    const next = steps[step];
    const c = characters[at];
    if (next?.kind === "star") {
      star = { step, at };
      step++;
    } else if (next !== undefined && c !== undefined && next.matches(c)) {
      step++;
      at++;
    } else if (star !== undefined && characters[star.at] !== undefined && characters[star.at] !== "/") {
      star.at++;
      at = star.at;
      step = star.step + 1;
    } else {
      return false;
    }
  }
  return true;
}

function parsePattern(pattern: string): Step[] | undefined {
  const characters = [...pattern];
  const steps: Step[] = [];
  for (let at = 0; at < characters.length; at++) {
    const c = characters[at] as string;
    if (c === "*") {
      steps.push({ kind: "star" });
    } else if (c === "?") {
      steps.push({ kind: "one", matches: (one) => one !== "/" });
    } else if (c === "[") {
      const set = parseClass(characters, at + 1);
      if (set === undefined) return undefined;
      steps.push({ kind: "one", matches: set.matches });
      at = set.end;
    } else {
      const literal = c === "\\" ? characters[++at] : c;
      if (literal === undefined) return undefined;
      steps.push({ kind: "one", matches: (one) => one === literal });
    }
  }
  return steps;
}

/** The ranges behind a `[`, at least one, and where the `]` stands. */
function parseClass(
  characters: readonly string[],
  start: number,
): { matches: (character: string) => boolean; end: number } | undefined {
  const isNegated = characters[start] === "^";
  const ranges: { low: number; high: number }[] = [];
  let at = isNegated ? start + 1 : start;
  const take = (): number | undefined => {
    let c = characters[at++];
    if (c === "-" || c === "]") return undefined;
    if (c === "\\") c = characters[at++];
    // A class ends with a bracket, so something has to follow.
    return c === undefined || at >= characters.length ? undefined : c.codePointAt(0);
  };
  while (characters[at] !== "]" || ranges.length === 0) {
    const low = take();
    if (low === undefined) return undefined;
    let high: number | undefined = low;
    if (characters[at] === "-") {
      at++;
      high = take();
      if (high === undefined) return undefined;
    }
    ranges.push({ low, high });
  }
  const matches = (character: string): boolean => {
    const code = character.codePointAt(0) as number;
    return ranges.some(({ low, high }) => low <= code && code <= high) !== isNegated;
  };
  return { matches, end: at };
}
