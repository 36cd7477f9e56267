import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { EVIDENCE_TYPE } from "../../src/vindex/evidence.ts";
import { formatNote, formatVerifierKey, signNote } from "../../src/vindex/note.ts";
import { naiveConsistency, type Peak, pushPeak } from "../oracle/merkle.ts";
import { joinAnswer, joinHead, type NaiveAnswer, type NaiveHead, naiveAnswer, naiveHead } from "../oracle/payload.ts";
import { fakeEd25519 } from "../scheme.ts";
import {
  answerPayload,
  checkpointText,
  consistencyPayload,
  EPOCHS,
  headPayload,
  leafHashes,
  logKey,
  pagePayload,
  recordTexts,
  SIZES,
  subjects,
  work,
  ZONE,
} from "../world.ts";
import { bytes, numbered, type Seeds, u16 } from "./seed.ts";
import { some, vectorsOf } from "./vectors.ts";

/** Seeds of the targets that read proofs, and what they stand on. */

const unhex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

export function payloadSeeds(): Seeds {
  const vectors = vectorsOf<{ kind: string; payload: string }>("dns.json", "payload");
  const cases = ["head-plain", "head-since", "answer", "page", "log-proof"];
  const of = (kind: string): Uint8Array[] =>
    some(
      vectors.filter((vector) => vector.kind === kind && vector.payload.length <= 3000),
      8,
    ).map(({ payload }) => bytes(cases.indexOf(kind), unhex(payload)));
  return {
    ...Object.assign({}, ...cases.map((kind) => numbered(kind, of(kind)))),
    "built-head": bytes(5, 2, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 9, "abc", "def", 0, 0, 0, 0, 0, 1, 2),
    "built-answer": bytes(6, 3, 200, 100, 7, "aaabbbccc", 0, 0, 0, 0, 0, 0, 5, 4, "text", 3, "n 1", 0),
    "built-absent": bytes(6, 2, 9, 30, "aaabbb", 0, 0, 0, 0, 0, 1, 5, 0, "kkk", "value"),
    "built-page": bytes(7, 2, 0, 5, 6, "v1.0.0", "zzzmmm", 1, 0, 6, "v1.1.0", "zzzmmm"),
  };
}

interface HeadSeed {
  readonly asked?: number;
  readonly policy?: number;
  readonly remembered?: number;
  readonly isSince?: boolean;
  readonly repairs?: number;
  readonly proof?: number;
  readonly payload: Uint8Array;
}

/** An input of the target `head`, at the time of an epoch. */
function headSeed(epoch: number, seed: HeadSeed): Uint8Array {
  const { asked, policy = 0, remembered = 0, isSince = false, repairs = 0, proof = 0, payload } = seed;
  return bytes(
    0,
    asked === undefined ? 1 : 0,
    (asked ?? 1) - 1,
    u16(0x4000 + (epoch - 1) * 75 + 3),
    policy,
    remembered,
    ...(remembered > 0 ? [isSince ? 1 : 0] : []),
    repairs,
    proof,
    0,
    0,
    payload,
  );
}

/** Signs everything that the policy knows. */
const SIGN_ALL = 0x3f;

/** What an operator sends that keeps two logs: the other one has another first leaf. */
function forkSeeds(): Seeds {
  const other = [new Uint8Array(32).fill(1), ...leafHashes.slice(1)];
  const head = (epoch: number, changes: Partial<NaiveHead> = {}): Uint8Array => {
    const honest = naiveHead(headPayload(epoch), "plain");
    if (honest === undefined) throw new Error("an honest head does not decode");
    return joinHead({ ...honest, ...changes }, "plain");
  };
  const forged = (epoch: number): Uint8Array => {
    let peaks: Peak[] = [];
    for (const hash of other.slice(0, epoch - 1)) peaks = pushPeak(peaks, { size: 1, hash });
    return head(epoch, { hashes: peaks.map(({ hash }) => hash) });
  };
  // The leaf of the newest epoch stands in the head, and is honest: the other log ends with it, too.
  const proof = (from: number, to: number): Uint8Array => bytes(0x0c, ...naiveConsistency(from, other.slice(0, to)));
  const byProof = (remembered: number, epoch: number): Uint8Array => {
    const payload = proof(Math.min(remembered, epoch), Math.max(remembered, epoch));
    const seed = headSeed(epoch, {
      remembered,
      repairs: SIGN_ALL,
      proof: 3,
      payload: bytes(payload.length, payload, forged(epoch)),
    });
    return seed;
  };
  const root = new Uint8Array(32).fill(9);
  const signed = { repairs: SIGN_ALL, remembered: 7 };
  return {
    "fork-same-epoch": headSeed(7, { ...signed, payload: forged(7) }),
    "fork-newer": byProof(5, 11),
    "fork-from-power-of-two": byProof(4, 11),
    "fork-older": byProof(11, 6),
    "sumdb-fork": headSeed(9, {
      ...signed,
      proof: 1,
      payload: head(9, { sumdbSize: SIZES[6] as number, sumdbRoot: root }),
    }),
    "sumdb-rollback": headSeed(9, { ...signed, proof: 1, payload: head(9, { sumdbSize: 3 }) }),
    "other-leaf": headSeed(7, { ...signed, isSince: true, payload: since(7, 7, { mapRoot: root }) }),
    "since-of-older": headSeed(7, { ...signed, isSince: true, payload: since(7, 7, { epoch: 6 }) }),
    "since-with-hashes": headSeed(7, { ...signed, isSince: true, payload: since(7, 7, { hashes: [root] }) }),
    "age-unproven": bytes(1, u16(0x8000 + 600 * 5 + 20), 0, EPOCHS - 1, 0, 0, 0, 0, headPayload(6)),
    "age-young": bytes(1, u16(0x8000 + 600 * 3), 0, EPOCHS - 1, 0, 1, 0, 0, headPayload(6)),
  };
}

