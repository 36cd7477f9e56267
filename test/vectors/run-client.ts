import type { Implementation } from "./implementation.ts";
import { hex, type Operation, unhex } from "./run-core.ts";
import type { Vector } from "./vectors.ts";

type Verify = typeof import("../../src/client/verify/index.ts");
type Trust = import("../../src/client/verify/index.ts").Trust;
type Memory = import("../../src/client/verify/index.ts").Memory;
type VerifiedHead = import("../../src/client/verify/index.ts").VerifiedHead;
type Subject = import("../../src/client/verify/index.ts").Subject;

interface MemoryFields {
  readonly epoch: number;
  readonly peaks: readonly string[];
  readonly logSignature: string;
  readonly leaf: string;
  readonly ageTime: number;
}

interface HeadFields {
  readonly form: "plain" | "since";
  readonly epoch: number | null;
  readonly payload: string;
  readonly consistency: string | null;
}

interface Common extends Vector {
  readonly zone: string;
  readonly policy: string;
  readonly sumdbKey: string;
  readonly maxAge: number;
  readonly maxLag: number;
  readonly isFreshnessRequired?: boolean;
  readonly now: number;
  readonly memory: MemoryFields | null;
}

/** What an implementation makes of the vectors of client.json. `isFast`: with the platform's cryptography instead of the default. */
export function clientOperations(i: Implementation, isFast: boolean): { [operation: string]: Operation } {
  const verify: Verify = i.verify;

  const trustOf = (vector: Common): Trust => {
    const { zone, policy, sumdbKey, maxAge, maxLag, isFreshnessRequired = true } = vector;
    const platform = isFast ? { sha256: i.platform.nodeSha256, ed25519: i.platform.nodeEd25519() } : {};
    return verify.makeTrust({ zone, policy, sumdbKey, maxAge, maxLag, isFreshnessRequired, ...platform });
  };
  const memoryOf = (trust: Trust, fields: MemoryFields | null): Memory | undefined => {
    if (fields === null) return undefined;
    const { epoch, leaf, ageTime } = fields;
    const frontier = i.frontier.Frontier.of(epoch, fields.peaks.map(unhex), trust.sha256);
    return {
      epoch,
      rootHash: frontier.root(),
      logSignature: unhex(fields.logSignature),
      frontier,
      leaf: i.leaf.parseLeaf(leaf, trust.sumdbKey),
      ageTime,
    };
  };
  const headOf = (trust: Trust, memory: Memory | undefined, now: number, head: HeadFields): VerifiedHead => {
    return verify.verifyHead({
      trust,
      memory,
      now,
      question: { epoch: head.epoch ?? undefined, since: head.form === "since" ? memory?.epoch : undefined },
      untrustedHead: unhex(head.payload),
      untrustedConsistency: head.consistency === null ? undefined : unhex(head.consistency),
    });
  };

  return {
    head(vector) {
      const v = vector as Common & { head: HeadFields };
      const trust = trustOf(v);
      const head = headOf(trust, memoryOf(trust, v.memory), v.now, v.head);
      return {
        epoch: head.epoch,
        root: hex(head.rootHash),
        mapRoot: hex(head.leaf.mapRoot),
        sumdbSize: head.leaf.treeHead.treeSize,
        sumdbRoot: hex(head.leaf.treeHead.rootHash),
        ageTime: head.ageTime,
        peaks: head.frontier.peaks.map(hex),
        leaf: i.leaf.formatLeaf(head.leaf, trust.sumdbKey),
      };
    },
    answer(vector) {
      const v = vector as Common & {
        heads: HeadFields[];
        subject: Subject;
        answer: string;
        pages: string[] | null;
        record: string | null;
      };
      const trust = trustOf(v);
      const memory = memoryOf(trust, v.memory);
      const heads = v.heads.map((head) => headOf(trust, memory, v.now, head));
      const head = heads.at(-1) as VerifiedHead;
      const others: Memory[] = [...heads.slice(0, -1), ...(memory === undefined ? [] : [memory])];
      const newest = others.sort((a, b) => b.epoch - a.epoch)[0];
      const result = verify.verifyAnswer({ trust, subject: v.subject, untrustedAnswer: unhex(v.answer), head, newest });
      if (result.kind === "absent") return { kind: "absent" };
      if (result.kind === "majors") {
        const items = result.items.map(({ major, path, version, logIndex }) => [
          major === undefined ? "-" : `v${major}`,
          path,
          version.text,
          logIndex,
        ]);
        return { kind: "majors", items, complete: result.isComplete };
      }
      if (result.kind === "toolchain") {
        return {
          kind: "toolchain",
          items: result.items.map(({ version, kind, logIndex }) => [version.text, kind, logIndex]),
        };
      }
      const versions = v.pages === null ? null : verify.verifyVersions(trust, result, v.pages.map(unhex)).length;
      const { latest, kind, zipHash, goModHash, others: rest } = result.value;
      const { version, logIndex } = latest;
      if (v.record !== null) {
        verify.verifyRecord(
          trust,
          head,
          { path: result.path, version: version.text, zipHash, goModHash, logIndex },
          unhex(v.record),
        );
      }
      return {
        kind: "module",
        version: version.text,
        versionKind: kind,
        index: logIndex,
        zipHash: hex(zipHash),
        goModHash: hex(goModHash),
        others: rest.map((other) => [other.version.text, other.logIndex]),
        versions,
      };
    },
    sumdb(vector) {
      const v = vector as Common & { head: HeadFields; proof: string | null };
      const trust = trustOf(v);
      const memory = memoryOf(trust, v.memory);
      const head = headOf(trust, memory, v.now, v.head);
      if (memory === undefined) throw new Error("a vector without a memory");
      const [older, newer] =
        memory.leaf.treeHead.treeSize <= head.leaf.treeHead.treeSize ? [memory, head] : [head, memory];
      verify.verifySumdbExtension(trust, older, newer, v.proof === null ? undefined : unhex(v.proof));
      return "ok";
    },
    age(vector) {
      const v = vector as Common & { head: HeadFields; time: number; ageHead: string; ageConsistency: string | null };
      const trust = trustOf(v);
      const newest = headOf(trust, memoryOf(trust, v.memory), v.now, v.head);
      const untrustedConsistency = v.ageConsistency === null ? undefined : unhex(v.ageConsistency);
      const age = verify.verifyAge({
        trust,
        newest,
        time: v.time,
        untrustedHead: unhex(v.ageHead),
        untrustedConsistency,
      });
      return { epoch: age.epoch, sumdbSize: age.leaf.treeHead.treeSize, publicSince: age.publicSince };
    },
    evidence(vector) {
      const { evidence, key } = vector as Vector & { evidence: unknown; key: string };
      i.verifyFiles.verifyForkEvidence(evidence, key);
      return "ok";
    },
  };
}
