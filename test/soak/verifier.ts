import { Questions } from "../../src/client/questions.ts";
import type { TxtReply } from "../../src/client/transport.ts";
import { DnsTransport } from "../../src/client/transport-dns.ts";
import {
  epochOfAnswer,
  type Trust,
  type VerifiedHead,
  verifyAnswer,
  verifyHead,
} from "../../src/client/verify/index.ts";
import { decodeReply, type Reply, TYPE } from "./messages.ts";
import type { Question, Sample } from "./order.ts";
import { verifyRrset, type ZoneKey } from "./rrsig.ts";

/** Milliseconds after which an answer of an epoch that is no longer the newest is wrong: swaps are not that slow. */
const MAX_LATENESS = 2_000;
/** Heads that are kept. */
const MAX_HEADS = 32;
/** Faults that are kept word for word. */
const MAX_FAULTS = 20;

/** Verifies sampled answers as a client does: proof, head of the right epoch, and the zone's signature where there is one. */
export class Verifier {
  readonly #trust: Trust;
  readonly #questions: readonly Question[];
  readonly #names: Questions;
  readonly #transport: DnsTransport;
  readonly #keys: readonly ZoneKey[];
  readonly #heads = new Map<number, Promise<VerifiedHead>>();
  /** When the epochs were first known to be served, Unix milliseconds. */
  readonly #servedAt = new Map<number, number>();
  #newest: VerifiedHead | undefined;
  #newestServed = 0;
  /** Heads are verified one after the other, each beside the newest before. */
  #chain: Promise<unknown> = Promise.resolve();
  verified = 0;
  signatures = 0;
  wrong = 0;
  readonly faults: string[] = [];
  readonly epochs = new Set<number>();

  constructor(
    trust: Trust,
    questions: readonly Question[],
    server: { host: string; port: number },
    keys: readonly ZoneKey[],
  ) {
    this.#trust = trust;
    this.#questions = questions;
    this.#names = new Questions(trust.zone, trust.sha256);
    this.#transport = new DnsTransport({ server });
    this.#keys = keys;
  }

  /** Notes that an epoch is served from now on. */
  epochServed(epoch: number): void {
    this.#servedAt.set(epoch, Date.now());
    this.#newestServed = Math.max(epoch, this.#newestServed);
  }

  /** Verifies a sample; what is wrong with it is counted and kept. */
  async verify(sample: Sample): Promise<void> {
    try {
      await this.#verify(sample);
      this.verified++;
    } catch (error) {
      this.wrong++;
      const question = this.#questions[sample.question]?.subject;
      const what = `${JSON.stringify(question)}: ${error}: ${Buffer.from(sample.message).toString("hex")}`;
      if (this.faults.length < MAX_FAULTS) this.faults.push(what);
    }
  }

  async #verify(sample: Sample): Promise<void> {
    const question = this.#questions[sample.question];
    if (question === undefined) throw new TypeError(`no question ${sample.question}`);
    const reply = decodeReply(sample.message);
    const payload = this.#payloadOf(reply, sample);
    const epoch = epochOfAnswer(payload);
    this.#checkAge(epoch, sample);
    const head = await this.#head(epoch);
    verifyAnswer({
      trust: this.#trust,
      subject: question.subject,
      untrustedAnswer: payload,
      head,
      newest: this.#newest,
    });
    this.epochs.add(epoch);
  }

  #payloadOf(reply: Reply, { isDo, receivedAt }: Sample): Uint8Array {
    const answers = reply.records.filter(({ section }) => section === "answer");
    const [txt, ...more] = answers.filter(({ type }) => type === TYPE.TXT);
    if (txt === undefined || more.length > 0) throw new Error("not one TXT record");
    if (!reply.isAuthoritative) throw new Error("not authoritative");
    const isSigned = answers.some(({ type }) => type === TYPE.RRSIG);
    if (isSigned && !isDo) throw new Error("a signature that was not asked for");
    if (isDo && this.#keys.length > 0) {
      verifyRrset(reply.records, "answer", TYPE.TXT, this.#keys, Math.floor(receivedAt / 1000));
      this.signatures++;
    }
    if (txt.ttl > 300) throw new Error(`a TTL of ${txt.ttl} s`);
    const strings: Buffer[] = [];
    for (let at = 0; at < txt.rdata.length; at += 1 + txt.rdata.readUInt8(at)) {
      strings.push(txt.rdata.subarray(at + 1, at + 1 + txt.rdata.readUInt8(at)));
    }
    return new Uint8Array(Buffer.concat(strings));
  }

  /** No epoch that is too old when it is asked. */
  #checkAge(epoch: number, { sentAt }: Sample): void {
    const replacedAt = this.#servedAt.get(epoch + 1);
    if (replacedAt !== undefined && sentAt > replacedAt + MAX_LATENESS) {
      throw new Error(`epoch ${epoch}, ${Math.round(sentAt - replacedAt)} ms after the next was served`);
    }
    if (epoch > this.#newestServed + 1) throw new Error(`epoch ${epoch} where ${this.#newestServed} is the newest`);
  }

  #head(epoch: number): Promise<VerifiedHead> {
    const known = this.#heads.get(epoch);
    if (known !== undefined) return known;
    const head = this.#chain.then(() => this.#fetchHead(epoch));
    this.#chain = head.catch(() => {});
    this.#heads.set(epoch, head);
    if (this.#heads.size > MAX_HEADS) this.#heads.delete(Math.min(...this.#heads.keys()));
    return head;
  }

  /** The head of an epoch, with the proof that it is of one log with the newest that is known. */
  async #fetchHead(epoch: number): Promise<VerifiedHead> {
    const memory = this.#newest;
    const untrustedHead = payloadOf(await this.#transport.query(this.#names.head({ epoch }), { tcp: true }));
    const untrustedConsistency =
      memory === undefined || memory.epoch === epoch
        ? undefined
        : payloadOf(await this.#transport.query(this.#names.consistency(memory.epoch, epoch), { tcp: true }));
    const head = verifyHead({
      trust: this.#trust,
      memory,
      now: Math.floor(Date.now() / 1000),
      question: { epoch },
      untrustedHead,
      untrustedConsistency,
    });
    if (head.epoch > (memory?.epoch ?? 0)) this.#newest = head;
    return head;
  }
}

function payloadOf(reply: TxtReply): Uint8Array {
  if (reply.kind !== "txt") throw new Error(`${reply.kind} where a head or proof was asked`);
  return reply.payload;
}
