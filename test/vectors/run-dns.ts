import type { Implementation } from "./implementation.ts";
import { hex, type Operation, unhex } from "./run-core.ts";
import type { Vector } from "./vectors.ts";

type PayloadKind = "head-plain" | "head-since" | "answer" | "page" | "log-proof";
type Asked = import("../../src/dns/question.ts").Asked;

/** What an implementation makes of the vectors of dns.json. */
export function dnsOperations(i: Implementation): { [operation: string]: Operation } {
  const zone = i.zone.makeZone({
    apex: "l.example.org",
    nameServers: [{ name: "ns.example.net" }],
    hostmaster: "hostmaster@example.org",
  });
  const log = i.name.parseName("p1.l.example.org");

  return {
    "encode-path"(vector) {
      const { path } = vector as Vector & { path: string };
      const labels = i.moduleName.encodePathName(path);
      if (labels === undefined || i.name.joinName(labels, log) === undefined) return null;
      if (i.moduleName.decodePathName(labels) !== path) return "the name is decoded as another path";
      return labels.join(".");
    },
    name(vector) {
      const { labels } = vector as Vector & { labels: string[] };
      const wire = [...labels, "p1"].map((label) => Buffer.from(label, "utf8").toString("latin1"));
      const folded = wire.map((label) => label.replace(/[A-Z]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 32)));
      return question(i.question.parseMeaning(folded.reverse(), zone));
    },
    payload(vector) {
      const { kind, payload } = vector as Vector & { kind: PayloadKind; payload: string };
      const bytes = unhex(payload);
      const again = (encoded: Uint8Array, decoded: unknown) =>
        hex(encoded) === payload ? decoded : "it is encoded in another way";
      if (kind === "page") {
        const entries = i.payload.decodePage(bytes);
        return again(
          i.payload.encodePage(entries),
          entries.map(({ logIndex, version, zipHash, goModHash }) => ({
            index: logIndex,
            version,
            zipHash: hex(zipHash),
            goModHash: hex(goModHash),
          })),
        );
      }
      if (kind === "log-proof") {
        const hashes = i.payload.decodeLogProof(bytes);
        return again(i.payload.encodeLogProof(hashes), hashes.map(hex));
      }
      if (kind === "answer") {
        const { text, epoch, proof, stateText = null, majorItems = null } = i.payload.decodeAnswer(bytes);
        const encoded = i.payload.encodeAnswer(i.payload.decodeAnswer(bytes));
        return again(encoded, { text, epoch, proof: decodedProof(proof), stateText, majorItems });
      }
      const head = i.payload.decodeHead(bytes, kind === "head-plain" ? "plain" : "since");
      return again(i.payload.encodeHead(head), {
        epoch: head.epoch,
        logSignature: hex(head.logSignature),
        mapRoot: hex(head.mapRoot),
        sumdbSize: head.treeHead.treeSize,
        sumdbRoot: hex(head.treeHead.rootHash),
        sumdbSignature: hex(head.sumdbSignature),
        cosignatures: head.cosignatures.map(({ keyId, time, signature }) => ({
          keyId: i.note.formatKeyId(keyId),
          time,
          signature: hex(signature),
        })),
        hashes: head.hashes.map(hex),
      });
    },
    txt(vector) {
      const { payload, kind } = vector as Vector & { kind: PayloadKind; payload: string };
      const bytes = unhex(payload);
      const rdata = kind === "answer" ? i.rdata.encodeModuleTxt(bytes) : i.rdata.encodeTxt(bytes);
      const decoded = i.rdata.decodeTxt(rdata);
      if (decoded === undefined || hex(decoded) !== payload) return "the strings give another payload";
      const strings: string[] = [];
      for (let at = 0; at < rdata.length; at += 1 + (rdata[at] as number))
        strings.push(hex(rdata.subarray(at + 1, at + 1 + (rdata[at] as number))));
      return { strings };
    },
  };
}

function decodedProof(proof: import("../../src/vindex/payload.ts").AnswerProof) {
  if (proof.kind === "emptyMap") return { kind: proof.kind };
  const { bits, siblings } = proof.path;
  const common = { kind: proof.kind, bits, siblings: siblings.map(hex) };
  if (proof.kind === "inclusion") return common;
  return { ...common, otherKey: hex(proof.other.indexKey), otherValue: hex(proof.other.value) };
}

/** The meaning of a name as a vector says it. */
function question(meaning: import("../../src/dns/question.ts").Meaning): unknown {
  const about = (asked: Asked) => ("subject" in asked ? { path: asked.subject } : { key: hex(asked.indexKey) });
  switch (meaning.kind) {
    case "nonexistent":
      return "NXDOMAIN";
    case "log-root":
    case "empty-non-terminal":
      return "NODATA";
    case "module":
      return "subject" in meaning.asked
        ? { service: "module", path: meaning.asked.subject }
        : { service: "key", key: hex(meaning.asked.indexKey) };
    case "toolchain":
      return { service: "toolchain" };
    case "majors":
      return "subject" in meaning.asked ? { service: "majors", basePath: meaning.asked.subject.slice(0, -3) } : meaning;
    case "versions":
      return { service: "versions", ...about(meaning.asked) };
    case "page":
      return { service: "page", ...about(meaning.asked), page: meaning.page };
    case "head": {
      const { since, epoch } = meaning;
      return { service: "head", ...(since === undefined ? {} : { since }), ...(epoch === undefined ? {} : { epoch }) };
    }
    case "head-at":
      return { service: "head", time: meaning.time };
    case "consistency":
      return { service: "consistency", oldSize: meaning.oldSize, newSize: meaning.newSize };
    case "sumdb-consistency":
      return { service: "sumdb", oldSize: meaning.oldSize, newSize: meaning.newSize };
    case "record":
      return { service: "record", index: meaning.logIndex, treeSize: meaning.treeSize };
    default:
      return meaning;
  }
}