/** A head since an epoch, with changes. */
function since(epoch: number, from: number, changes: Partial<NaiveHead>): Uint8Array {
  const honest = naiveHead(headPayload(epoch, from), "since");
  if (honest === undefined) throw new Error("an honest head does not decode");
  return joinHead({ ...honest, ...changes }, "since");
}

export function headSeeds(): Seeds {
  const plain = [1, 2, 5, 8, 13].map((epoch) => headSeed(epoch, { payload: headPayload(epoch) }));
  const sinceEpochs = [
    [1, 2],
    [3, 8],
    [8, 13],
    [5, 5],
  ].map(([m = 0, e = 0]) => headSeed(e, { remembered: m, isSince: true, payload: headPayload(e, m) }));
  const remembered = [
    [4, 9],
    [9, 4],
    [7, 7],
  ].map(([m = 0, e = 0]) => headSeed(e, { remembered: m, proof: 1, payload: headPayload(e) }));
  const policies = [1, 2, 3].map((policy) => headSeed(6, { policy, payload: headPayload(6) }));
  const age = [6, 10].map((epoch) =>
    bytes(1, u16(0x8000 + (epoch - 1) * 600 + 20), 0, EPOCHS - 1, 0, 1, 0, 0, headPayload(epoch)),
  );
  const unproven = headSeed(9, { remembered: 4, payload: headPayload(9) });
  return {
    ...forkSeeds(),
    ...numbered("plain", plain),
    ...numbered("since", sinceEpochs),
    ...numbered("remembered", remembered),
    ...numbered("policy", policies),
    ...numbered("age", age),
    asked: headSeed(3, { asked: 3, payload: headPayload(3) }),
    "asked-other": headSeed(3, { asked: 4, payload: headPayload(3) }),
    signed: headSeed(3, { repairs: 0x3f, payload: headPayload(3) }),
    unproven,
    sumdb: bytes(2, 3, 9, 1, 0, 255, 0),
    "sumdb-same": bytes(2, 3, 3, 1, 0, 255, 0),
    "sumdb-raw": bytes(2, 2, 7, 1, 1, 0, 0, consistencyPayload(2, 5)),
    older: headSeed(13, { payload: headPayload(4) }),
  };
}

/** An input of the target `answer`. */
function answerSeed(subject: string, payload: Uint8Array, flags = 0, newest = 0, size = 39): Uint8Array {
  return bytes(0, subjects.indexOf(subject), flags, newest, u16(size), payload);
}

/** The honest answer about a subject, changed. */
function changed(subject: string, withVersions: boolean, change: (answer: NaiveAnswer) => NaiveAnswer): Uint8Array {
  const honest = naiveAnswer(answerPayload(EPOCHS, subject, withVersions));
  if (honest === undefined) throw new Error("an honest answer does not decode");
  return joinAnswer(change(honest));
}

