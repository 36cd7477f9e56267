import type { KeptCosignatures } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { encodeUtf8, equalBytes } from "../vindex/bytes.ts";
import { formatCheckpoint } from "../vindex/checkpoint.ts";
import { type Cosignature, cosign } from "../vindex/cosignature.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatNote, type SignerKey, signNote } from "../vindex/note.ts";
import type { OutputLog } from "../vindex/output-log.ts";
import { nodeEd25519 } from "../vindex/platform.ts";

/** A signed epoch and its cosignatures so far. */
export interface SignedEpoch {
  readonly epoch: number;
  readonly checkpointText: string;
  readonly logSignature: Uint8Array;
  readonly cosignatures: readonly KeptCosignatures[];
}

/** Why the clock did not sign; its word to the operator. */
export type ClockRefusal = "earlier" | "stalled" | "smaller";

const ed25519 = nodeEd25519();

/** Signs checkpoints and keeps what was signed (spec/log.md §3 to §5). One of these may use a store and its keys at a time. */
export class Publisher {
  readonly #store: Store;
  readonly #logKey: SignerKey;
  readonly #clockKey: SignerKey;
  /** Seconds; undefined: the clock never stops. */
  readonly #maxStall: number | undefined;

  constructor(options: { store: Store; logKey: SignerKey; clockKey: SignerKey; maxStall: number | undefined }) {
    this.#store = options.store;
    this.#logKey = options.logKey;
    this.#clockKey = options.clockKey;
    this.#maxStall = options.maxStall;
  }

  /**
   * Signs the checkpoint of a committed epoch, or returns what was signed before. Ed25519 is deterministic and the leaf is
   * committed, so a second signature after a crash is the same.
   *
   * @throws ProofdnsError `EQUIVOCATION` if the stored signature is of another checkpoint
   */
  async sign(epoch: number, log: OutputLog): Promise<SignedEpoch> {
    const { keyName } = this.#logKey.verifierKey;
    const checkpointText = formatCheckpoint({ origin: keyName, treeSize: epoch, rootHash: log.root(epoch) });
    const logSignature = signNote(checkpointText, this.#logKey, ed25519).blob;
    const stored = await this.#store.signature(epoch);
    if (stored !== undefined && !equalBytes(stored, logSignature)) {
      const isOwn = ed25519.verify(this.#logKey.verifierKey.publicKey, encodeUtf8(checkpointText), stored);
      if (!isOwn) {
        throw new ProofdnsError(
          "EQUIVOCATION",
          `another checkpoint was signed for epoch ${epoch}; restore the store and the keys from one backup`,
        );
      }
    }
    if (stored === undefined) await this.#store.putSignature(epoch, logSignature);
    return { epoch, checkpointText, logSignature, cosignatures: await this.#store.cosignatures(epoch) };
  }

  /** The checkpoint as a note with the log's signature. */
  formatSignedCheckpoint(signed: SignedEpoch): string {
    const { keyName, keyId } = this.#logKey.verifierKey;
    return formatNote(signed.checkpointText, [{ keyName, keyId, blob: signed.logSignature }]);
  }

  /**
   * Lets the clock cosign at `now` (Unix seconds), unless it signed a larger size or a later time before, or the checksum database has
   * stalled. What is signed is remembered durably first.
   */
  async tick(signed: SignedEpoch, now: number): Promise<SignedEpoch | ClockRefusal> {
    const clock = (await this.#store.clock()) ?? { epoch: 0, time: 0, lastGrowth: now };
    if (signed.epoch < clock.epoch) return "smaller";
    if (now < clock.time) return "earlier";
    if (this.#maxStall !== undefined && now - clock.lastGrowth > this.#maxStall) return "stalled";
    await this.#store.putClock({ epoch: signed.epoch, time: now, lastGrowth: clock.lastGrowth });
    return this.keep(signed, cosign(signed.checkpointText, now, this.#clockKey, ed25519));
  }

  /** Remembers that the checksum database has grown, as of `now` (Unix seconds): the clock stops when it does not for too long. */
  async noteGrowth(now: number): Promise<void> {
    const clock = (await this.#store.clock()) ?? { epoch: 0, time: 0, lastGrowth: 0 };
    if (now > clock.lastGrowth) await this.#store.putClock({ ...clock, lastGrowth: now });
  }

  /** Keeps a verified cosignature: as the last of its key, and as the first if it is the first. */
  async keep(signed: SignedEpoch, cosignature: Cosignature): Promise<SignedEpoch> {
    const isSame = (kept: KeptCosignatures): boolean => kept.last.keyId === cosignature.keyId;
    const known = signed.cosignatures.find(isSame);
    // A cosigner whose clock went back must not make the head look older, or its first cosignature younger.
    if (known !== undefined && cosignature.time <= known.last.time) return signed;
    const kept = { first: known?.first ?? cosignature, last: cosignature };
    const cosignatures = [...signed.cosignatures.filter((other) => !isSame(other)), kept];
    await this.#store.putCosignatures(signed.epoch, cosignatures);
    return { ...signed, cosignatures };
  }
}
