import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Questions } from "../client/questions.ts";
import type { Transport } from "../client/transport.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatLeaf } from "../vindex/leaf.ts";
import type { VerifierKey } from "../vindex/note.ts";
import { decodeHead } from "../vindex/payload.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { MAX_LOG_FILE_LENGTH, parseLogFile, type UntrustedEpoch } from "./log-file.ts";
import { readRegularFile } from "./regular-file.ts";
import { TRANSITION_LIMITS } from "./transition-format.ts";

/**
 * Where an auditor has the epochs of a log from. Everything may lie.
 *
 * Each method throws ProofdnsError `UNREACHABLE` or `NO_ANSWER` if it could not be had, and what parsing throws.
 */
export interface EpochSource {
  newest(): Promise<UntrustedEpoch>;
  epoch(epoch: number): Promise<UntrustedEpoch>;
  /** Undefined if there is none. */
  transition(epoch: number): Promise<Uint8Array | undefined>;
  /** Bytes that were read so far. */
  readonly bytes: number;
}

/** The heads of a name server: `_head` and `e<epoch>._head` (spec/dns.md). It has no transitions. */
export class DnsEpochSource implements EpochSource {
  readonly #transport: Transport;
  readonly #questions: Questions;
  readonly #sumdbKey: VerifierKey;
  #bytes = 0;

  constructor(options: { transport: Transport; zone: string; sumdbKey: VerifierKey; sha256: Sha256 }) {
    this.#transport = options.transport;
    this.#questions = new Questions(options.zone, options.sha256);
    this.#sumdbKey = options.sumdbKey;
  }

  get bytes(): number {
    return this.#bytes;
  }

  newest(): Promise<UntrustedEpoch> {
    return this.#ask({});
  }

  async epoch(epoch: number): Promise<UntrustedEpoch> {
    const found = await this.#ask({ epoch });
    if (found.epoch !== epoch)
      throw new ProofdnsError("WRONG_EPOCH", `a head of epoch ${found.epoch} where ${epoch} was asked`);
    return found;
  }

  async transition(): Promise<undefined> {
    return undefined;
  }

  async #ask(question: { epoch?: number }): Promise<UntrustedEpoch> {
    const reply = await this.#transport.query(this.#questions.head(question));
    this.#bytes += reply.messageBytes;
    if (reply.kind !== "txt") {
      const what = question.epoch === undefined ? "its newest head" : `the head of epoch ${question.epoch}`;
      throw new ProofdnsError("NO_ANSWER", `the server does not answer ${what}; is this the right zone?`);
    }
    const head = decodeHead(reply.payload, "plain");
    return {
      epoch: head.epoch,
      leafText: formatLeaf(head, this.#sumdbKey),
      peaks: head.hashes,
      logSignature: head.logSignature,
      cosignatures: head.cosignatures,
    };
  }
}

/** Reads a published file of at most `limit` bytes; undefined if it is not there. */
export type FileReader = (path: string, limit: number) => Promise<Uint8Array | undefined>;

/** Published files (spec/audit.md §5). */
export class PublishedSource implements EpochSource {
  readonly #read: FileReader;
  readonly #logKey: VerifierKey;
  readonly #sha256: Sha256;
  #bytes = 0;

  constructor(options: { read: FileReader; logKey: VerifierKey; sha256: Sha256 }) {
    this.#read = options.read;
    this.#logKey = options.logKey;
    this.#sha256 = options.sha256;
  }

  get bytes(): number {
    return this.#bytes;
  }

  newest(): Promise<UntrustedEpoch> {
    return this.#log("latest");
  }

  async epoch(epoch: number): Promise<UntrustedEpoch> {
    const found = await this.#log(`log/${epoch}`);
    if (found.epoch !== epoch) throw new ProofdnsError("WRONG_EPOCH", `log/${epoch} holds epoch ${found.epoch}`);
    return found;
  }

  transition(epoch: number): Promise<Uint8Array | undefined> {
    return this.#counted(`transition/${epoch}`, TRANSITION_LIMITS.length);
  }

  async #log(path: string): Promise<UntrustedEpoch> {
    const bytes = await this.#counted(path, MAX_LOG_FILE_LENGTH);
    if (bytes === undefined) throw new ProofdnsError("NO_ANSWER", `there is no ${path} among the published files`);
    return parseLogFile(bytes, this.#logKey, this.#sha256);
  }

  async #counted(path: string, limit: number): Promise<Uint8Array | undefined> {
    const bytes = await this.#read(path, limit);
    this.#bytes += bytes?.length ?? 0;
    return bytes;
  }
}

/** Reads published files from a folder. */
export function folderReader(folder: string): FileReader {
  return (path, limit) => readRegularFile(join(folder, path), limit);
}

/** Milliseconds for one file, and for the wait before it is asked again. */
const FETCH_TIMEOUT = 60_000;
const FETCH_WAITS: readonly number[] = [500, 2_000];

/** Reads published files from an http or https URL until it is stopped; what fails is tried again twice. */
export function urlReader(
  url: string,
  fetch: typeof globalThis.fetch = globalThis.fetch,
  stopped: AbortSignal = new AbortController().signal,
): FileReader {
  const base = url.replace(/\/+$/, "");
  if (!/^https?:\/\/[^/?#]+(?:\/[^?#]*)?$/.test(base))
    throw new ProofdnsError(
      "MALFORMED_INPUT",
      `${JSON.stringify(url)}: expected a folder, or a URL like https://example.org/log`,
    );
  return async (path, limit) => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await fetchFile(`${base}/${path}`, limit, fetch, stopped);
      } catch (cause) {
        if (cause instanceof ProofdnsError) throw cause;
        const wait = FETCH_WAITS[attempt];
        const why = cause instanceof Error ? cause.message : String(cause);
        if (wait === undefined || stopped.aborted)
          throw new ProofdnsError("UNREACHABLE", `cannot read ${base}/${path}: ${why}`, { cause });
        await delay(wait, undefined, { signal: stopped }).catch(() => undefined);
      }
    }
  };
}

/** An error without a code may be mended by asking again. */
async function fetchFile(
  url: string,
  limit: number,
  fetch: typeof globalThis.fetch,
  stopped: AbortSignal,
): Promise<Uint8Array | undefined> {
  const response = await fetch(url, {
    signal: AbortSignal.any([stopped, AbortSignal.timeout(FETCH_TIMEOUT)]),
    headers: { "user-agent": "proofdns" },
  });
  if (response.status === 404 || response.status === 410) {
    await response.body?.cancel();
    return undefined;
  }
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error(`HTTP status ${response.status}`);
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response.body) {
    length += piece.length;
    // Leaving the loop ends the body.
    if (length > limit) throw new ProofdnsError("UNREACHABLE", `${url} has more than ${limit} bytes`);
    pieces.push(piece);
  }
  return new Uint8Array(Buffer.concat(pieces));
}
