import { ProofdnsError } from "../vindex/error.ts";

/** Controls, and what else could rearrange or end a line on a terminal. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** `text` for a message: at most `limit` characters, and nothing in it that a terminal would obey. */
export function shown(text: string, limit = 200): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}…` : text;
  return cut.replace(UNSEEN, "\ufffd");
}

/** As `shown`, in quotes. */
export function quoted(text: string, limit = 100): string {
  return `"${shown(text, limit)}"`;
}

const linesOfErrors = new WeakMap<ProofdnsError, number>();

/** The line, from 1, that an error of `malformed` names; undefined if it names none. */
export function lineOfMalformed(error: ProofdnsError): number | undefined {
  return linesOfErrors.get(error);
}

/** The error of everything in this folder that reads files: the file, the line if it has lines, what is wrong. */
export function malformed(file: string, line: number | undefined, why: string, cause?: unknown): ProofdnsError {
  const place = line === undefined ? shown(file) : `${shown(file)}:${line}`;
  const error = new ProofdnsError("MALFORMED_INPUT", `${place}: ${why}`, { cause });
  if (line !== undefined) linesOfErrors.set(error, line);
  return error;
}
