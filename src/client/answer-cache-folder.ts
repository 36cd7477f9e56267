import { join } from "node:path";
import { formatBase64, parseBase64 } from "../vindex/base64.ts";
import { encodeUtf8, equalBytes, formatHex } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { formatKeyId } from "../vindex/note.ts";
import type { AnswerCache, CacheReadOptions, KeptAge, KeptRecord, WithLeaf } from "./answer-cache.ts";
import type { CallOptions, ClaimedRecord, Client, Lookup, ProvenAge, RecordProof } from "./client.ts";
import { KeptExtensions } from "./kept-extensions.ts";
import { isContradiction, KeptHeads } from "./kept-heads.ts";
import { rememberTrue } from "./known-signatures.ts";
import type { MemoryStore } from "./memory-store.ts";
import { type FoundText, ProofFolder } from "./proof-folder.ts";
import type { SumdbExtension } from "./sumdb-extension.ts";
import {
  formatProofFile,
  formatProofSubject,
  MAX_PROOF_FILE_LENGTH,
  type ProofFileParts,
  type ProofHead,
  verifyProofFile,
} from "./verify/files.ts";
import {
  compareHeads,
  type Memory,
  type Subject,
  type Trust,
  type VerifiedHead,
  verifyAge,
  verifyHead,
} from "./verify/index.ts";

/** Seconds that an answer is used without asking: no server gives more (spec/dns.md §1.4), and nothing proves a TTL. */
const MAX_TTL = 300;

/** Most kept heads that are looked at for one age. */
const MAX_TRIED = 4;

const AGE_FILE = /^t(0|[1-9][0-9]{0,15})\.head$/;

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

/**
 * Keeps answers and records as proof files (spec/proof-file.md), one for each subject, and old heads as the payloads they came in. Anyone may remove or
 * change them at any time: each is verified in full when it is read. What must not be lost, the remembered heads, is elsewhere. The modification time
 * of an answer is the time until which it is used without asking, that of anything else the time of its last use.
 *
 * No file proves that its log is the one that is remembered, unless it is of the remembered epoch: so of answers only those spare a question.
 */
export class FolderAnswerCache implements AnswerCache {
  readonly #files: ProofFolder;
  readonly #trust: Trust;
  readonly #heads: KeptHeads;
  readonly #now: () => number;
  readonly #onIgnored: (message: string) => void;
  /** Epochs whose head was not to be had in the form that stands alone: it is asked for once, not for each thing under it. */
  readonly #unkept = new Set<number>();
  /** True once it was said that nothing can be kept. */
  #isSaid = false;
  readonly #proofHeads = new WeakMap<VerifiedHead, ProofHead>();
  readonly #extensions: KeptExtensions;

