import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** The modules of an implementation that the vectors are run against: those of `src`, or of a changed copy of it. */
export interface Implementation {
  readonly auditEvidence: typeof import("../../src/audit/evidence.ts");
  readonly transition: typeof import("../../src/audit/transition.ts");
  readonly transitionFormat: typeof import("../../src/audit/transition-format.ts");
  readonly base64: typeof import("../../src/vindex/base64.ts");
  readonly bytes: typeof import("../../src/vindex/bytes.ts");
  readonly checkpoint: typeof import("../../src/vindex/checkpoint.ts");
  readonly cosignature: typeof import("../../src/vindex/cosignature.ts");
  readonly error: typeof import("../../src/vindex/error.ts");
  readonly evidence: typeof import("../../src/vindex/evidence.ts");
  readonly frontier: typeof import("../../src/vindex/frontier.ts");
  readonly leaf: typeof import("../../src/vindex/leaf.ts");
  readonly mapFunction: typeof import("../../src/vindex/map-function.ts");
  readonly modulePath: typeof import("../../src/vindex/module-path.ts");
  readonly moduleState: typeof import("../../src/vindex/module-state.ts");
  readonly moduleValue: typeof import("../../src/vindex/module-value.ts");
  readonly note: typeof import("../../src/vindex/note.ts");
  readonly pathProof: typeof import("../../src/vindex/path-proof.ts");
  readonly payload: typeof import("../../src/vindex/payload.ts");
  readonly platform: typeof import("../../src/vindex/platform.ts");
  readonly prefixTree: typeof import("../../src/vindex/prefix-tree.ts");
  readonly record: typeof import("../../src/vindex/record.ts");
  readonly tlog: typeof import("../../src/vindex/tlog.ts");
  readonly toolchainValue: typeof import("../../src/vindex/toolchain-value.ts");
  readonly version: typeof import("../../src/vindex/version.ts");
  readonly verify: typeof import("../../src/client/verify/index.ts");
  readonly verifyFiles: typeof import("../../src/client/verify/files.ts");
  readonly moduleName: typeof import("../../src/dns/module-name.ts");
  readonly name: typeof import("../../src/dns/name.ts");
  readonly question: typeof import("../../src/dns/question.ts");
  readonly rdata: typeof import("../../src/dns/rdata.ts");
  readonly zone: typeof import("../../src/dns/zone.ts");
}

const FILES: { readonly [K in keyof Implementation]: string } = {
  auditEvidence: "audit/evidence.ts",
  transition: "audit/transition.ts",
  transitionFormat: "audit/transition-format.ts",
  base64: "vindex/base64.ts",
  bytes: "vindex/bytes.ts",
  checkpoint: "vindex/checkpoint.ts",
  cosignature: "vindex/cosignature.ts",
  error: "vindex/error.ts",
  evidence: "vindex/evidence.ts",
  frontier: "vindex/frontier.ts",
  leaf: "vindex/leaf.ts",
  mapFunction: "vindex/map-function.ts",
  modulePath: "vindex/module-path.ts",
  moduleState: "vindex/module-state.ts",
  moduleValue: "vindex/module-value.ts",
  note: "vindex/note.ts",
  pathProof: "vindex/path-proof.ts",
  payload: "vindex/payload.ts",
  platform: "vindex/platform.ts",
  prefixTree: "vindex/prefix-tree.ts",
  record: "vindex/record.ts",
  tlog: "vindex/tlog.ts",
  toolchainValue: "vindex/toolchain-value.ts",
  version: "vindex/version.ts",
  verify: "client/verify/index.ts",
  verifyFiles: "client/verify/files.ts",
  moduleName: "dns/module-name.ts",
  name: "dns/name.ts",
  question: "dns/question.ts",
  rdata: "dns/rdata.ts",
  zone: "dns/zone.ts",
};

/** Imports the implementation under `root`, a folder like `src`. */
export async function loadImplementation(root: string): Promise<Implementation> {
  const loaded = await Promise.all(
    Object.entries(FILES).map(
      async ([name, file]) => [name, await import(pathToFileURL(join(root, file)).href)] as const,
    ),
  );
  return Object.fromEntries(loaded) as unknown as Implementation;
}
