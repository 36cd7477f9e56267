import { Questions } from "../../src/client/questions.ts";
import { formatName, parseName } from "../../src/dns/name.ts";
import { encodeModuleTxt } from "../../src/dns/rdata.ts";
import { concatBytes, encodeUtf8 } from "../../src/vindex/bytes.ts";
import { encodeAnswer } from "../../src/vindex/payload.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";
import { countBits } from "../../src/vindex/tlog.ts";
import { encodeVarint } from "../../src/vindex/varint.ts";
import type { Corpus, CorpusModule } from "./corpus.ts";
import { Distribution } from "./distribution.ts";
import type { PathShapes } from "./key-paths.ts";
import { EPOCHS_A_YEAR, pathOf } from "./measure.ts";
import { type ReplySizer, ZONE } from "./reply-sizer.ts";

/** The same answer, told in another way. */
export interface OtherForm {
  readonly form: string;
  readonly sizes: Distribution;
  /** Datagrams that the proof takes; 0 for what is no DNS. */
  readonly replies: Distribution;
}

const questions = new Questions(ZONE, nodeSha256);
/** CT over DNS: hashes of a reply, of one character-string. */
const CT_HASHES = 7;
const SIGNED = { rrsig: true, cookie: false };
const OPT_LENGTH = 11;
const HEADER_LENGTH = 12;

/** Measures module answers with RRSIG beside what the same proofs take in other forms; every `step`th module. */
export function compareForms(sizer: ReplySizer, corpus: Corpus, shapes: PathShapes, step: number): OtherForm[] {
  const make = (form: string): OtherForm => ({ form, sizes: new Distribution(), replies: new Distribution() });
  const raw = make("binary (as served)");
  const base64 = make("sections in base64url");
  const base32 = make("sections in base32");
  const ct = make("as CT over DNS: 7 hashes a reply, sum of the replies, without value and RRSIG");
  const vindex = make("vindex JSON (body, without HTTP)");
  const chosen = corpus.modules.filter((_, i) => i % step === 0);
  for (const module of chosen) {
    const name = questions.subject({ kind: "module", path: module.path });
    for (const { depth, bitmapBytes, count } of shapes.entries()) {
      const answer = { text: module.value, epoch: EPOCHS_A_YEAR, proof: inclusion(depth, bitmapBytes) } as const;
      const payload = encodeAnswer(answer);
      const size = sizer.size(name, payload, SIGNED);
      raw.sizes.add(size, count);
      raw.replies.add(1, count);
      const textLength = module.value.length;
      const binary = payload.length - textLength;
      // What is text would stand as it is, behind a separator.
      const asText = (length: number): number =>
        size + txtLength(textLength, 1 + length) - encodeModuleTxt(payload).length;
      base64.sizes.add(asText(Math.ceil((binary * 4) / 3)), count);
      base64.replies.add(1, count);
      base32.sizes.add(asText(Math.ceil((binary * 8) / 5)), count);
      base32.replies.add(1, count);
      const pages = ctPages(depth);
      ct.sizes.add(
        pages.reduce((sum, bytes) => sum + bytes, 0),
        count,
      );
      ct.replies.add(pages.length, count);
      vindex.sizes.add(vindexJson(module, depth).length, count);
      vindex.replies.add(0, count);
    }
  }
  return [raw, base64, base32, ct, vindex];
}

function inclusion(depth: number, bitmapBytes: number): { kind: "inclusion"; path: ReturnType<typeof pathOf> } {
  return { kind: "inclusion", path: pathOf(depth, bitmapBytes) };
}

/** Bytes of TXT RDATA: the value in a string of its own, the rest in strings of up to 255. */
function txtLength(text: number, rest: number): number {
  return 1 + text + rest + Math.ceil(rest / 255);
}

/** Replies of `<start>.<index>.<size>.tree.<zone>`, unsigned, for a path of `depth` hashes. */
function ctPages(depth: number): number[] {
  const pages: number[] = [];
  for (let start = 0; start < depth || pages.length === 0; start += CT_HASHES) {
    const name = parseName(`${start}.1234567.2500000.tree.${formatName(parseName(ZONE))}`);
    const hashes = Math.min(CT_HASHES, depth - start);
    pages.push(HEADER_LENGTH + name.length + 4 + 12 + 1 + 32 * hashes + OPT_LENGTH);
  }
  return pages;
}

/**
 * The body of vindex's lookup as Go prints it: byte slices in base64, arrays of 32 bytes as numbers, `index_proof` in
 * torchwood's form (uvarint(bit) ‖ sibling)*. Index values leave out pseudo-versions. One epoch in a year's log.
 */
function vindexJson({ path, records }: CorpusModule, depth: number): string {
  const epoch = EPOCHS_A_YEAR - 1;
  const bytes = (seed: string, length: number): Uint8Array => {
    const parts: Uint8Array[] = [];
    for (let i = 0; i * 32 < length; i++) parts.push(nodeSha256(encodeUtf8(`${seed} ${i} ${path}`)));
    return concatBytes(...parts).slice(0, length);
  };
  const base64 = (data: Uint8Array): string => Buffer.from(data).toString("base64");
  const signature = `— ${ZONE}/p1 ${base64(bytes("signature", 68))}\n`;
  const checkpoint = `${ZONE}/p1\n${epoch}\n${base64(bytes("root", 32))}\n\n${signature}`;
  const treeHead = `go.sum database tree\n67000000\n${base64(bytes("sumdb", 32))}\n\n`;
  const leaf = `${"0".repeat(64)}\n${treeHead}— sum.golang.org ${base64(bytes("sumdb signature", 68))}\n`;
  const steps = Array.from({ length: depth }, (_, i) => concatBytes(encodeVarint(depth - i), bytes(`step ${i}`, 32)));
  return JSON.stringify({
    output_log_cp: base64(encodeUtf8(checkpoint)),
    output_log_leaf: base64(encodeUtf8(leaf)),
    output_log_proof: Array.from({ length: countBits(epoch - 1) }, (_, i) => [...bytes(`log ${i}`, 32)]),
    index_value: records.filter(({ record }) => record.version.kind !== "pseudo").map(({ logIndex }) => logIndex),
    index_proof: base64(concatBytes(...steps)),
  });
}
