/** Levels of a log, the gravest first: a log of one level has those before it too. */
export const LOG_LEVELS = ["alarm", "info", "debug", "trace"] as const;

/**
 * What a line is for: `alarm` wants an operator, `info` is one line an event, `debug` explains decisions, and `trace`
 * is about single queries, and alone may name what was asked and by whom.
 */
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogFormat = "text" | "json";

/** What is known of an event beside its message. Undefined ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Writes one line. Takes the place of a `ServiceLog`. */
export interface Logger {
  (level: LogLevel, message: string, fields?: LogFields): void;
  /** True if lines of this level are written: to be asked before a line is made that costs something. */
  writes(level: LogLevel): boolean;
  readonly format: LogFormat;
}

export interface LoggerOptions {
  /** The least grave level that is written; default `info`. */
  readonly level?: LogLevel;
  /** Default `text`. */
  readonly format?: LogFormat;
  /** Takes one line with its line feed; default standard error. What it throws is the caller's. */
  readonly write?: (line: string) => void;
  /** Milliseconds of Unix time; for tests. */
  readonly now?: () => number;
}

/** Fields that only `trace` shows: what was asked, and by whom. */
const PRIVATE_FIELDS: ReadonlySet<string> = new Set(["qname", "client"]);
const RESERVED_FIELDS: ReadonlySet<string> = new Set(["time", "level", "message"]);

/**
 * Makes a logger. Each event is one line, whatever its strings hold: characters that control a terminal, end a line or turn
 * the direction of text are escaped, so that nobody who chooses a name can forge a line.
 *
 *     2026-01-02T03:04:05.678Z info epoch 7 is served size=1234
 *     {"time":"2026-01-02T03:04:05.678Z","level":"info","message":"epoch 7 is served","size":1234}
 *
 * In text a value stands bare if it is a number, a boolean or a plain word, else as a JSON string. The fields `qname` and
 * `client` are written at level `trace` and at no other.
 */
export function makeLogger(options: LoggerOptions = {}): Logger {
  const { level: least = "info", format = "text", now = Date.now } = options;
  const { write = (line: string): void => void process.stderr.write(line) } = options;
  const depth = LOG_LEVELS.indexOf(least);
  const writes = (level: LogLevel): boolean => LOG_LEVELS.indexOf(level) <= depth;
  const log = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (!writes(level)) return;
    const time = new Date(now()).toISOString();
    const shown = Object.entries(fields).filter(([name, value]) => {
      return value !== undefined && !RESERVED_FIELDS.has(name) && (level === "trace" || !PRIVATE_FIELDS.has(name));
    });
    if (format === "json") {
      write(`${escapeJson(JSON.stringify({ time, level, message, ...Object.fromEntries(shown) }))}\n`);
    } else {
      const words = shown.map(([name, value]) => ` ${escapeControls(name)}=${formatValue(value)}`);
      write(`${time} ${level} ${escapeControls(message)}${words.join("")}\n`);
    }
  };
  return Object.assign(log, { writes, format });
}

/** A level by its name; undefined for anything else. */
export function parseLogLevel(text: string): LogLevel | undefined {
  return LOG_LEVELS.find((level) => level === text);
}

function formatValue(value: string | number | boolean | undefined): string {
  if (typeof value !== "string") return String(value);
  return /^[A-Za-z0-9._:/@+-]+$/.test(value) ? value : escapeJson(JSON.stringify(value));
}

/**
 * C0 and C1 controls, delete, the two line ends of Unicode, marks and overrides of direction, and halves of characters.
 */
const CONTROLS = /[\p{Cc}\p{Cs}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** Replaces controls in plain text by `\x1b`, or `\u{2028}`. */
function escapeControls(text: string): string {
  return text.replace(CONTROLS, (c) => {
    const code = c.codePointAt(0) as number;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** Replaces what JSON leaves as it is; all of it stands inside strings. */
function escapeJson(json: string): string {
  return json.replace(CONTROLS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
