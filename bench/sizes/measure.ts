import { Questions } from "../../src/client/questions.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { parseModuleState } from "../../src/vindex/module-state.ts";
import type { PathProof } from "../../src/vindex/path-proof.ts";
import {
  type AnswerPayload,
  encodeAnswer,
  encodeHead,
  encodeLogProof,
  encodePage,
  PAGE_LENGTH,
} from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { computeConsistencyProof, computeLogInclusionProof, coverRange, type Subtree } from "../../src/vindex/tlog.ts";
import { makeRandom } from "../dns/names.ts";
import { type Corpus, type CorpusModule, SUMDB_SIZE } from "./corpus.ts";
import { Distribution } from "./distribution.ts";
import type { PathShapes } from "./key-paths.ts";
import { type ReplySizer, type Variant, ZONE } from "./reply-sizer.ts";

/** An epoch each ten minutes. */
export const EPOCHS_A_YEAR = 52_560;

/** A distribution for each of the variants, in the order of `VARIANTS`. */
export type ByVariant = readonly Distribution[];

/** What replies are measured with and without; the second is what the goal is about. */
export const VARIANTS: readonly Variant[] = [
  { rrsig: false, cookie: false },
  { rrsig: true, cookie: false },
  { rrsig: false, cookie: true },
  { rrsig: true, cookie: true },
];

const questions = new Questions(ZONE, nodeSha256);
/** Epoch that answers name: after a year its number takes three bytes, as for the next 39. */
const EPOCH = EPOCHS_A_YEAR;
const HASH = new Uint8Array(32).fill(0xa5);
const SIGNATURE = new Uint8Array(64).fill(0x5a);

/**
 * Measures replies of one name and several payloads. The signature of a reply and its cookie take the same bytes whatever
 * it says: each size is that of a real reply for the plain and the signed variant, the others are checked on the first
 * reply of each name.
 */
class NameSizer {
  readonly #sizer: ReplySizer;
  readonly #name: Uint8Array;
  #cookieBytes: readonly number[] | undefined;

  constructor(sizer: ReplySizer, name: Uint8Array) {
    this.#sizer = sizer;
    this.#name = name;
  }

  sizes(payload: Uint8Array): number[] {
    const size = (variant: Variant): number => this.#sizer.size(this.#name, payload, variant);
    const [plain, signed] = VARIANTS.slice(0, 2).map(size) as [number, number];
    this.#cookieBytes ??= VARIANTS.slice(2).map((variant, i) => size(variant) - (i === 0 ? plain : signed));
    const [cookie, both] = this.#cookieBytes as [number, number];
    return [plain, signed, plain + cookie, signed + both];
  }
}

function emptyDistributions(): Distribution[] {
  return VARIANTS.map(() => new Distribution());
}

function addAll(to: readonly Distribution[], sizes: readonly number[], weight: number): void {
  for (const [i, size] of sizes.entries()) to[i]?.add(size, weight);
}

/** A path of so many siblings and so many bytes of bitmap, with other bits than a real one: its length is the same. */
export function pathOf(depth: number, bitmapBytes: number): PathProof {
  const last = 8 * bitmapBytes - 1;
  return {
    bits: Array.from({ length: depth }, (_, i) => last - i),
    siblings: Array.from({ length: depth }, () => HASH),
  };
}

/** Sizes of replies to one question by path shape, so that trees of several sizes share the work. */
class ByShape {
  readonly #known = new Map<number, readonly number[]>();

  get(depth: number, bitmapBytes: number, make: () => readonly number[]): readonly number[] {
    const key = depth * 64 + bitmapBytes;
    let sizes = this.#known.get(key);
    if (sizes === undefined) {
      sizes = make();
      this.#known.set(key, sizes);
    }
    return sizes;
  }
}

