import { randomBytes } from "node:crypto";
import { link, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { equalBytes } from "../vindex/bytes.ts";
import type { Cosignature } from "../vindex/cosignature.ts";
import { isProofdnsError } from "../vindex/error.ts";
import { parseLeaf } from "../vindex/leaf.ts";
import type { VerifierKey } from "../vindex/note.ts";
import type { OutputLog } from "../vindex/output-log.ts";
import type { Sha256 } from "../vindex/sha256.ts";
import { coverRange } from "../vindex/tlog.ts";
import { encodeLogFile, MAX_LOG_FILE_LENGTH, type NamedCosignature, parseLogFile } from "./log-file.ts";
import { readRegularFile } from "./regular-file.ts";
import { encodeTransition, type FoldedWindow } from "./transition.ts";
import { readTransitionWindow, TRANSITION_LIMITS } from "./transition-format.ts";

/** Records of the largest window whose transition is written; a first sync or a build has none. */
export const DEFAULT_MAX_RECORDS = 100_000;
/** Transitions that are kept: two weeks of ten-minute epochs. */
export const DEFAULT_KEEP = 2016;

/** Takes what an operator should know. */
export type PublishLog = (level: "info" | "alarm", message: string) => void;

/** What a `TransitionWriter` needs. */
export interface TransitionWriterOptions {
  /** Folder of the transitions; made where it is missing. */
  readonly folder: string;
  readonly sumdbKey: VerifierKey;
  readonly sha256: Sha256;
  readonly log: PublishLog;
  /** Default: `DEFAULT_MAX_RECORDS`. */
  readonly maxRecords?: number;
  /** Default: `DEFAULT_KEEP`. */
  readonly keep?: number;
}

/**
 * Writes the transition of each epoch to `<folder>/<epoch>` before the epoch is committed. A transition that cannot be written costs
 * auditors a transition and nobody an epoch: it is reported, and the epoch goes on.
 */
export class TransitionWriter {
  readonly #o: TransitionWriterOptions;

  constructor(options: TransitionWriterOptions) {
    this.#o = options;
  }

  /** For the builder's hook of this name. */
  readonly onFolded = async <Ref>(folded: FoldedWindow<Ref> & { readonly epoch: number }): Promise<void> => {
    const { folder, sumdbKey, sha256, log, maxRecords = DEFAULT_MAX_RECORDS, keep = DEFAULT_KEEP } = this.#o;
    const { epoch, texts } = folded;
    const path = join(folder, String(epoch));
    try {
      // An epoch that was folded before a crash had perhaps another window.
      await rm(path, { force: true });
      const bytes = texts.length > maxRecords ? undefined : encodeTransition(folded, { sumdbKey, sha256 });
      if (bytes === undefined) log("info", `epoch ${epoch} has no transition: its window has ${texts.length} records`);
      else await writeWhole(path, bytes);
      await removeBelow(folder, epoch - keep + 1);
    } catch (error) {
      log("alarm", `the transition of epoch ${epoch} is not written: ${messageOf(error)}`);
    }
  };
}

/** A signed epoch, for publishing. */
export interface PublishedEpoch {
  readonly epoch: number;
  readonly leafText: string;
  /** The output log up to the epoch or further. */
  readonly log: OutputLog;
  readonly logSignature: Uint8Array;
  readonly cosignatures: readonly Cosignature[];
}

/** What a `PublishedFolder` needs. */
export interface PublishedFolderOptions {
  readonly folder: string;
  /** Where a `TransitionWriter` writes. */
  readonly transitions: string;
  readonly sumdbKey: VerifierKey;
  readonly logKey: VerifierKey;
  /** Keys whose cosignatures are published. */
  readonly cosigners: readonly VerifierKey[];
  readonly sha256: Sha256;
  readonly log: PublishLog;
  /** Transitions that are kept; default: `DEFAULT_KEEP`. */
  readonly keep?: number;
}

/**
 * A folder of published files (spec/audit.md §5) that any HTTP server can serve. Each file is there as a whole or not at all, and
 * `latest` is written last. What fails is reported and done again with the next cosignature; serving DNS goes on.
 */
export class PublishedFolder {
  readonly #o: PublishedFolderOptions;
  /** The epoch whose transition was looked at last. */
  #checked = 0;

  constructor(options: PublishedFolderOptions) {
    this.#o = options;
  }

  /** Publishes the newest epoch, or its newer cosignatures. */
  async put(published: PublishedEpoch): Promise<void> {
    const { folder, log, keep = DEFAULT_KEEP } = this.#o;
    const { epoch } = published;
    try {
      if (epoch !== this.#checked) await this.#copyTransition(published, true);
      this.#checked = epoch;
      await removeBelow(join(folder, "transition"), epoch - keep + 1);
      await this.#writeLog(published);
      await writeWhole(join(folder, "latest"), this.#encode(published));
    } catch (error) {
      log("alarm", `epoch ${epoch} is not published in ${folder}: ${messageOf(error)}`);
    }
  }

  /** Publishes the epochs 1 to `newest` that are not there: of a folder that is new, or was written to while it was full. */
  async fill(newest: number, read: (epoch: number) => Promise<PublishedEpoch>): Promise<void> {
    const { folder, log, keep = DEFAULT_KEEP } = this.#o;
    try {
      const known = new Set(await listNumbers(join(folder, "log")));
      for (let epoch = 1; epoch <= newest; epoch++) {
        const own = join(folder, "transition", String(epoch));
        // What stands beside its log file was compared when it was put there.
        const isNew = !known.has(epoch);
        const needsTransition = epoch > newest - keep && (isNew || !(await isThere(own)));
        if (!isNew && !needsTransition) continue;
        const published = await read(epoch);
        if (needsTransition) await this.#copyTransition(published, isNew);
        if (isNew) await this.#writeLog(published);
      }
    } catch (error) {
      log("alarm", `earlier epochs are not published in ${folder}: ${messageOf(error)}`);
    }
  }

  /**
   * An epoch that was folded again after a crash may have another window than the transition that was written first: such a one is
   * removed, since auditors would refuse it. `isOwnOpen`: the published one was not compared yet.
   */
  async #copyTransition(published: PublishedEpoch, isOwnOpen: boolean): Promise<void> {
    const { folder, transitions, log } = this.#o;
    const name = String(published.epoch);
    const [own, written] = [join(folder, "transition", name), join(transitions, name)];
    for (const path of isOwnOpen ? [own, written] : [written]) {
      if (await this.#isOf(path, published)) continue;
      log("alarm", `the transition ${path} is of another window than epoch ${name}: it is removed`);
      await rm(path, { force: true });
    }
    if (!(await isThere(own))) await copyIfThere(written, own);
  }

  /** Whether a transition is that of the epoch's leaf, as far as it says so itself; true if there is none. */
  async #isOf(path: string, { epoch, leafText }: PublishedEpoch): Promise<boolean> {
    const { folder, sumdbKey } = this.#o;
    const { treeHead, sumdbSignature } = parseLeaf(leafText, sumdbKey);
    try {
      const bytes = await readRegularFile(path, TRANSITION_LIMITS.length);
      if (bytes === undefined) return true;
      const { oldSize, count, sumdbSignature: signed } = readTransitionWindow(bytes);
      const before = epoch === 1 ? 0 : await this.#sizeOf(join(folder, "log", String(epoch - 1)));
      if (before !== undefined && oldSize !== before) return false;
      return equalBytes(signed, sumdbSignature) && oldSize + count === treeHead.treeSize;
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      return false;
    }
  }

  /** Sumdb size of a published log file; undefined if it is not there, or is none. */
  async #sizeOf(path: string): Promise<number | undefined> {
    const { logKey, sumdbKey, sha256 } = this.#o;
    try {
      const bytes = await readRegularFile(path, MAX_LOG_FILE_LENGTH);
      if (bytes === undefined) return undefined;
      return parseLeaf(parseLogFile(bytes, logKey, sha256).leafText, sumdbKey).treeHead.treeSize;
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      return undefined;
    }
  }

  #writeLog(published: PublishedEpoch): Promise<void> {
    return writeWhole(join(this.#o.folder, "log", String(published.epoch)), this.#encode(published));
  }

  #encode({ epoch, leafText, log, logSignature, cosignatures }: PublishedEpoch): Uint8Array {
    const { logKey, cosigners, sha256 } = this.#o;
    const named = cosignatures.flatMap((cosignature): NamedCosignature[] => {
      const key = cosigners.find(({ keyId }) => keyId === cosignature.keyId);
      return key === undefined ? [] : [{ ...cosignature, keyName: key.keyName }];
    });
    const peaks = log.read(coverRange(0, epoch - 1));
    return encodeLogFile({ epoch, leafText, peaks, logSignature, cosignatures: named }, logKey, sha256);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** Puts a second name, or where there can be none a copy, in place; nothing if there is no such file. */
async function copyIfThere(from: string, to: string): Promise<void> {
  if (!(await isThere(from))) return;
  await mkdir(dirname(to), { recursive: true });
  try {
    await link(from, to);
  } catch {
    const file = await open(from, "r");
    try {
      await writeWhole(to, await file.readFile());
    } finally {
      await file.close();
    }
  }
}

/** Writes a file that others may read: a temporary one first, which then takes its place. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function listNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  });
  return names.filter((name) => /^[1-9][0-9]{0,15}$/.test(name)).map(Number);
}

/** Removes the files of epochs below `first`. */
async function removeBelow(folder: string, first: number): Promise<void> {
  for (const epoch of await listNumbers(folder))
    if (epoch < first) await rm(join(folder, String(epoch)), { force: true });
}
