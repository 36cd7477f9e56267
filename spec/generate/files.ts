import { auditVectors } from "./audit.ts";
import { answerVectors } from "./client-answer.ts";
import { headVectors } from "./client-head.ts";
import { otherVectors } from "./client-other.ts";
import { dnsNameVectors } from "./dns-name.ts";
import { dnsPayloadVectors } from "./dns-payload.ts";
import { logVectors } from "./log.ts";
import { mapFoldVectors } from "./map-fold.ts";
import { mapTextVectors } from "./map-text.ts";
import { proofFileVectors } from "./proof-file.ts";
import { treeVectors } from "./tree.ts";
import { formatVectors } from "./vector.ts";

/** All files of spec/vectors: name to text. The same on every run. */
export function makeVectorFiles(): Map<string, string> {
  const heads = headVectors();
  return new Map([
    ["map.json", formatVectors([...mapTextVectors(), ...mapFoldVectors()])],
    ["tree.json", formatVectors(treeVectors())],
    ["log.json", formatVectors(logVectors())],
    ["dns.json", formatVectors([...dnsNameVectors(), ...dnsPayloadVectors()])],
    ["client.json", formatVectors([...heads, ...answerVectors(heads), ...otherVectors(heads)])],
    ["audit.json", formatVectors(auditVectors())],
    ["proof-file.json", formatVectors(proofFileVectors())],
  ]);
}
