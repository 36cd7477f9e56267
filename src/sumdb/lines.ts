import { createReadStream, type ReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";

/** Longest line that is read, in bytes. A record line of the real log has at most 200. */
export const MAX_LINE_BYTES = 8192;

const LF = 0x0a;

/** A line without its LF, and where it stands. */
export interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/** The error that all readers of input files throw: the file, the line, what is wrong with it. */
export function lineError(file: string, number: number, why: string): ProofdnsError {
  return new ProofdnsError("MALFORMED_INPUT", `${file}:${number}: ${why}`);
}

/**
 * Splits chunks of bytes into lines of UTF-8. The last line may lack its LF. Holds one chunk and one line at a time.
 * `file` is for messages only.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` for a line over 8,192 bytes or one that is not UTF-8
 */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<Line> {
  let rest: Uint8Array = new Uint8Array(0);
  let number = 0;
  const toLine = (bytes: Uint8Array): Line => {
    number++;
    const text = decodeUtf8(bytes);
    if (text === undefined) throw lineError(file, number, "not UTF-8");
    return { text, number };
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; start = end + 1, end = chunk.indexOf(LF, start)) {
      const piece = chunk.subarray(start, end);
      if (rest.length + piece.length > MAX_LINE_BYTES) throw tooLong(file, number + 1);
      yield toLine(rest.length === 0 ? piece : Buffer.concat([rest, piece]));
      rest = new Uint8Array(0);
    }
    if (rest.length + chunk.length - start > MAX_LINE_BYTES) throw tooLong(file, number + 1);
    rest = Buffer.concat([rest, chunk.subarray(start)]);
  }
  if (rest.length > 0) yield toLine(rest);
}

function tooLong(file: string, number: number): ProofdnsError {
  return lineError(file, number, `a line of more than ${MAX_LINE_BYTES} bytes`);
}

/**
 * Reads the lines of a file, through gunzip if it begins with the bytes of a gzip file, whatever it is called. A pipe will do.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if it cannot be read or unpacked, and as `splitLines`
 */
export async function* readLines(file: string): AsyncGenerator<Line> {
  const stream = createReadStream(file);
  try {
    yield* splitLines(unpack(stream), file);
  } catch (cause) {
    if (cause instanceof ProofdnsError) throw cause;
    throw new ProofdnsError("MALFORMED_INPUT", `cannot read ${file}: ${(cause as Error).message}`, { cause });
  } finally {
    stream.destroy();
  }
}

async function* unpack(stream: ReadStream): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 2) {
    const { value, done } = await chunks.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield head;
    yield* { [Symbol.asyncIterator]: () => chunks };
  }
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  yield* isGzip ? pipeline(all, createGunzip(), () => undefined) : all();
}
