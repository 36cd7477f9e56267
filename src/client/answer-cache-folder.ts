import { randomBytes } from "node:crypto";
import { constants, open, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeUtf8, encodeUtf8, formatHex } from "../vindex/bytes.ts";
import type { Ed25519Verifier } from "../vindex/ed25519.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { formatKeyId } from "../vindex/note.ts";
import type { AnswerCache, CacheReadOptions } from "./answer-cache.ts";
import type { Client, Lookup } from "./client.ts";
import { makeFolder } from "./make-folder.ts";
import type { MemoryStore } from "./memory-store.ts";
import { formatProofFile, formatProofSubject, MAX_PROOF_FILE_LENGTH, verifyProofFile } from "./verify/files.ts";
import { compareHeads, type Memory, type SignedHead, type Subject, type Trust } from "./verify/index.ts";

/** Seconds that an answer is used without asking: no server gives more (spec/dns.md §1.4), and nothing proves a TTL. */
const MAX_TTL = 300;
/** Seconds after which a cached answer is of no use to anyone. */
const MAX_LIFE = 30 * 86_400;

/** Milliseconds for which the memory that was read is taken for what is remembered. */
const MEMORY_LIFE = 100;

/** Options of a `FolderAnswerCache`. */
export interface FolderAnswerCacheOptions {
  readonly folder: string;
  readonly trust: Trust;
  /** What is remembered of the log: a cached answer must not contradict it. */
  readonly memory: MemoryStore;
  /** Unix seconds; default the system's clock. */
  readonly now?: () => number;
  /** Told of files that are ignored since they are damaged, or not what they must be. */
  readonly onIgnored?: (message: string) => void;
}

/** Most heads that those of further answers are compared with. */
const MAX_HEADS = 64;

/**
 * Keeps answers as proof files (spec/proof-file.md), one for each subject, which anyone may remove or change at any time: each is verified in full when
 * it is read. What must not be lost, the remembered heads, is elsewhere. A file's modification time is the time until which it is used without asking.
 *
 * No file proves that its log is the one that is remembered, unless it is of the remembered epoch: so only those spare a question.
 */
export class FolderAnswerCache implements AnswerCache {
  readonly #folder: string;
  readonly #trust: Trust;
  readonly #memory: MemoryStore;
  readonly #now: () => number;
  readonly #onIgnored: (message: string) => void;
  #known: { readonly memory: Promise<Memory | undefined>; readonly until: number } | undefined;
  /** Heads of the answers that were given without a network, by epoch: all of them must be of one log. */
  readonly #given = new Map<number, SignedHead>();

  constructor(options: FolderAnswerCacheOptions) {
    const { keyName, keyId } = options.trust.logKey;
    this.#folder = join(options.folder, `${keyName.replaceAll(/[^0-9A-Za-z.-]/g, "_")}+${formatKeyId(keyId)}`);
    // All answers of an epoch have the same head, whose signatures cost more than everything else.
    this.#trust = { ...options.trust, ed25519: rememberTrue(options.trust.ed25519) };
    this.#memory = options.memory;
    this.#now = options.now ?? (() => Math.floor(Date.now() / 1000));
    this.#onIgnored = options.onIgnored ?? (() => {});
  }