export function answerSeeds(): Seeds {
  const honest = subjects.map((subject) => answerSeed(subject, answerPayload(EPOCHS, subject)));
  const modules = ["example.com/both", "example.com/often", "example.com/untagged"];
  const versions = modules.map((subject) => answerSeed(subject, answerPayload(EPOCHS, subject, true), 2));
  const operator = modules.map((subject) => answerSeed(subject, answerPayload(EPOCHS, subject, true), 0x0b, 0, 1000));
  return {
    ...numbered("honest", honest),
    ...numbered("versions", versions),
    ...numbered("operator", operator),
    "operator-empty": answerSeed("go4.org", bytes(7, 5), 1),
    "operator-other-value": answerSeed(
      "example.com/both",
      changed("example.com/both", true, (a) => ({ ...a, text: a.text.replace("i=26", "i=25") })),
      7,
      0,
      1000,
    ),
    "operator-bad-state": answerSeed(
      "example.com/both",
      changed("example.com/both", true, (a) => ({ ...a, state: "n 0\n" })),
      7,
      0,
      1000,
    ),
    "operator-few-records": answerSeed(
      "example.com/often",
      changed("example.com/often", true, (a) => ({ ...a, state: (a.state ?? "").replace("n 12", "n 48") })),
      11,
      0,
      40,
    ),
    "operator-bad-majors": answerSeed(
      "example.com/big/v*",
      changed("example.com/big/v*", false, (a) => ({ ...a, majors: "p=v2" })),
      5,
      0,
      1000,
    ),
    "operator-whole-majors": answerSeed(
      "gopkg.in/yaml.v*",
      changed("gopkg.in/yaml.v*", false, (a) => ({ ...a, majors: a.text.replace(/ s=\S{43}/, "") })),
      1,
      0,
      1000,
    ),
    "majors-of-module": answerSeed(
      "go4.org",
      changed("go4.org", false, (a) => ({ ...a, majors: "p=v2" })),
    ),
    "operator-tight": answerSeed("example.com/often", answerPayload(EPOCHS, "example.com/often", true), 0x0b, 0, 39),
    "operator-majors": answerSeed("example.com/big/v*", answerPayload(EPOCHS, "example.com/big/v*"), 9, 0, 1000),
    "operator-toolchain": answerSeed("toolchain", answerPayload(EPOCHS, "toolchain"), 1),
    first: answerSeed("example.com/absent", answerPayload(1, "example.com/absent")),
    older: answerSeed("go4.org", answerPayload(10, "go4.org"), 0, 11),
    lagging: answerSeed("example.com/big", answerPayload(4, "example.com/big"), 0, 13),
    other: bytes(7 + 8 * 4, 0, 0, 0, 0, 0, answerPayload(3, "example.com/big")),
  };
}

export function versionsSeeds(): Seeds {
  const modules = ["example.com/often", "example.com/both", "go4.org", "example.com/pre", "example.com/late"];
  const pages = modules.map((path, i) => bytes(0, i, 0, pagePayload(EPOCHS, work.sha256(encodeUtf8(path)), 0) ?? ""));
  const second = pagePayload(EPOCHS, work.sha256(encodeUtf8("go4.org")), 0) ?? new Uint8Array(0);
  return {
    ...numbered("page", pages),
    two: bytes(0, 2, 0xff, u16(second.length), second, second),
    none: bytes(0, 2, 0),
    record: bytes(1, 1, 0, 12, 1, 255, 0, 0),
    "record-changed": bytes(1, 1, 1, 12, 1, 40, 1, 0),
    "record-of-other-size": bytes(1, 2, 0, 9, 1, 255, 0, 0),
    "record-moved": bytes(1, 2, 0, 12, 4 * 7, 255, 0, 0),
  };
}

export function evidenceSeeds(): Seeds {
  const note = (epoch: number): string =>
    formatNote(checkpointText(epoch), [signNote(checkpointText(epoch), logKey, fakeEd25519)]);
  const other = checkpointText(7).replace(/\n7\n/, "\n6\n");
  const fork = {
    type: EVIDENCE_TYPE,
    kind: "fork",
    key: formatVerifierKey(logKey.verifierKey),
    notes: [note(6), formatNote(other, [signNote(other, logKey, fakeEd25519)])],
  };
  const honest = { ...fork, notes: [note(5), note(6)], oldRoot: "", consistency: [] };
  return {
    honest: bytes(0, 5, 9, 1, 1, 0, 1, 1, 0),
    "fork-same-size": bytes(0, 7, 7, 0x24, 9, 1, 0, 1, 1, 0),
    "fork-sizes": bytes(0, 5, 9, 0x24, 9, 1, 0, 1, 1, 0),
    "proof-changed": bytes(0, 6, 11, 1, 1, 0, 1, 1, 1, 0, 2, 3, 4),
    unsigned: bytes(0, 5, 9, 1, 1, 7, 1, 1, 0),
    json: bytes(1, JSON.stringify(fork)),
    "json-proof": bytes(1, JSON.stringify(honest)),
    "json-other": bytes(1, '{"type":"proofdns-evidence/1","kind":"fork"}'),
    "json-zone": bytes(1, JSON.stringify({ ...fork, key: ZONE })),
  };
}

