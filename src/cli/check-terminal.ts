/** What a stream can show. */
export interface Terminal {
  /** True if colours may be written. */
  readonly hasColor: boolean;
  /** Columns; undefined off a terminal, where nothing is wrapped. */
  readonly width: number | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Stream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** Narrowest terminal that is believed. */
const MIN_WIDTH = 40;

/**
 * Decides about colours: `--no-color`, then `NO_COLOR` (no-color.org), then `FORCE_COLOR`, then whether the stream is a terminal
 * and not a dumb one.
 */
export function readTerminal(stream: Stream, env: Environment, isColorWanted = true): Terminal {
  const isTerminal = stream.isTTY === true;
  const width = isTerminal && stream.columns !== undefined && stream.columns > 0 ? stream.columns : undefined;
  return {
    hasColor: isColorWanted && hasColor(isTerminal, env),
    width: width === undefined ? undefined : Math.max(width, MIN_WIDTH),
  };
}

function hasColor(isTerminal: boolean, env: Environment): boolean {
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return isTerminal && env["TERM"] !== "dumb";
}

/** Colours by their SGR numbers. */
export type Color = "red" | "yellow" | "green" | "dim" | "bold";
const SGR: Readonly<Record<Color, number>> = { red: 31, yellow: 33, green: 32, dim: 2, bold: 1 };

/** Colours a text, if that is possible. */
export function paint(text: string, color: Color | undefined, { hasColor }: Pick<Terminal, "hasColor">): string {
  return hasColor && color !== undefined && text !== "" ? `\u001b[${SGR[color]}m${text}\u001b[0m` : text;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Columns that a text takes, without control characters in it. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += WIDE.test(character) ? 2 : 1;
  return width;
}

/** Text in lines of at most `width` columns, broken at spaces. Nothing is cut: a wider word, like a long module path, has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  let used = 0;
  for (const word of text.split(" ")) {
    const more = widthOf(word);
    if (line !== "" && used + 1 + more > width) {
      lines.push(line.trimEnd());
      line = "";
    }
    used = line === "" ? more : used + 1 + more;
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line.trimEnd()];
}

/** A counter on one line of a terminal; shows nothing anywhere else, and never in CI. */
export class Progress {
  readonly #write: ((text: string) => void) | undefined;
  #last = 0;
  #isShown = false;

  constructor(stream: Stream & { write(text: string): unknown }, env: Environment, isQuiet: boolean) {
    const isCi = (env["CI"] ?? "") !== "" && env["CI"] !== "false";
    const isShown = stream.isTTY === true && env["TERM"] !== "dumb" && !isCi && !isQuiet;
    this.#write = isShown ? (text) => void stream.write(text) : undefined;
  }

  show(done: number, total: number, now: number = Date.now()): void {
    if (this.#write === undefined || total === 0 || (done < total && now - this.#last < 50)) return;
    this.#last = now;
    this.#isShown = true;
    const cells = 24;
    const filled = Math.round((cells * done) / total);
    this.#write(`\r[${"#".repeat(filled)}${"-".repeat(cells - filled)}] ${done}/${total}`);
  }

  /** Takes it away. */
  end(): void {
    if (this.#isShown) this.#write?.("\r\u001b[K");
    this.#isShown = false;
  }
}