  constructor(options: FolderAnswerCacheOptions) {
    const { keyName, keyId } = options.trust.logKey;
    // All answers of an epoch have the same head, whose signatures cost more than everything else.
    this.#trust = { ...options.trust, ed25519: rememberTrue(options.trust.ed25519) };
    this.#heads = new KeptHeads(this.#trust, options.memory);
    this.#now = options.now ?? (() => Math.floor(Date.now() / 1000));
    this.#onIgnored = sayFew(options.onIgnored ?? (() => {}));
    this.#files = new ProofFolder({
      folder: join(options.folder, `${keyName.replaceAll(/[^0-9A-Za-z.-]/g, "_")}+${formatKeyId(keyId)}`),
      maxLength: 2 * MAX_PROOF_FILE_LENGTH,
      now: this.#now,
      onIgnored: this.#onIgnored,
    });
    this.#extensions = new KeptExtensions(this.#files, this.#trust.sha256, this.#now);
  }

  /** File of a subject. */
  path(subject: Subject): string {
    return join(this.#files.path, this.#nameOf(formatProofSubject(subject)));
  }

  /** File of a record. */
  recordPath(record: ClaimedRecord): string {
    return join(this.#files.path, this.#nameOfRecord(record));
  }

  #nameOf(id: string): string {
    return `${formatHex(this.#trust.sha256(encodeUtf8(id)))}.tlog-proof`;
  }

  /** With its index: the checksum database may hold several records of one version, which it must not. */
  #nameOfRecord({ path, version, logIndex }: ClaimedRecord): string {
    return this.#nameOf(`${formatProofSubject({ kind: "record", path, version })} ${logIndex}`);
  }

  /**
   * @throws ProofdnsError `STALE` if the only answer is too old for work without a network; `FORK`, `SUMDB_FORK` or `SUMDB_ROLLBACK` if its signed head
   *   contradicts the remembered one, after saving the evidence; and what reading the memory throws: protection from rollback is never passed over
   */
  async read(
    subject: Subject,
    { withRecord = false, isOffline = false }: CacheReadOptions = {},
  ): Promise<Lookup | undefined> {
    const name = this.#nameOf(formatProofSubject(subject));
    const found = await this.#files.read(name);
    const now = this.#now();
    if (found === undefined) return undefined;
    // A time far in the future is none that this wrote.
    const until = found.time > now + MAX_TTL ? 0 : found.time;
    if (!isOffline && until <= now) return undefined;
    const memory = await this.#heads.remembered();
    // Without a network an answer may be as old as the maximum age allows, whatever is remembered of later heads.
    const trust = isOffline ? { ...this.#trust, maxLag: Number.MAX_SAFE_INTEGER } : this.#trust;
    return this.#unlessFalse(name, isOffline ? subject : undefined, () => {
      const proof = verifyProofFile(trust, found.text, { now, subject, memory });
      // Of another epoch it may be of a fork, or of a log that the memory knows nothing of yet: what is asked is compared.
      if (!isOffline && proof.head.epoch !== memory?.epoch) return undefined;
      if (isOffline) this.#heads.compareWithGiven(proof.head);
      if (proof.answer === undefined || proof.payload === undefined) return undefined;
      if (withRecord && proof.answer.kind === "module" && proof.record === undefined) return undefined;
      return {
        answer: proof.answer,
        versions: proof.versions,
        payload: proof.payload,
        ttl: Math.max(0, until - now),
        isRecordProven: proof.record !== undefined,
        answerBytes: 0,
        queries: 0,
      };
    });
  }

  /**
   * @throws ProofdnsError as `read`, but not for its age; `BAD_RECORD_PROOF` if the checksum database is proven to have other hashes there, and nobody
   *   may be asked
   */
  async readRecord(
    record: ClaimedRecord,
    { isOffline = false }: Pick<CacheReadOptions, "isOffline"> = {},
  ): Promise<KeptRecord | undefined> {
    const name = this.#nameOfRecord(record);
    const found = await this.#files.read(name);
    if (found === undefined) return undefined;
    const memory = await this.#heads.remembered();
    return this.#unlessFalse(name, undefined, () => {
      const { path, version } = record;
      const subject = { kind: "record", path, version } as const;
      const proof = verifyProofFile(this.#ofAnyAge(), found.text, { now: this.#now(), subject, memory });
      const { head, recordPayload: payload, record: proven } = proof;
      this.#heads.compareTrees(head, memory);
      if (isOffline) this.#heads.compareWithGiven(head);
      if (proven === undefined || payload === undefined || proven.logIndex !== record.logIndex) {
        throw new ProofdnsError("BAD_PROOF", "it is the proof of another record");
      }
      if (!equalBytes(proven.zipHash, record.zipHash) || !equalBytes(proven.goModHash, record.goModHash)) {
        if (!isOffline) return undefined;
        throw new OtherHashes(path, version, record.logIndex);
      }
      if (!isOffline && !this.#heads.isOfFewTrees(head)) return undefined;
      void this.#files.use(name, found.time);
      return { head, payload };
    });
  }

  /**
   * @throws ProofdnsError `FORK`, `SUMDB_FORK` or `SUMDB_ROLLBACK` as `read`
   */
  async readAge(time: number): Promise<KeptAge | undefined> {
    const times = (await this.#files.names())
      .map((name) => Number(AGE_FILE.exec(name)?.[1] ?? Number.NaN))
      .filter((kept) => kept <= time)
      .sort((a, b) => b - a);
    const memory = await this.#heads.remembered();
    const ages: KeptAge[] = [];
    for (const kept of times.slice(0, MAX_TRIED)) {
      const name = `t${kept}.head`;
      const found = await this.#files.read(name);
      const age = found && (await this.#unlessFalse(name, undefined, () => this.#verifyAge(kept, found, memory)));
      if (age === undefined) continue;
      void this.#files.use(name, found?.time ?? 0);
      ages.push(age);
    }
    return ages.reduceRight<KeptAge | undefined>((earlier, age) => (earlier ? { ...age, earlier } : age), undefined);
  }

  #verifyAge(time: number, { text }: FoundText, memory: Memory | undefined): KeptAge {
    const untrustedHead = parseBase64(text.trimEnd());
    if (untrustedHead === undefined) throw new ProofdnsError("MALFORMED_ANSWER", "it is not base64");
    const [trust, now] = [this.#ofAnyAge(), this.#now()];
    const newest = verifyHead({ trust, memory: undefined, now, question: {}, untrustedHead });
    if (memory !== undefined) compareHeads(trust, memory, newest, undefined);
    this.#heads.compareTrees(newest, memory);
    this.#heads.compareWithGiven(newest);
    return { ...verifyAge({ trust, newest, time, untrustedHead }), time };
  }

  /** What is true forever needs no fresh head; but none from the future. */
  #ofAnyAge(): Trust {
    return { ...this.#trust, maxAge: Number.MAX_SAFE_INTEGER, maxLag: Number.MAX_SAFE_INTEGER };
  }

  /** Verifies what a file holds; undefined, and said, if it is false. */
  async #unlessFalse<T>(name: string, staleSubject: Subject | undefined, verify: () => T): Promise<T | undefined> {
    const path = join(this.#files.path, name);
    try {
      return verify();
    } catch (error) {
      if (!isProofdnsError(error) || error instanceof OtherHashes) throw error;
      if (isContradiction(error)) throw await this.#heads.keepEvidence(`the cached answer ${path}`, error);
      if (staleSubject !== undefined && error.code === "STALE") throw tooOld(staleSubject, error);
      if (error.code !== "STALE" && error.code !== "LAGGING")
        this.#onIgnored(`ignored a cached answer that does not verify: ${path}: ${error.message}`);
      return undefined;
    }
  }

  /** Keeps what `client` has looked up. What cannot be written is not kept. */
  async write(
    subject: Subject,
    lookup: Lookup,
    client: Pick<Client, "headForProof">,
    options: CallOptions = {},
  ): Promise<void> {
    const { answer, versions, payload } = lookup;
    const ttl = Math.min(lookup.ttl, MAX_TTL);
    const name = this.#nameOf(formatProofSubject(subject));
    await this.#unlessImpossible(async () => {
      const head = await this.#proofHead(answer.head, client, options);
      if (head === undefined) return;
      await this.#keep(name, { subject, head, answer: payload, versions }, this.#now() + ttl);
    });
  }

  /** Keeps what `client` has proven of a record. What cannot be written is not kept. */
  async writeRecord(
    record: ClaimedRecord,
    proof: RecordProof,
    client: Pick<Client, "headForProof">,
    options: CallOptions = {},
  ): Promise<void> {
    const { path, version } = record;
    await this.#unlessImpossible(async () => {
      const head = await this.#proofHead(proof.head, client, options);
      if (head === undefined) return;
      const subject = { kind: "record", path, version } as const;
      const parts = { subject, head, record: { entry: record, proof: proof.payload } };
      await this.#keep(this.#nameOfRecord(record), parts, this.#now());
    });
  }

  async #proofHead(
    head: VerifiedHead,
    client: Pick<Client, "headForProof">,
    options: CallOptions,
  ): Promise<ProofHead | undefined> {
    const known = this.#proofHeads.get(head);
    if (known !== undefined || this.#unkept.has(head.epoch)) return known;
    try {
      const made = await client.headForProof(head, options);
      this.#proofHeads.set(head, made);
      return made;
    } catch (error) {
      this.#unkept.add(head.epoch);
      throw error;
    }
  }

  async #keep(name: string, parts: ProofFileParts, time: number): Promise<void> {
    const text = formatProofFile(parts);
    if (text.length <= MAX_PROOF_FILE_LENGTH) await this.#files.replace(name, text, time);
  }

  /** Keeps a head that dates records. What cannot be written is not kept. */
  async writeAge(time: number, { payload }: ProvenAge): Promise<void> {
    if (!Number.isSafeInteger(time) || time < 0) throw new RangeError(`not Unix seconds: ${time}`);
    await this.#unlessImpossible(() => this.#files.replace(`t${time}.head`, `${formatBase64(payload)}\n`, this.#now()));
  }

  areOneTree(a: WithLeaf, b: WithLeaf): Promise<boolean> {
    return this.#extensions.areOneTree(a.leaf.treeHead, b.leaf.treeHead);
  }

  /** Keeps an extension. What cannot be written is not kept. */
  writeExtension(extension: SumdbExtension): Promise<void> {
    return this.#unlessImpossible(() => this.#extensions.write(extension));
  }

  /** Removes what nobody has asked for in a month. */
  prune(): Promise<void> {
    return this.#files.prune();
  }

  /** A cache that is not to be had costs a query next time, and no more; but who counts on it is told. */
  async #unlessImpossible(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      if (error instanceof TypeError || error instanceof RangeError) throw error;
      // Others are of the network: what could not be asked for is not kept.
      if (!(error instanceof Error && "syscall" in error) || this.#isSaid) return;
      this.#isSaid = true;
      this.#onIgnored(
        `what is proven cannot be kept in ${this.#files.path}: ${error.message}; --cache names another folder, and --no-cache keeps nothing`,
      );
    }
  }
}

/** Most files that are named as ignored; with keys of another policy all of them are. */
const MAX_NAMED = 10;

function sayFew(say: (message: string) => void): (message: string) => void {
  let said = 0;
  return (message) => {
    said++;
    if (said <= MAX_NAMED) say(message);
    else if (said === MAX_NAMED + 1) say("ignored more cached answers");
  };
}

/** Both are proven: what the index says of a record, and that the checksum database has another one there. */
class OtherHashes extends ProofdnsError {
  constructor(path: string, version: string, logIndex: number) {
    const what = `record ${logIndex} of the checksum database, ${path}@${version}`;
    super("BAD_RECORD_PROOF", `${what}, was proven with other hashes than the index has now; ask without --offline`);
  }
}

function tooOld(subject: Subject, cause: ProofdnsError): ProofdnsError {
  return new ProofdnsError(
    "STALE",
    `the cached answer for ${formatProofSubject(subject)}: ${cause.message}; --max-age accepts an older one, and without --offline a new one is asked for`,
    { cause },
  );
}