export function tlogSeeds(): Seeds {
  return {
    small: bytes(0, 12, 5, 7),
    "small-power": bytes(0, 31, 30, 15),
    inclusion: bytes(1, 12, 5, 0, 1, 1, 1),
    "inclusion-changed": bytes(1, 12, 5, 2, 1, 2, 3, 0, 2, 0, 1, 1),
    consistency: bytes(2, 12, 6, 0, 1),
    "consistency-power": bytes(2, 12, 7, 1, 0, 1, 2, 1),
    large: bytes(3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 40, 0, 1, 2),
    frontier: bytes(4, 3, 5, 0, 9, 0, 2, 0),
  };
}

export function treeSeeds(): Seeds {
  const sibling = new Uint8Array(32).fill(7);
  return {
    one: bytes(0, 0, 1, 1, 0, 3, 9, 2, "ab"),
    three: bytes(0, 0, 3, 1, 0, 0, 0x80, 2, "ab", 1, 0, 0, 0x40, 2, "cd", 1, 0, 31, 1, 1, "e"),
    rounds: bytes(0, 2, 2, 1, 0, 0, 1, 1, "a", 1, 0, 0, 2, 1, "b", 1, 0, 0, 1, 1, 0, 0, 0, 0),
    path: bytes(1, 0, 1, 0xc0, sibling, sibling),
    "path-long": bytes(1, 1, 0, 32, new Uint8Array(31), 1, sibling),
    "path-empty": bytes(1, 0, 0),
  };
}

export function transitionSeeds(): Seeds {
  const vectors = vectorsOf<{ transition: string; epoch: number; expect: { leaf?: string } }>(
    "audit.json",
    "transition",
  );
  const small = vectors.filter(({ transition, expect }) => transition.length < 2900 && expect.leaf !== undefined);
  const tree = bytes(2, 0, 1, 0, 0, 0, 1, "v", 1, 0, 0, 0x80, 1, "w");
  return {
    ...numbered(
      "honest",
      Array.from({ length: EPOCHS }, (_, i) => bytes(0, i)),
    ),
    ...numbered(
      "wire",
      small.map(({ transition }) => bytes(1, unhex(transition).subarray("proofdns-transition/1\n".length))),
    ),
    dropped: bytes(0, 9, 1, 0, 0, 3),
    "another-record": bytes(0, 3, 1, 1, 2, 5),
    "later-record": bytes(0, 1, 2, 0, 1, 20, 0, 3, 4, 7),
    "state-of-another": bytes(0, 5, 0, 6, 1, 4, 0, 2, 1),
    "peaks-of-another": bytes(0, 5, 0, 6, 1, 1, 0, 2, 1, 1),
    tree: bytes(2, tree),
    "tree-stub": bytes(2, 0, 7),
    "tree-with-stubs": bytes(2, 2, 0, 2, 3, 1, 0, 0, 0, 1, "v", 0, 4, 0, 5),
  };
}

export function mapSeeds(): Seeds {
  return {
    one: bytes(0, 1, 1),
    family: bytes(1, 4, 1, 3, 8, 1, 0xf1, 9, 1, 2, 5, 3),
    toolchain: bytes(9, 0, 1, 9, 1, 2, 0xf9, 4, 3),
    pseudo: bytes(0, 1, 6, 0xf0, 1, 7),
    incompatible: bytes(...Array.from({ length: 17 }, (_, i) => [10, i, 0xa2]).flat()),
  };
}

export function lookupSeeds(): Seeds {
  return {
    honest: bytes(13, 8, 9, 13, 0, 0, 0, 0),
    "no-known": bytes(24, 12, 13, 24, 0, 0, 0, 0),
    older: bytes(3, 2, 12, 3, 0, 0, 0, 0),
    "about-another": bytes(13, 8, 9, 13, 1, 0, 0, 0, u16(40), 1, "x", 1),
    "tile-changed": bytes(13, 8, 9, 13, 0, 2, 5, 1),
    fork: bytes(13, 8, 0xe9, 13, 0, 0, 0, 0),
    "fork-older": bytes(13, 8, 0xe3, 13, 0, 0, 0, 0),
    "fork-newer": bytes(13, 8, 0xea, 13, 0, 0, 0, 0),
    "tile-cut": bytes(13, 8, 9, 13, 0xe1, 0, 31, 0),
    "tile-missing": bytes(13, 8, 9, 13, 0xf1, 0, 0, 0),
    raw: bytes(13, 8, 9, 13, 2, 0, 0, 0, `13\n${recordTexts[13]}\n`),
  };
}
