import { join } from "node:path";
import type { Cosignature } from "../vindex/cosignature.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { VerifierKey } from "../vindex/note.ts";
import type { OutputLog } from "../vindex/output-log.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { PublishedFolder, type PublishLog, TransitionWriter } from "./publish.ts";

/** The stored epochs, as a store's reader has them. */
export interface StoredEpochs {
  leafText(epoch: number): string | undefined;
  signature(epoch: number): Uint8Array | undefined;
  cosignatures(epoch: number): readonly { readonly last: Cosignature }[];
}

/** A signed epoch and its cosignatures so far, as a publisher has it. */
export interface SignedEpochParts {
  readonly epoch: number;
  readonly logSignature: Uint8Array;
  readonly cosignatures: readonly { readonly last: Cosignature }[];
}

/** What `makePublishing` needs. */
export interface PublishingOptions {
  /** Where others read. */
  readonly folder: string;
  /** The data folder of the server: transitions are kept in its `files/transition`. */
  readonly dataFolder: string;
  readonly sumdbKey: VerifierKey;
  readonly logKey: VerifierKey;
  /** The clock and the witnesses of the policy. */
  readonly cosigners: readonly VerifierKey[];
  readonly sha256: Sha256;
  readonly log: PublishLog;
}

/**
 * All that a service does to publish its epochs as files. None of it throws: what fails is reported, and DNS is served on.
 */
export interface Publishing {
  /** For the builder: writes the transition of an epoch before it is committed. */
  readonly onFolded: TransitionWriter["onFolded"];
  /** Before the first epoch of a start is served: publishes what is missing of the epochs 1 to `newest`. */
  readonly start: (newest: number, stored: StoredEpochs, log: OutputLog) => Promise<void>;
  /** After an epoch, or another cosignature of it, is served. */
  readonly served: (signed: SignedEpochParts, leafText: string, log: OutputLog) => Promise<void>;
}

/** Makes what publishes into a folder. */
export function makePublishing(options: PublishingOptions): Publishing {
  const { folder, dataFolder, sumdbKey, logKey, cosigners, sha256, log: report } = options;
  const transitions = join(dataFolder, "files", "transition");
  const writer = new TransitionWriter({ folder: transitions, sumdbKey, sha256, log: report });
  const published = new PublishedFolder({ folder, transitions, sumdbKey, logKey, cosigners, sha256, log: report });
  const epochOf = ({ epoch, logSignature, cosignatures }: SignedEpochParts, leafText: string, log: OutputLog) => ({
    epoch,
    leafText,
    log,
    logSignature,
    cosignatures: cosignatures.map(({ last }) => last),
  });
  return {
    onFolded: writer.onFolded,
    start: (newest, stored, log) =>
      published.fill(newest, async (epoch) => {
        const leafText = stored.leafText(epoch);
        const logSignature = stored.signature(epoch);
        if (leafText === undefined || logSignature === undefined)
          throw new ProofdnsError("STORE_UNUSABLE", `the store has no signed epoch ${epoch}`);
        return epochOf({ epoch, logSignature, cosignatures: stored.cosignatures(epoch) }, leafText, log);
      }),
    served: (signed, leafText, log) => published.put(epochOf(signed, leafText, log)),
  };
}
