import { makeWebFetch } from "../go/web-proxy.ts";
import type { Cosignature } from "../vindex/cosignature.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { OutputLog } from "../vindex/output-log.ts";
import { nodeSha256 } from "../vindex/platform.ts";
import { computeConsistencyProof } from "../vindex/tlog.ts";
import type { Publisher, SignedEpoch } from "./publisher.ts";
import { addCheckpoint, type Witness, type WitnessReply } from "./witness.ts";

/** Milliseconds that a witness has to answer. */
const WITNESS_TIMEOUT = 10_000;
/** Seconds by which a witness's time may differ from ours. */
const MAX_WITNESS_SKEW = 300;

export interface CosignersOptions {
  readonly witnesses: readonly Witness[];
  readonly publisher: Publisher;
  readonly log: (level: "info" | "alarm", message: string) => void;
  /** Unix seconds. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** The witnesses of a log, asked together; remembers the size that each one knows. */
export class Cosigners {
  readonly #o: CosignersOptions;
  readonly #sizes = new Map<number, number>();
  /** Through the proxy that the environment names, if any. */
  readonly #fetch = makeWebFetch(process.env);

  constructor(options: CosignersOptions) {
    this.#o = options;
  }

  /** Asks all witnesses at once; each that fails is logged and costs its cosignature only. */
  async collect(signed: SignedEpoch, log: OutputLog): Promise<SignedEpoch> {
    const replies = await Promise.all(
      this.#o.witnesses.map(async (witness) => {
        try {
          return await this.#cosignBy(witness, signed, log);
        } catch (error) {
          this.#o.log("alarm", error instanceof Error ? error.message : String(error));
          return undefined;
        }
      }),
    );
    let out = signed;
    for (const cosignature of replies)
      if (cosignature !== undefined) out = await this.#o.publisher.keep(out, cosignature);
    return out;
  }

  async #cosignBy(witness: Witness, signed: SignedEpoch, log: OutputLog): Promise<Cosignature> {
    const { keyId, keyName } = witness.verifierKey;
    let oldSize = this.#sizes.get(keyId) ?? 0;
    // The second try is from the size that the witness says it knows.
    for (let tries = 0; tries < 2; tries++) {
      const reply = await this.submit(witness, signed, log, oldSize);
      if (reply.kind === "cosigned") {
        this.#sizes.set(keyId, signed.epoch);
        const { time } = reply.cosignature;
        if (Math.abs(time - this.#o.now()) > MAX_WITNESS_SKEW) {
          throw new ProofdnsError(
            "BAD_COSIGNATURE",
            `the witness ${keyName} cosigns for the time ${time}, which is not now`,
          );
        }
        return reply.cosignature;
      }
      if (reply.treeSize > signed.epoch)
        throw new ProofdnsError(
          "EQUIVOCATION",
          `the witness ${keyName} knows a log of size ${reply.treeSize}, larger than ours of ${signed.epoch}`,
        );
      oldSize = reply.treeSize;
    }
    throw new ProofdnsError("UNREACHABLE", `the witness ${keyName} keeps changing the size that it knows`);
  }

  /** Submits a checkpoint as the extension of the tree of `oldSize`. */
  async submit(witness: Witness, signed: SignedEpoch, log: OutputLog, oldSize: number): Promise<WitnessReply> {
    const consistency = oldSize === 0 ? [] : computeConsistencyProof(oldSize, signed.epoch, log.read, nodeSha256);
    const { checkpointText } = signed;
    const note = this.#o.publisher.formatSignedCheckpoint(signed);
    // Not AbortSignal.any: on Node 20 it can be collected as garbage before it fires, and the wait then has no end.
    const controller = new AbortController();
    const stop = (): void => controller.abort(this.#o.signal.reason);
    if (this.#o.signal.aborted) stop();
    this.#o.signal.addEventListener("abort", stop, { once: true });
    const late = new Error(`no answer within ${WITNESS_TIMEOUT} ms`);
    const timer = setTimeout(() => controller.abort(late), WITNESS_TIMEOUT);
    try {
      const request = { oldSize, consistency, checkpointText, note };
      return await addCheckpoint(witness, request, controller.signal, this.#fetch);
    } finally {
      clearTimeout(timer);
      this.#o.signal.removeEventListener("abort", stop);
    }
  }
}