/** Measures module answers: every module of the corpus with every shape of path, weighted by how many keys have it. */
export class AnswerSizes {
  readonly #corpus: Corpus;
  readonly #subjects: { name: NameSizer; answer: (path: PathProof) => AnswerPayload; known: ByShape }[];
  readonly #absent: { name: NameSizer; answer: (path: PathProof) => AnswerPayload; known: ByShape }[];
  readonly #families: { name: NameSizer; answer: (path: PathProof) => AnswerPayload; known: ByShape }[];
  readonly #versions: { name: NameSizer; answer: (path: PathProof) => AnswerPayload; known: ByShape }[];

  constructor(sizer: ReplySizer, corpus: Corpus) {
    this.#corpus = corpus;
    const inclusion = (text: string, more: Partial<AnswerPayload> = {}) => {
      return (path: PathProof): AnswerPayload => ({ text, epoch: EPOCH, proof: { kind: "inclusion", path }, ...more });
    };
    const { modules, families } = corpus;
    const nameOf = (path: string): NameSizer => new NameSizer(sizer, questions.subject({ kind: "module", path }));
    this.#subjects = modules.map(({ path, value }) => ({
      name: nameOf(path),
      answer: inclusion(value),
      known: new ByShape(),
    }));
    // What stands where an absent name would is any leaf of the tree: here that of a module elsewhere in the list.
    this.#absent = modules.map(({ path }, i) => {
      const { value } = modules[(i * 997 + 13) % modules.length] as CorpusModule;
      const other = { indexKey: HASH, value: encodeUtf8(value) };
      return {
        name: nameOf(path),
        answer: (proof) => ({ text: "", epoch: EPOCH, proof: { kind: "nonInclusion", path: proof, other } }),
        known: new ByShape(),
      };
    });
    this.#families = families.map(({ basePath, value, uncutItems }) => ({
      name: new NameSizer(sizer, questions.subject({ kind: "majors", basePath })),
      answer: inclusion(value, uncutItems === undefined ? {} : { majorItems: uncutItems }),
      known: new ByShape(),
    }));
    this.#versions = modules.map(({ path, value, stateText }) => ({
      name: new NameSizer(sizer, questions.subject({ kind: "module", path, withVersions: true })),
      answer: inclusion(value, { stateText }),
      known: new ByShape(),
    }));
  }

  get corpus(): Corpus {
    return this.#corpus;
  }

  present(shapes: PathShapes): ByVariant {
    return this.#measure(this.#subjects, shapes);
  }

  absent(shapes: PathShapes): ByVariant {
    return this.#measure(this.#absent, shapes);
  }

  families(shapes: PathShapes): ByVariant {
    return this.#measure(this.#families, shapes);
  }

  /** `_versions`: with the state text. */
  versions(shapes: PathShapes): ByVariant {
    return this.#measure(this.#versions, shapes);
  }

  #measure(
    subjects: readonly { name: NameSizer; answer: (path: PathProof) => AnswerPayload; known: ByShape }[],
    shapes: PathShapes,
  ): ByVariant {
    const out = emptyDistributions();
    for (const { depth, bitmapBytes, count } of shapes.entries()) {
      const path = pathOf(depth, bitmapBytes);
      for (const { name, answer, known } of subjects) {
        const sizes = known.get(depth, bitmapBytes, () => name.sizes(encodeAnswer(answer(path))));
        addAll(out, sizes, count);
      }
    }
    return out;
  }
}

/** Cosignatures of a head: how many, and how long each is. */
export interface CosignerKind {
  readonly count: number;
  /** 64 for Ed25519; 2,420 for ML-DSA-44 (FIPS 204), which no format here has yet: by its size. */
  readonly signatureLength: number;
}

/** Bytes of an ML-DSA-44 signature: 3,244 base64 characters with key id and time, as notes hold it. */
export const ML_DSA_44_LENGTH = 2420;