  /** File of a subject. */
  path(subject: Subject): string {
    const id = formatHex(this.#trust.sha256(encodeUtf8(formatProofSubject(subject))));
    return join(this.#folder, `${id}.tlog-proof`);
  }

  /**
   * @throws ProofdnsError `STALE` if the only answer is too old for work without a network; `FORK`, `SUMDB_FORK` or `SUMDB_ROLLBACK` if its signed head
   *   contradicts the remembered one, after saving the evidence; and what reading the memory throws: protection from rollback is never passed over
   */
  async read(
    subject: Subject,
    { withRecord = false, isOffline = false }: CacheReadOptions = {},
  ): Promise<Lookup | undefined> {
    const path = this.path(subject);
    const found = await this.#readFile(path);
    const now = this.#now();
    if (found === undefined || (!isOffline && found.until <= now)) return undefined;
    const memory = await this.#remembered();
    // Without a network an answer may be as old as the maximum age allows, whatever is remembered of later heads.
    const trust = isOffline ? { ...this.#trust, maxLag: Number.MAX_SAFE_INTEGER } : this.#trust;
    try {
      const proof = verifyProofFile(trust, found.text, { now, subject, memory });
      // Of another epoch it may be of a fork, or of a log that the memory knows nothing of yet: what is asked is compared.
      if (!isOffline && proof.head.epoch !== memory?.epoch) return undefined;
      if (isOffline) this.#compareWithGiven(proof.head);
      if (proof.answer === undefined || proof.payload === undefined) return undefined;
      if (withRecord && proof.answer.kind === "module" && proof.record === undefined) return undefined;
      return {
        answer: proof.answer,
        versions: proof.versions,
        payload: proof.payload,
        ttl: Math.max(0, found.until - now),
        isRecordProven: proof.record !== undefined,
        answerBytes: 0,
        queries: 0,
      };
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      if (isContradiction(error)) throw await this.#keepEvidence(path, error);
      if (isOffline && error.code === "STALE") throw tooOld(subject, error);
      if (error.code !== "STALE" && error.code !== "LAGGING")
        this.#onIgnored(`ignored a cached answer that does not verify: ${path}: ${error.message}`);
      return undefined;
    }
  }

  /** Nobody can be asked for a proof between two epochs, but the same epoch has one tree, and a log only grows. */
  #compareWithGiven(head: SignedHead): void {
    const known = this.#given.get(head.epoch);
    if (known !== undefined) {
      compareHeads(this.#trust, known, head, undefined);
      return;
    }
    for (const other of this.#given.values()) compareHeads(this.#trust, other, head, undefined);
    if (this.#given.size < MAX_HEADS) this.#given.set(head.epoch, head);
  }

  /** Saves the evidence of an error; returns an error that says of which file it is, and where the evidence is. */
  async #keepEvidence(path: string, error: ProofdnsError): Promise<ProofdnsError> {
    const { code, evidence } = error;
    let message = `the cached answer ${path}: ${error.message}`;
    if (evidence === undefined) return new ProofdnsError(code, message, { cause: error });
    try {
      const where = await this.#memory.saveEvidence(evidence);
      if (where !== undefined) message = `${message}; the evidence is in ${where}`;
    } catch (cause) {
      // What was found out weighs more than that it cannot be written down.
      message = `${message}; its evidence is not kept: ${cause instanceof Error ? cause.message : String(cause)}`;
    }
    return new ProofdnsError(code, message, { cause: error, evidence });
  }

  /** What is remembered, read once for all answers that are read at once: to read it is to verify it. */
  #remembered(): Promise<Memory | undefined> {
    const now = performance.now();
    if (this.#known === undefined || now > this.#known.until) {
      this.#known = { memory: this.#memory.read(), until: now + MEMORY_LIFE };
    }
    return this.#known.memory;
  }

  /** Keeps what `client` has looked up. What cannot be written is not kept. */
  async write(subject: Subject, lookup: Lookup, client: Pick<Client, "headForProof">): Promise<void> {
    const { answer, versions, payload } = lookup;
    const ttl = Math.min(lookup.ttl, MAX_TTL);
    try {
      const head = await client.headForProof(answer.head);
      const text = formatProofFile({ subject, head, answer: payload, versions });
      if (text.length <= MAX_PROOF_FILE_LENGTH) await this.#replace(this.path(subject), text, this.#now() + ttl);
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error;
      // A cache that is not to be had costs a query next time, and no more.
    }
  }

  /** Removes what nobody has asked for in a month. */
  async prune(): Promise<void> {
    const names = await readdir(this.#folder).catch(() => []);
    for (const name of names) {
      const path = join(this.#folder, name);
      const age = await stat(path).then(
        ({ mtimeMs }) => this.#now() - mtimeMs / 1000,
        () => 0,
      );
      if (age > MAX_LIFE) await rm(path, { force: true }).catch(() => {});
    }
  }

  async #readFile(path: string): Promise<{ text: string; until: number } | undefined> {
    try {
      // Without O_NONBLOCK a pipe that nobody writes to is never opened.
      const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const { size, mtimeMs } = await file
          .stat()
          .then((found) => (found.isFile() ? found : { size: -1, mtimeMs: 0 }));
        if (size < 0 || size > 2 * MAX_PROOF_FILE_LENGTH) {
          this.#onIgnored(`ignored ${path}, which is no cached answer`);
          return undefined;
        }
        const text = decodeUtf8(await file.readFile());
        if (text === undefined) this.#onIgnored(`ignored a damaged cached answer: ${path} is not text`);
        // A time far in the future is none that this wrote.
        const until = Math.floor(mtimeMs / 1000);
        return text === undefined ? undefined : { text, until: until > this.#now() + MAX_TTL ? 0 : until };
      } finally {
        await file.close();
      }
    } catch {
      return undefined;
    }
  }

  async #replace(path: string, text: string, until: number): Promise<void> {
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      await makeFolder(this.#folder);
      // Not synced: a file that a crash leaves half written does not verify.
      await writeFile(temporary, text, { flag: "wx", mode: 0o600 });
      await utimes(temporary, until, until);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
  }
}

/** True if two signed heads contradict each other: that is a finding, whatever file it is found in. */
function isContradiction({ code }: ProofdnsError): boolean {
  return code === "FORK" || code === "SUMDB_FORK" || code === "SUMDB_ROLLBACK";
}

/** Most signatures that are remembered. */
const MAX_KNOWN = 4096;

/** Checks each true signature once. */
function rememberTrue(scheme: Ed25519Verifier): Ed25519Verifier {
  const known = new Set<string>();
  return {
    ...scheme,
    verify(publicKey, message, signature) {
      const id = Buffer.concat([publicKey, signature, message]).toString("latin1");
      if (known.has(id)) return true;
      const isTrue = scheme.verify(publicKey, message, signature);
      if (isTrue && known.size < MAX_KNOWN) known.add(id);
      return isTrue;
    },
  };
}

function tooOld(subject: Subject, cause: ProofdnsError): ProofdnsError {
  return new ProofdnsError(
    "STALE",
    `the cached answer for ${formatProofSubject(subject)}: ${cause.message}; --max-age accepts an older one, and without --offline a new one is asked for`,
    { cause },
  );
}