/** Sizes of heads: plain, or `behind` epochs since the client's, as of `count` epochs chosen evenly from `from` to `to`. */
export function headSizes(
  sizer: ReplySizer,
  cosigners: CosignerKind,
  behind: number | undefined,
  from: number,
  to: number,
  count: number,
): ByVariant {
  const out = emptyDistributions();
  const cosignatures = Array.from({ length: cosigners.count }, (_, i) => ({
    keyId: i + 1,
    // Cosigners answer within seconds of one another.
    time: 1_790_000_000 + 3 * i,
    signature: new Uint8Array(cosigners.signatureLength).fill(0x5a),
  }));
  const random = makeRandom(7);
  for (let i = 0; i < count; i++) {
    const epoch = Math.floor(from + random() * (to - from + 1));
    const since = behind === undefined ? undefined : epoch - behind;
    if (since !== undefined && since < 0) continue;
    const cover = since === undefined ? coverRange(0, epoch - 1) : since < epoch ? coverRange(since, epoch - 1) : [];
    const payload = encodeHead({
      epoch,
      logSignature: SIGNATURE,
      mapRoot: HASH,
      treeHead: { treeSize: SUMDB_SIZE, rootHash: HASH },
      sumdbSignature: SIGNATURE,
      cosignatures,
      form: since === undefined ? "plain" : "since",
      hashes: cover.map(() => HASH),
    });
    const name = questions.head(since === undefined ? {} : { since });
    addAll(out, new NameSizer(sizer, name).sizes(payload), 1);
  }
  return out;
}

const dummyHashes = (subtrees: readonly Subtree[]): Uint8Array[] => subtrees.map(() => HASH);

/** Inclusion proofs of sumdb records, chosen at random, in the whole log. */
export function recordProofSizes(sizer: ReplySizer, count: number): ByVariant {
  const out = emptyDistributions();
  const random = makeRandom(11);
  for (let i = 0; i < count; i++) {
    const logIndex = Math.floor(random() * SUMDB_SIZE);
    const proof = computeLogInclusionProof(logIndex, SUMDB_SIZE, dummyHashes, nodeSha256);
    addAll(out, new NameSizer(sizer, questions.record(logIndex, SUMDB_SIZE)).sizes(encodeLogProof(proof)), 1);
  }
  return out;
}

/** Consistency proofs of the output log in its second year, or of the checksum database, between random sizes. */
export function consistencySizes(sizer: ReplySizer, which: "output" | "sumdb", count: number): ByVariant {
  const out = emptyDistributions();
  const random = makeRandom(13);
  const largest = which === "output" ? 2 * EPOCHS_A_YEAR : SUMDB_SIZE;
  for (let i = 0; i < count; i++) {
    const newSize = Math.floor(largest / 2 + random() * (largest / 2)) + 1;
    const oldSize = Math.floor(random() * newSize) + 1;
    const proof = computeConsistencyProof(oldSize, newSize, dummyHashes, nodeSha256);
    const name = which === "output" ? questions.consistency(oldSize, newSize) : questions.sumdb(oldSize, newSize);
    addAll(out, new NameSizer(sizer, name).sizes(encodeLogProof(proof)), 1);
  }
  return out;
}

/** Pages of versions: every page of every module of the corpus. */
export function pageSizes(sizer: ReplySizer, { modules }: Corpus): ByVariant {
  const out = emptyDistributions();
  for (const module of modules) {
    for (let page = 0; page * PAGE_LENGTH < module.records.length; page++) {
      addAll(out, new NameSizer(sizer, questions.page(module.path, page)).sizes(pagePayload(module, page)), 1);
    }
  }
  return out;
}

function pagePayload({ path, stateText, records }: CorpusModule, page: number): Uint8Array {
  const count = parseModuleState(stateText, path, nodeSha256).subLog.treeSize;
  const own = records.slice(page * PAGE_LENGTH, Math.min(count, (page + 1) * PAGE_LENGTH));
  return encodePage(
    own.map(({ record, logIndex }) => ({
      logIndex,
      version: record.version.text,
      zipHash: record.zipHash,
      goModHash: record.goModHash,
    })),
  );
}
