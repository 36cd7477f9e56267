import {
  type Bytes,
  bytes,
  concat,
  fill,
  flip,
  hashOf,
  hex,
  keyId,
  makeKey,
  malleate,
  sign,
  signWeak,
  twist,
  uv,
  vkey,
  WEAK_POINTS,
  weakKey,
} from "./bytes.ts";
import { checkpointText, cosignatureText, leafText, treeHeadText } from "./log.ts";
import { coverHashes, leafHash, peaks, rootOfPeaks } from "./merkle.ts";
import { cosign, cosignatureSection, hashSection, headSection, sorted, TAG } from "./payload.ts";
import type { Vector } from "./vector.ts";
import {
  forkedAt,
  type HeadFields,
  keys,
  type Log,
  MAX_AGE,
  MAX_LAG,
  type MemoryFields,
  makeEpoch,
  NOW,
  ORIGIN,
  policies,
  world,
  ZONE,
} from "./world.ts";

/** Vectors of client.md §1 to §3: trust and heads. */

export interface Common {
  readonly zone: string;
  readonly policy: string;
  readonly sumdbKey: string;
  readonly maxAge: number;
  readonly maxLag: number;
  readonly now: number;
  /** True if it is left out. */
  readonly isFreshnessRequired?: boolean;
}

export const COMMON: Common = {
  zone: ZONE,
  policy: policies.clock,
  sumdbKey: keys.sumdb.vkey,
  maxAge: MAX_AGE,
  maxLag: MAX_LAG,
  now: NOW,
};

export interface HeadVector extends Vector, Common {
  readonly memory: MemoryFields | null;
  readonly head: HeadFields;
}

export const refused = (code: string) => ({ refused: code });

const { log } = world;
const NEWEST = 21;
const text = (policy: string, ...lines: string[]) => `${policy}${lines.map((line) => `${line}\n`).join("")}`;
const LOG_LINE = `log ${keys.log.vkey}\n`;
const CLOCK_LINE = `witness clock ${keys.clock.vkey}\n`;

/** Policies and keys that are refused before anything is looked at. */
export const BAD_TRUST: readonly (readonly [name: string, change: Partial<Common>, code: string])[] = [
  ["a policy without a quorum", { policy: `${LOG_LINE}${CLOCK_LINE}` }, "MALFORMED_POLICY"],
  ["an empty policy", { policy: "" }, "MALFORMED_POLICY"],
  ["a policy with two quorums", { policy: text(policies.clock, "quorum clock") }, "MALFORMED_POLICY"],
  ["a policy whose quorum is not defined", { policy: `${LOG_LINE}${CLOCK_LINE}quorum w1\n` }, "MALFORMED_POLICY"],
  ["a policy whose quorum is defined below", { policy: `${LOG_LINE}quorum clock\n${CLOCK_LINE}` }, "MALFORMED_POLICY"],
  [
    "a policy with a name twice",
    { policy: `${LOG_LINE}${CLOCK_LINE}witness clock ${keys.w1.vkey}\nquorum clock\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a key twice",
    { policy: `${LOG_LINE}${CLOCK_LINE}witness w1 ${keys.clock.vkey}\nquorum clock\n` },
    "MALFORMED_POLICY",
  ],
  ["a policy with a log key twice", { policy: `${LOG_LINE}${policies.clock}` }, "MALFORMED_POLICY"],
  [
    "a policy with a witness called none",
    { policy: `${LOG_LINE}witness none ${keys.clock.vkey}\nquorum none\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with none as a member",
    { policy: `${LOG_LINE}${CLOCK_LINE}group g any none\nquorum clock\n` },
    "MALFORMED_POLICY",
  ],
  ["a policy with an unknown keyword", { policy: text(policies.clock, "wittness w1") }, "MALFORMED_POLICY"],
  [
    "a policy with a group of threshold 0",
    { policy: `${LOG_LINE}${CLOCK_LINE}group g 0 clock\nquorum g\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a threshold above its members",
    { policy: `${LOG_LINE}${CLOCK_LINE}group g 2 clock\nquorum g\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a threshold with a leading zero",
    { policy: `${LOG_LINE}${CLOCK_LINE}group g 01 clock\nquorum g\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a group without members",
    { policy: `${LOG_LINE}${CLOCK_LINE}group g any\nquorum clock\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a member twice",
    { policy: `${LOG_LINE}${CLOCK_LINE}group g 1 clock clock\nquorum g\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a member of two groups",
    { policy: `${LOG_LINE}${CLOCK_LINE}group g 1 clock\ngroup f 1 clock\nquorum g\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a member that is not defined",
    { policy: `${LOG_LINE}${CLOCK_LINE}group g 1 clock w1\nquorum g\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a witness key of type 0x01",
    { policy: `${LOG_LINE}witness clock ${makeKey("c", 1, 2).vkey}\nquorum clock\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a log key of type 0x04",
    { policy: `log ${makeKey(ORIGIN, 4, 1).vkey}\n${CLOCK_LINE}quorum clock\n` },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a key id that does not fit",
    { policy: policies.clock.replace(hex(keys.clock.id), "00000000") },
    "MALFORMED_POLICY",
  ],
  ["a policy with a control character", { policy: text(policies.clock, "# \u0001") }, "MALFORMED_POLICY"],
  ["a policy with the byte 0x7F", { policy: text(policies.clock, "# \u007f") }, "MALFORMED_POLICY"],
  ["a policy with lines that end in CR LF", { policy: policies.clock.replaceAll("\n", "\r\n") }, "MALFORMED_POLICY"],
  [
    "a policy with two logs of one name",
    { policy: text(policies.clock, `log ${keys.otherLog.vkey}`) },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with the public key of its log under another name",
    { policy: text(policies.clock, `log ${makeKey("other.example.org/p1", 1, 1).vkey}`) },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with the public key of a witness under another name",
    { policy: text(policies.clock, `witness c ${makeKey("c.example.org", 4, 2).vkey}`) },
    "MALFORMED_POLICY",
  ],
  [
    "a policy with a log line of three items",
    { policy: `${LOG_LINE.trim()} https://l.example.org/ more\n${CLOCK_LINE}quorum clock\n` },
    "MALFORMED_POLICY",
  ],
  ["a policy with a log line of no item", { policy: text(policies.clock, "log") }, "MALFORMED_POLICY"],
  [
    "a policy with a witness line of four items",
    { policy: `${LOG_LINE}${CLOCK_LINE.trim()} https://l.example.org/ more\nquorum clock\n` },
    "MALFORMED_POLICY",
  ],
  ["a policy with a witness line of one item", { policy: text(policies.clock, "witness w1") }, "MALFORMED_POLICY"],
  [
    "a policy with a quorum line of two items",
    { policy: `${LOG_LINE}${CLOCK_LINE}quorum clock clock\n` },
    "MALFORMED_POLICY",
  ],
  ["a policy with a quorum line of no item", { policy: `${LOG_LINE}${CLOCK_LINE}quorum\n` }, "MALFORMED_POLICY"],
  ["a policy with a group called none", { policy: text(policies.clock, "group none any clock") }, "MALFORMED_POLICY"],
  [
    "a policy with a group called as its witness",
    { policy: text(policies.clock, "group clock any clock") },
    "MALFORMED_POLICY",
  ],
  ["a policy with 10,000 line feeds", { policy: lines(10_000) }, "MALFORMED_POLICY"],
  ["a policy with 1,001 groups", { policy: groups(1_001) }, "MALFORMED_POLICY"],
  [
    "a policy with the log of another zone",
    { policy: `log ${makeKey("m.example.org/p1", 1, 1).vkey}\n${CLOCK_LINE}quorum clock\n` },
    "NO_LOG_KEY",
  ],
  ["a policy without a log", { policy: `${CLOCK_LINE}quorum clock\n` }, "NO_LOG_KEY"],
  ["another zone than the policy's", { zone: "m.example.org" }, "NO_LOG_KEY"],
  ["a sumdb key that is no vkey", { sumdbKey: "sum.example.org" }, "MALFORMED_VERIFIER_KEY"],
  ["an empty sumdb key", { sumdbKey: "" }, "MALFORMED_VERIFIER_KEY"],
  ["a sumdb key of type 0x04", { sumdbKey: makeKey("sum.example.org", 4, 6).vkey }, "MALFORMED_VERIFIER_KEY"],
  [
    "a sumdb key whose id does not fit",
    { sumdbKey: keys.sumdb.vkey.replace("sum.", "sun.") },
    "MALFORMED_VERIFIER_KEY",
  ],
  ["a sumdb key of 31 bytes", { sumdbKey: shortKey(31) }, "MALFORMED_VERIFIER_KEY"],
  ["a sumdb key of 33 bytes", { sumdbKey: shortKey(33) }, "MALFORMED_VERIFIER_KEY"],
  ["a sumdb key with padding that it does not need", { sumdbKey: `${keys.sumdb.vkey}=` }, "MALFORMED_VERIFIER_KEY"],
  [
    "a sumdb key with a space in its name",
    { sumdbKey: vkey("a b", keyId("a b", 1, keys.sumdb.publicKey), concat(bytes(1), keys.sumdb.publicKey)) },
    "MALFORMED_VERIFIER_KEY",
  ],
  ["a sumdb key with an upper-case key id", { sumdbKey: upperId() }, "MALFORMED_VERIFIER_KEY"],
];

/** A policy with so many line feeds. */
function lines(count: number): string {
  return `${policies.clock}${"\n".repeat(count - policies.clock.split("\n").length + 1)}`;
}

/** A policy with so many groups, each a member of the next. */
function groups(count: number): string {
  return text(
    policies.clock,
    ...Array.from({ length: count }, (_, i) => `group g${i} any ${i === 0 ? "clock" : `g${i - 1}`}`),
  );
}

function shortKey(length: number): string {
  const key = fill(7, length);
  return vkey("s", keyId("s", 1, key), concat(bytes(1), key));
}

/** A true vkey but for the case of its key id, which has a letter. */
function upperId(): string {
  for (let seed = 1; ; seed++) {
    const key = makeKey("s", 1, seed);
    if (/[a-f]/.test(hex(key.id))) return key.vkey.replace(hex(key.id), hex(key.id).toUpperCase());
  }
}

export function headVectors(): HeadVector[] {
  const out: HeadVector[] = [];
  const add = (
    name: string,
    head: HeadFields,
    expect: unknown,
    change: Partial<Common> & { memory?: MemoryFields } = {},
  ) => {
    const { memory = null, ...common } = change;
    out.push({ name, operation: "head", ...COMMON, ...common, memory, head, expect });
  };
  const ok = (
    name: string,
    h: HeadFields,
    epoch: number,
    change: Parameters<typeof add>[3] = {},
    ageTime = NOW - 60,
    from = log,
  ) => add(name, h, from.verified(epoch, ageTime), change);
  const raw = (payload: Bytes, more: Partial<HeadFields> = {}): HeadFields => ({
    form: "plain",
    epoch: null,
    payload: hex(payload),
    consistency: null,
    ...more,
  });

  // What is accepted.
  for (const e of [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, NEWEST]) ok(`first contact, epoch ${e}`, log.ask(e), e);
  ok("an epoch that is asked", log.ask(9, { asked: 9 }), 9);
  for (const [m, e] of [
    [1, 2],
    [1, NEWEST],
    [3, 4],
    [4, 5],
    [5, 9],
    [7, 8],
    [8, 9],
    [12, 17],
    [16, 17],
    [20, NEWEST],
  ] as const) {
    ok(`since ${m}, epoch ${e}`, log.ask(e, { since: m }), e, { memory: log.memory(m) });
    ok(`plain with the memory of ${m}, epoch ${e}`, log.ask(e, { beside: m }), e, { memory: log.memory(m) });
  }
  for (const e of [1, 9, 16]) {
    ok(`since ${e}, and still ${e}`, log.ask(e, { since: e }), e, { memory: log.memory(e) });
    ok(`plain ${e} with the memory of ${e}`, log.ask(e), e, { memory: log.memory(e) });
  }
  ok("the memory's epoch with a consistency payload that says nothing", { ...log.ask(9), consistency: "00" }, 9, {
    memory: log.memory(9),
  });
  for (const [m, e] of [
    [9, 8],
    [NEWEST, 5],
    [8, 7],
    [2, 1],
    [NEWEST, 16],
    [13, 12],
  ] as const) {
    ok(`a smaller head, ${e} with the memory of ${m}`, log.ask(e, { asked: e, beside: m }), e, {
      memory: log.memory(m),
    });
  }
  ok("an epoch asked since", log.ask(12, { asked: 12, since: 9 }), 12, { memory: log.memory(9) });
  ok(
    "two signatures and both needed: the older one is the age",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW - 10],
        ["w1", NOW - 500],
      ],
    }),
    9,
    { policy: policies.both },
    NOW - 500,
  );
  ok(
    "two signatures at one time",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW - 10],
        ["w1", NOW - 10],
      ],
    }),
    9,
    { policy: policies.both },
    NOW - 10,
  );
  ok(
    "any of two: the fresher one is the age",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW - 10],
        ["w1", NOW - 500],
      ],
    }),
    9,
    { policy: policies.any },
    NOW - 10,
  );
  ok(
    "any of two: a stale one is ignored",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW - MAX_AGE - 1],
        ["w1", NOW - 500],
      ],
    }),
    9,
    { policy: policies.any },
    NOW - 500,
  );
  ok(
    "any of two: one from the future is ignored",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW + 301],
        ["w1", NOW - 500],
      ],
    }),
    9,
    { policy: policies.any },
    NOW - 500,
  );
  const nested = { policy: policies.nested };
  ok(
    "clock and 2 of 3",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW - 5],
        ["w1", NOW - 50],
        ["w3", NOW - 500],
      ],
    }),
    9,
    nested,
    NOW - 500,
  );
  ok(
    "clock and 3 of 3: the age is of the freshest quorum",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW - 5],
        ["w1", NOW - 50],
        ["w2", NOW - 100],
        ["w3", NOW - 500],
      ],
    }),
    9,
    nested,
    NOW - 100,
  );
  ok(
    "clock and 3 of 3, of which the clock is the oldest",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW - 900],
        ["w1", NOW - 50],
        ["w2", NOW - 100],
        ["w3", NOW - 500],
      ],
    }),
    9,
    nested,
    NOW - 900,
  );
  ok(
    "clock and 3 of 3, of which a stale one is ignored",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW - 5],
        ["w1", NOW - 50],
        ["w2", NOW - 2 * MAX_AGE],
        ["w3", NOW - 500],
      ],
    }),
    9,
    nested,
    NOW - 500,
  );
  ok(
    "unknown cosigners are ignored",
    log.ask(9, {
      cosignatures: [
        ["stranger", NOW - 5],
        ["clock", NOW - 60],
        ["w1", NOW],
      ],
    }),
    9,
  );
  const wrong = { keyId: keys.stranger.id, time: NOW - 1, signature: fill(1, 64) };
  ok(
    "wrong signatures of unknown cosigners are ignored",
    log.ask(9, { made: sorted([wrong, ...log.cosign(9, [["clock", NOW - 60]])]) }),
    9,
  );
  ok(
    "cosignatures of witnesses that the quorum does not name are verified, and do not count",
    log.ask(9, {
      cosignatures: [
        ["clock", NOW - 60],
        ["w1", NOW - 5],
      ],
    }),
    9,
    { policy: `${LOG_LINE}${CLOCK_LINE}witness w1 ${keys.w1.vkey}\nquorum clock\n` },
  );
  ok(
    "a cosignature at the end of maxAge",
    log.ask(9, { cosignatures: [["clock", NOW - MAX_AGE]] }),
    9,
    {},
    NOW - MAX_AGE,
  );
  ok("a cosignature 300 s ahead", log.ask(9, { cosignatures: [["clock", NOW + 300]] }), 9, {}, NOW + 300);
  ok("a smaller maxAge", log.ask(9, { cosignatures: [["clock", NOW - 100]] }), 9, { maxAge: 100 }, NOW - 100);
  ok("a policy with comments, blank lines, tabs and other logs", log.ask(9), 9, {
    policy: `# a policy\n\nlog ${makeKey("other.example.org/p1", 1, 8).vkey} https://other.example.org/\n\t${LOG_LINE}${CLOCK_LINE.replaceAll(" ", "\t ")}group g any clock\n quorum g \n`,
  });

  ok("a policy whose last line has no line feed", log.ask(9), 9, { policy: policies.clock.trimEnd() });
  ok("a policy with 9,999 line feeds", log.ask(9), 9, { policy: lines(9_999) });
  ok("a policy with 1,000 groups", log.ask(9), 9, { policy: groups(1_000) });
  const [, neutral] = WEAK_POINTS[0] as (typeof WEAK_POINTS)[number];
  ok("a policy with keys that no signature fits, which nobody needs", log.ask(9), 9, {
    policy: `log ${weakKey("other.example.org/p1", 1, neutral).vkey}\n${LOG_LINE}${CLOCK_LINE}witness w1 ${weakKey("w1.example.org", 4, fill(0xff)).vkey}\ngroup g any clock w1\nquorum g\n`,
  });

  // A tree as large as numbers go: nothing is known of it but its peaks.
  const hugePeaks = Array.from({ length: 52 }, (_, i) => hashOf(`peak ${i}`));
  const huge = (epoch: number, before: readonly Bytes[]) => {
    const { mapRoot, sumdbSize, sumdbRoot, sumdbSignature, leaf } = log.epoch(9);
    const after = [...before, leafHash(Buffer.from(leaf))];
    const checkpoint = checkpointText(ORIGIN, epoch, rootOfPeaks(after));
    const payload = concat(
      headSection({ epoch, logSignature: sign(keys.log, checkpoint), mapRoot, sumdbSize, sumdbRoot, sumdbSignature }),
      cosignatureSection([cosign(keys.clock, checkpoint, NOW - 60)]),
      hashSection(TAG.frontier, before),
    );
    return { payload, expect: { ...log.verified(9), epoch, root: hex(rootOfPeaks(after)), peaks: after.map(hex) } };
  };
  const largest = huge(Number.MAX_SAFE_INTEGER, hugePeaks);
  add("an epoch of 2^53 - 1", raw(largest.payload), largest.expect);
  const power = huge(2 ** 52 + 1, [hashOf("all")]);
  add("an epoch of 2^52 + 1", raw(power.payload), power.expect);

  // Trust (§1).
  for (const [name, change, code] of BAD_TRUST) add(name, log.ask(9), refused(code), change);

  // §3.1
  const good = log.head(9);
  const malformed = (name: string, h: HeadFields, change: Parameters<typeof add>[3] = {}) =>
    add(name, h, refused("MALFORMED_ANSWER"), change);
  malformed("no payload", raw(new Uint8Array(0)));
  malformed("a byte more", raw(concat(good, bytes(0))));
  malformed("a byte less", raw(good.slice(0, -1)));
  malformed("text before the head", raw(concat(bytes(0x20), good)));
  malformed("a head since where a plain one was asked", raw(log.head(9, { since: 5 })));
  malformed("a plain head where one since was asked", raw(good, { form: "since" }), { memory: log.memory(5) });
  malformed("epoch 0", raw(log.head(9, { parts: { epoch: 0 } })));
  malformed("an answer where a head was asked", raw(log.answer(9, "example.com/mod")));
  const reordered = log
    .cosign(9, [
      ["clock", NOW - 60],
      ["w1", NOW - 5],
    ])
    .toReversed();
  malformed(
    "cosignatures exchanged, their differences as they were",
    raw(
      concat(
        headSection(log.parts(9)),
        concat(
          bytes(TAG.cosignatures),
          uv(2),
          ...log
            .cosign(9, [
              ["clock", NOW - 60],
              ["w1", NOW - 60],
            ])
            .toReversed()
            .map(({ keyId: id, signature }, i) => concat(id, uv(i === 0 ? NOW - 60 : 0), signature)),
        ),
        hashSection(TAG.frontier, peaks(log.leaves.slice(0, 8))),
      ),
    ),
    { policy: policies.both },
  );
  add(
    "cosignatures exchanged, their times re-used for each other",
    raw(log.head(9, { made: reordered.map((c, i) => ({ ...c, time: NOW - 60 + i * 55 })) })),
    refused("BAD_COSIGNATURE"),
    { policy: policies.both },
  );
  malformed(
    "a cosigner twice",
    raw(
      log.head(9, {
        made: log.cosign(9, [
          ["clock", NOW - 60],
          ["clock", NOW - 30],
        ]),
      }),
    ),
  );

  // §3.2
  const wrongEpoch = (name: string, h: HeadFields, change: Parameters<typeof add>[3] = {}) =>
    add(name, h, refused("WRONG_EPOCH"), change);
  wrongEpoch("an older epoch than the one asked", log.ask(8, { asked: 9 }));
  wrongEpoch("a newer epoch than the one asked", log.ask(10, { asked: 9 }));
  wrongEpoch("another epoch than the one asked, since", log.ask(10, { asked: 9, since: 5 }), { memory: log.memory(5) });
  wrongEpoch(
    "an epoch before the one that it is since",
    raw(log.head(4, { since: 4, hashes: [] }), { form: "since" }),
    { memory: log.memory(5) },
  );
  wrongEpoch(
    "the same with another number of hashes",
    raw(log.head(4, { since: 4, hashes: [fill(1)] }), { form: "since" }),
    { memory: log.memory(5) },
  );

  // §3.3
  for (const [e, count] of [
    [9, 0],
    [9, 2],
    [8, 2],
    [8, 4],
    [1, 1],
    [2, 0],
  ] as const) {
    malformed(
      `${count} peaks before epoch ${e}`,
      raw(log.head(e, { hashes: Array.from({ length: count }, () => fill(3)) })),
    );
  }
  const since = (m: number, e: number, hashes: readonly Bytes[]) =>
    raw(log.head(e, { since: m, hashes }), { form: "since" });
  const way = coverHashes(5, 13, log.leaves);
  malformed("a hash missing in the extension", since(5, 14, way.slice(1)), { memory: log.memory(5) });
  malformed("a hash more in the extension", since(5, 14, [...way, fill(1)]), { memory: log.memory(5) });
  malformed("a hash in the extension to the next epoch", since(5, 6, [fill(1)]), { memory: log.memory(5) });
  malformed("a hash in the extension to the same epoch", since(5, 5, [fill(1)]), { memory: log.memory(5) });
  malformed(
    "the number of hashes is judged before the leaf",
    raw(log.head(5, { since: 5, hashes: [fill(1)], parts: { mapRoot: fill(1) } }), { form: "since" }),
    { memory: log.memory(5) },
  );
  malformed("a huge epoch with few peaks", raw(log.head(9, { parts: { epoch: Number.MAX_SAFE_INTEGER } })));
  malformed(
    "a huge epoch with few hashes, since",
    raw(log.head(9, { since: 5, parts: { epoch: Number.MAX_SAFE_INTEGER } }), { form: "since" }),
    { memory: log.memory(5) },
  );

  // §3.4
  const badLeaf = (name: string, parts: Parameters<Log["head"]>[1]) =>
    add(name, raw(log.head(5, { since: 5, hashes: [], ...parts }), { form: "since" }), refused("BAD_LEAF"), {
      memory: log.memory(5),
    });
  badLeaf("since the same epoch with another map root", { parts: { mapRoot: flip(log.epoch(5).mapRoot, 0) } });
  badLeaf("since the same epoch with another sumdb size", { parts: { sumdbSize: 11 } });
  badLeaf("since the same epoch with another sumdb root", { parts: { sumdbRoot: fill(9) } });
  badLeaf("since the same epoch with another sumdb signature", { parts: { sumdbSignature: fill(9, 64) } });
  badLeaf("since the same epoch with another leaf and a wrong log signature", {
    parts: { mapRoot: fill(1), logSignature: fill(9, 64) },
  });

  // §3.5
  const badLog = (name: string, h: HeadFields, change: Parameters<typeof add>[3] = {}) =>
    add(name, h, refused("BAD_LOG_SIGNATURE"), change);
  const turned = (parts: Parameters<Log["head"]>[1]) => raw(log.head(9, parts));
  const p9 = log.parts(9);
  for (const at of [0, 31, 32, 63])
    badLog(
      `a bit of the log signature turned at ${at}`,
      turned({ parts: { logSignature: flip(p9.logSignature, at) } }),
    );
  badLog("a malleated log signature", turned({ parts: { logSignature: malleate(p9.logSignature) } }));
  badLog(
    "a log signature whose R has a part of small order",
    turned({ parts: { logSignature: twist(keys.log, log.checkpoint(9)) } }),
  );
  badLog("a log signature of zeros", turned({ parts: { logSignature: fill(0, 64) } }));
  badLog("another log key of the same name", turned({ logKey: keys.otherLog }));
  badLog(
    "a log key of another name",
    turned({ parts: { logSignature: sign(makeKey("x", 1, 1), checkpointText("m.example.org/p1", 9, log.root(9))) } }),
  );
  badLog("the log signature of another epoch", turned({ parts: { logSignature: log.parts(8).logSignature } }));
  badLog(
    "the log signature over a note with an extension line",
    turned({ parts: { logSignature: sign(keys.log, `${log.checkpoint(9)}extension\n`) } }),
  );
  for (const at of [0, 31])
    badLog(`a bit of the map root turned at ${at}`, turned({ parts: { mapRoot: flip(p9.mapRoot, at) } }));
  badLog("another sumdb size", turned({ parts: { sumdbSize: 817 } }));
  badLog("a bit of the sumdb root turned", turned({ parts: { sumdbRoot: flip(p9.sumdbRoot, 5) } }));
  badLog(
    "a bit of the sumdb signature turned: the leaf is another one",
    turned({ parts: { sumdbSignature: flip(p9.sumdbSignature, 5) } }),
  );
  badLog("another epoch with as many peaks", turned({ parts: { epoch: 5 } }));
  for (const at of [0, 31])
    badLog(
      `a bit of a peak turned at ${at}`,
      turned({ hashes: peaks(log.leaves.slice(0, 8)).map((h) => flip(h, at)) }),
    );
  badLog("peaks exchanged", raw(log.head(8, { hashes: peaks(log.leaves.slice(0, 7)).toReversed() })));
  badLog(
    "a bit of an extension turned",
    raw(log.head(14, { since: 5, hashes: way.map((h) => flip(h, 3)) }), { form: "since" }),
    { memory: log.memory(5) },
  );
  badLog(
    "hashes of an extension exchanged",
    raw(log.head(14, { since: 5, hashes: way.toReversed() }), { form: "since" }),
    { memory: log.memory(5) },
  );
  badLog("an extension of another log than the memory's", forkedAt(7).ask(14, { since: 9 }), { memory: log.memory(9) });
  badLog("an extension of the other log where the memory's is the fork", log.ask(14, { since: 9 }), {
    memory: forkedAt(7).memory(9),
  });
  badLog("the policy's log key is another one", log.ask(9), {
    policy: policies.clock.replace(keys.log.vkey, keys.otherLog.vkey),
  });
  badLog("another sumdb key name: the leaf is another one", log.ask(9), {
    sumdbKey: makeKey("sum2.example.org", 1, 6).vkey,
  });

  // §3.6: the log signs whatever it likes; the sumdb must have signed it, too.
  const badSumdb = (name: string, change: (signature: Bytes) => Bytes) => {
    const forged = log.fork(9, (old) => {
      const sumdbSignature = change(old.sumdbSignature);
      return {
        ...old,
        sumdbSignature,
        leaf: leafText(old.mapRoot, old.sumdbSize, old.sumdbRoot, sumdbSignature, keys.sumdb),
      };
    });
    add(name, forged.ask(9), refused("BAD_SUMDB_SIGNATURE"));
  };
  for (const at of [0, 31, 32, 63])
    badSumdb(`a bit of the sumdb signature turned at ${at}, under a true log signature`, (s) => flip(s, at));
  badSumdb("a malleated sumdb signature", malleate);
  badSumdb("a sumdb signature of zeros", () => fill(0, 64));
  badSumdb("a tree head of another size, signed", () => log.epoch(8).sumdbSignature);
  badSumdb("a tree head signed by another sumdb key", () =>
    sign(keys.otherSumdb, treeHeadText(log.epoch(9).sumdbSize, log.epoch(9).sumdbRoot)),
  );
  badSumdb("a tree head without its last line feed, signed", () =>
    sign(keys.sumdb, treeHeadText(log.epoch(9).sumdbSize, log.epoch(9).sumdbRoot).slice(0, -1)),
  );
  badSumdb("a tree head with another first line, signed", () =>
    sign(keys.sumdb, treeHeadText(log.epoch(9).sumdbSize, log.epoch(9).sumdbRoot).replace("go.sum", "go.mod")),
  );
  const sameName = log.fork(9, (old) => {
    const sumdbSignature = sign(keys.otherSumdb, treeHeadText(old.sumdbSize, old.sumdbRoot));
    return {
      ...old,
      sumdbSignature,
      leaf: leafText(old.mapRoot, old.sumdbSize, old.sumdbRoot, sumdbSignature, keys.otherSumdb),
    };
  });
  add("a leaf of another sumdb key of the same name", sameName.ask(9), refused("BAD_LOG_SIGNATURE"));
  add(
    "another sumdb key than the client's",
    log
      .fork(9, (old) => {
        return {
          ...old,
          leaf: leafText(old.mapRoot, old.sumdbSize, old.sumdbRoot, old.sumdbSignature, keys.otherSumdb),
        };
      })
      .ask(9),
    refused("BAD_SUMDB_SIGNATURE"),
    { sumdbKey: keys.otherSumdb.vkey },
  );
  add(
    "the signature of the log is judged before that of the sumdb",
    raw(log.head(9, { parts: { sumdbSignature: fill(1, 64), logSignature: fill(1, 64) } })),
    refused("BAD_LOG_SIGNATURE"),
  );

  // §3.7
  const badCosignature = (name: string, made: Parameters<typeof log.head>[1], change: Parameters<typeof add>[3] = {}) =>
    add(name, raw(log.head(9, made)), refused("BAD_COSIGNATURE"), change);
  const [c] = log.cosign(9, [["clock", NOW - 60]]) as [ReturnType<typeof cosign>];
  for (const at of [0, 31, 32, 63])
    badCosignature(`a bit of a cosignature turned at ${at}`, { made: [{ ...c, signature: flip(c.signature, at) }] });
  badCosignature("a malleated cosignature", { made: [{ ...c, signature: malleate(c.signature) }] });
  badCosignature("an old cosignature with a new time", {
    made: [{ ...(log.cosign(9, [["clock", NOW - 3 * MAX_AGE]])[0] as typeof c), time: NOW - 60 }],
  });
  badCosignature("a cosignature one second later", { made: [{ ...c, time: c.time + 1 }] });
  badCosignature("a cosignature of another epoch", { made: log.cosign(8, [["clock", NOW - 60]]) });
  badCosignature("a cosignature of another log's tree of this size", {
    made: forkedAt(7).cosign(9, [["clock", NOW - 60]]),
  });
  badCosignature(
    "a cosignature under the key id of another witness",
    { made: [{ ...c, keyId: keys.w1.id }] },
    { policy: policies.both },
  );
  badCosignature("a signature over the checkpoint itself", {
    made: [{ ...c, signature: sign(keys.clock, log.checkpoint(9)) }],
  });
  badCosignature("a signature over the message without its last line feed", {
    made: [
      { ...c, signature: sign(keys.clock, `cosignature/v1\ntime ${NOW - 60}\n${log.checkpoint(9)}`.slice(0, -1)) },
    ],
  });
  badCosignature("a signature over a message of another version", {
    made: [{ ...c, signature: sign(keys.clock, `cosignature/v2\ntime ${NOW - 60}\n${log.checkpoint(9)}`) }],
  });
  badCosignature(
    "a wrong cosignature by a witness that the quorum does not name",
    { made: sorted([c, { keyId: keys.w1.id, time: NOW - 5, signature: fill(1, 64) }]) },
    { policy: `${LOG_LINE}${CLOCK_LINE}witness w1 ${keys.w1.vkey}\nquorum clock\n` },
  );
  badCosignature(
    "a wrong cosignature beside a quorum",
    { made: sorted([c, { keyId: keys.w1.id, time: NOW - 5, signature: fill(1, 64) }]) },
    { policy: policies.any },
  );
  badCosignature(
    "a stale and wrong cosignature beside a quorum",
    { made: sorted([c, { keyId: keys.w1.id, time: 1, signature: fill(1, 64) }]) },
    { policy: policies.any },
  );
  badCosignature(
    "a wrong cosignature with the quorum none",
    { made: [{ ...c, signature: fill(1, 64) }] },
    { policy: policies.none },
  );
  badCosignature(
    "a wrong cosignature with the quorum none, where freshness is not required",
    { made: [{ ...c, signature: fill(1, 64) }] },
    { policy: policies.none, isFreshnessRequired: false },
  );

  // §3.8
  const sized = forkedAt(7);
  add("a fork of the same size, plain", sized.ask(9), refused("FORK"), { memory: log.memory(9) });
  add("a fork of the same size by an earlier epoch, plain", forkedAt(1).ask(9), refused("FORK"), {
    memory: log.memory(9),
  });
  add("a fork of the same size with a consistency payload", { ...sized.ask(9), consistency: "0c" }, refused("FORK"), {
    memory: log.memory(9),
  });
  add("a fork of size 1", forkedAt(1).ask(1), refused("FORK"), { memory: log.memory(1) });
  add("a stale fork is a fork", sized.ask(9, { cosignatures: [["clock", 1]] }), refused("FORK"), {
    memory: log.memory(9),
  });
  add("a fork without a quorum is a fork", sized.ask(9, { cosignatures: [] }), refused("FORK"), {
    memory: log.memory(9),
  });
  add("a fork with the quorum none is a fork", sized.ask(9), refused("FORK"), {
    memory: log.memory(9),
    policy: policies.none,
  });
  for (const [m, e, code] of [
    [9, 14, "FORK"],
    [9, NEWEST, "FORK"],
    [7, 9, "FORK"],
    [8, 14, "EXTENSION_NOT_PROVEN"],
    [16, NEWEST, "EXTENSION_NOT_PROVEN"],
  ] as const) {
    add(`a fork from the remembered ${m} to ${e}`, sized.ask(e, { beside: m }), refused(code), {
      memory: log.memory(m),
    });
  }
  for (const [m, e, code] of [
    [14, 9, "FORK"],
    [14, 8, "EXTENSION_NOT_PROVEN"],
    [8, 7, "FORK"],
  ] as const) {
    add(
      `a fork from the remembered ${m} back to ${e}, with the proof of the remembered log`,
      { ...sized.ask(e), consistency: hex(log.consistency(e, m)) },
      refused(code),
      { memory: log.memory(m) },
    );
  }
  add(
    "a fork back to a smaller tree, with the proof of its own log",
    { ...sized.ask(9), consistency: hex(sized.consistency(9, 14)) },
    refused("EXTENSION_NOT_PROVEN"),
    { memory: log.memory(14) },
  );
  add(
    "a fork onwards, with the proof of the remembered log",
    { ...sized.ask(14), consistency: hex(log.consistency(9, 14)) },
    refused("EXTENSION_NOT_PROVEN"),
    { memory: log.memory(9) },
  );
  const proof = log.consistencyHashes(9, 14);
  const notProven = (name: string, m: number, e: number, hashes: readonly Bytes[]) =>
    add(name, { ...log.ask(e), consistency: hex(hashSection(TAG.logProof, hashes)) }, refused("EXTENSION_NOT_PROVEN"), {
      memory: log.memory(m),
    });
  for (const i of proof.keys())
    notProven(
      `a bit of hash ${i} of the consistency proof turned`,
      9,
      14,
      proof.map((h, j) => (i === j ? flip(h, 9) : h)),
    );
  notProven(
    "the first hash of a consistency proof from a power of two turned",
    8,
    14,
    log.consistencyHashes(8, 14).map((h) => flip(h, 9)),
  );
  notProven("a consistency proof between other sizes with as many hashes", 9, 14, log.consistencyHashes(11, 14));
  notProven("hashes of the consistency proof in the other order", 9, 14, proof.toReversed());
  notProven(
    "a consistency proof that fails, back to a smaller tree",
    14,
    9,
    proof.map((h) => flip(h, 9)),
  );
  const misfit = (name: string, consistency: Bytes, m = 9, e = 14) =>
    malformed(name, { ...log.ask(e), consistency: hex(consistency) }, { memory: log.memory(m) });
  misfit("a consistency proof without a hash", hashSection(TAG.logProof, []));
  misfit("a hash missing in the consistency proof", hashSection(TAG.logProof, proof.slice(1)));
  misfit("a hash more in the consistency proof", hashSection(TAG.logProof, [...proof, fill(1)]));
  misfit("a consistency payload that is none", log.head(9));
  misfit("an empty consistency payload", new Uint8Array(0));
  misfit("a hash cut off in the consistency proof", hashSection(TAG.logProof, proof).slice(0, -1));
  misfit(
    "the old root in the consistency proof from a power of two",
    hashSection(TAG.logProof, [log.root(8), ...log.consistencyHashes(8, 14)]),
    8,
  );
  misfit("a malformed consistency proof back to a smaller tree", hashSection(TAG.logProof, proof.slice(1)), 14, 9);
  malformed(
    "a malformed consistency proof is judged before freshness",
    { ...log.ask(14, { cosignatures: [] }), consistency: "0c00" },
    { memory: log.memory(9) },
  );

  const otherSumdb = (from: number, change: (old: ReturnType<Log["epoch"]>) => readonly [number, Bytes]) =>
    log.fork(from, (old) => {
      const [size, root] = change(old);
      return makeEpoch(old.pairs, size, root, old.mapRoot);
    });
  const at12 = log.epoch(12);
  const sumdbFork = otherSumdb(13, () => [at12.sumdbSize, fill(7)]);
  add("a sumdb fork at equal size, since", sumdbFork.ask(13, { since: 12 }), refused("SUMDB_FORK"), {
    memory: log.memory(12),
  });
  add("a sumdb fork at equal size, plain", sumdbFork.ask(13, { beside: 12 }), refused("SUMDB_FORK"), {
    memory: log.memory(12),
  });
  add("a sumdb fork at equal size, without consistency", sumdbFork.ask(13), refused("SUMDB_FORK"), {
    memory: log.memory(12),
  });
  add("a sumdb fork at equal size, back", log.ask(12, { beside: 13 }), refused("SUMDB_FORK"), {
    memory: sumdbFork.memory(13),
  });
  add(
    "a sumdb fork with a malformed consistency payload",
    { ...sumdbFork.ask(13), consistency: "ff" },
    refused("SUMDB_FORK"),
    { memory: log.memory(12) },
  );
  const stuck = otherSumdb(13, () => [at12.sumdbSize, at12.sumdbRoot]);
  add("a sumdb that did not grow, since", stuck.ask(13, { since: 12 }), refused("SUMDB_ROLLBACK"), {
    memory: log.memory(12),
  });
  add("a sumdb that did not grow, plain", stuck.ask(13, { beside: 12 }), refused("SUMDB_ROLLBACK"), {
    memory: log.memory(12),
  });
  add("a sumdb that did not grow, back", log.ask(12, { beside: 13 }), refused("SUMDB_ROLLBACK"), {
    memory: stuck.memory(13),
  });
  const back = otherSumdb(13, () => [log.epoch(8).sumdbSize, log.epoch(8).sumdbRoot]);
  add("a sumdb that shrank, since", back.ask(13, { since: 12 }), refused("SUMDB_ROLLBACK"), { memory: log.memory(12) });
  add("a sumdb that shrank, plain", back.ask(13, { beside: 12 }), refused("SUMDB_ROLLBACK"), {
    memory: log.memory(12),
  });
  add("a sumdb that shrank, without consistency", back.ask(13), refused("SUMDB_ROLLBACK"), { memory: log.memory(12) });
  add("a smaller head with a larger sumdb", log.ask(12, { beside: 13 }), refused("SUMDB_ROLLBACK"), {
    memory: back.memory(13),
  });
  add(
    "a sumdb rollback is judged before the log's consistency",
    { ...back.ask(13), consistency: "ff" },
    refused("SUMDB_ROLLBACK"),
    { memory: log.memory(12) },
  );
  add(
    "a sumdb rollback is judged before freshness",
    back.ask(13, { cosignatures: [], beside: 12 }),
    refused("SUMDB_ROLLBACK"),
    { memory: log.memory(12) },
  );
  ok("a sumdb that grew by one record", log.ask(13, { since: 12 }), 13, { memory: log.memory(12) });

  // §3.9
  const fresh = (
    name: string,
    code: string,
    cosignatures: Parameters<typeof log.ask>[1],
    change: Parameters<typeof add>[3] = {},
  ) => add(name, log.ask(9, cosignatures), refused(code), change);
  fresh("the quorum none", "NO_FRESHNESS", {}, { policy: policies.none });
  fresh("the quorum none, without cosignatures", "NO_FRESHNESS", { cosignatures: [] }, { policy: policies.none });
  const dated = { policy: policies.none, isFreshnessRequired: false };
  const undated = { ...dated, isFreshnessRequired: true };
  fresh("the quorum none, where freshness is said to be required", "NO_FRESHNESS", {}, undated);
  ok("the quorum none, where freshness is not required", log.ask(9), 9, dated, 0);
  ok("the same without cosignatures", log.ask(9, { cosignatures: [] }), 9, dated, 0);
  ok("the same with a cosignature from the future", log.ask(9, { cosignatures: [["clock", NOW + 900]] }), 9, dated, 0);
  ok("the same with a memory", log.ask(9, { since: 5 }), 9, { ...dated, memory: log.memory(5) }, 0);
  add("the same, a fork", sized.ask(9), refused("FORK"), { ...dated, memory: log.memory(9) });
  add("the same, without consistency", log.ask(9), refused("CONSISTENCY_MISSING"), { ...dated, memory: log.memory(5) });
  // Beside a quorum it changes nothing.
  const lax = { isFreshnessRequired: false };
  ok("a quorum, where freshness is not required", log.ask(9), 9, lax);
  fresh("no cosignatures, where freshness is not required", "NO_QUORUM", { cosignatures: [] }, lax);
  fresh(
    "too old by a second, where freshness is not required",
    "STALE",
    { cosignatures: [["clock", NOW - MAX_AGE - 1]] },
    lax,
  );
  fresh(
    "too young by a second, where freshness is not required",
    "FROM_FUTURE",
    { cosignatures: [["clock", NOW + 301]] },
    lax,
  );
  fresh("no cosignatures", "NO_QUORUM", { cosignatures: [] });
  fresh("only unknown cosigners", "NO_QUORUM", {
    cosignatures: [
      ["stranger", NOW - 5],
      ["w1", NOW - 5],
    ],
  });
  fresh(
    "one of two that are both needed",
    "NO_QUORUM",
    { cosignatures: [["clock", NOW - 5]] },
    { policy: policies.both },
  );
  fresh(
    "the other of two that are both needed",
    "NO_QUORUM",
    { cosignatures: [["w1", NOW - 5]] },
    { policy: policies.both },
  );
  fresh(
    "clock and 1 of 3",
    "NO_QUORUM",
    {
      cosignatures: [
        ["clock", NOW - 5],
        ["w2", NOW - 5],
      ],
    },
    nested,
  );
  fresh(
    "3 of 3 without the clock",
    "NO_QUORUM",
    {
      cosignatures: [
        ["w1", NOW - 5],
        ["w2", NOW - 5],
        ["w3", NOW - 5],
      ],
    },
    nested,
  );
  fresh(
    "a stale signature of an incomplete quorum",
    "NO_QUORUM",
    { cosignatures: [["clock", 1]] },
    { policy: policies.both },
  );
  fresh("one second too old", "STALE", { cosignatures: [["clock", NOW - MAX_AGE - 1]] });
  fresh("a time of 1", "STALE", { cosignatures: [["clock", 1]] });
  fresh("one second too old for a smaller maxAge", "STALE", { cosignatures: [["clock", NOW - 101]] }, { maxAge: 100 });
  fresh(
    "an old quorum made new by the clock alone",
    "STALE",
    {
      cosignatures: [
        ["clock", NOW - 5],
        ["w1", NOW - MAX_AGE - 1],
      ],
    },
    { policy: policies.both },
  );
  fresh(
    "an old quorum made new by the witness alone",
    "STALE",
    {
      cosignatures: [
        ["clock", NOW - MAX_AGE - 1],
        ["w1", NOW - 5],
      ],
    },
    { policy: policies.both },
  );
  fresh(
    "clock and 1 of 3 fresh, 2 stale",
    "STALE",
    {
      cosignatures: [
        ["clock", NOW - 5],
        ["w1", NOW - 5],
        ["w2", 5],
        ["w3", 6],
      ],
    },
    nested,
  );
  fresh("one second too far ahead", "FROM_FUTURE", { cosignatures: [["clock", NOW + 301]] });
  fresh("a time of 2^53 - 1", "FROM_FUTURE", { cosignatures: [["clock", Number.MAX_SAFE_INTEGER]] });
  fresh(
    "one of two from the future",
    "FROM_FUTURE",
    {
      cosignatures: [
        ["clock", NOW + 301],
        ["w1", NOW - 5],
      ],
    },
    { policy: policies.both },
  );
  fresh(
    "one of two from the future, the other stale",
    "FROM_FUTURE",
    {
      cosignatures: [
        ["clock", NOW + 301],
        ["w1", 5],
      ],
    },
    { policy: policies.both },
  );
  fresh(
    "any of two: one stale, one from the future",
    "STALE",
    {
      cosignatures: [
        ["clock", NOW + 301],
        ["w1", 5],
      ],
    },
    { policy: policies.any },
  );
  fresh("a clock of the client that is long past", "FROM_FUTURE", {}, { now: NOW - 86_400 * 365 });
  fresh("a clock of the client at 0", "FROM_FUTURE", {}, { now: 0 });
  add("a stale head since the same epoch", log.ask(9, { since: 9, cosignatures: [["clock", 1]] }), refused("STALE"), {
    memory: log.memory(9),
  });
  add("a head without a quorum, since", log.ask(9, { since: 5, cosignatures: [] }), refused("NO_QUORUM"), {
    memory: log.memory(5),
  });

  // Keys under which everybody can sign.
  for (const [name, point] of WEAK_POINTS) {
    const logKey = weakKey(ORIGIN, 1, point);
    badLog(`a log key of ${name}`, raw(log.head(9, { parts: { logSignature: signWeak(logKey, log.checkpoint(9)) } })), {
      policy: policies.clock.replace(keys.log.vkey, logKey.vkey),
    });
    const clock = weakKey(keys.clock.name, 4, point);
    const signature = signWeak(clock, cosignatureText(log.checkpoint(9), NOW - 60));
    add(
      `a cosigner's key of ${name}`,
      raw(log.head(9, { made: [{ keyId: clock.id, time: NOW - 60, signature }] })),
      refused("BAD_COSIGNATURE"),
      { policy: policies.clock.replace(keys.clock.vkey, clock.vkey) },
    );
    const sumdbKey = weakKey(keys.sumdb.name, 1, point);
    const signed = log.fork(9, (old) => {
      const sumdbSignature = signWeak(sumdbKey, treeHeadText(old.sumdbSize, old.sumdbRoot));
      const leaf = leafText(old.mapRoot, old.sumdbSize, old.sumdbRoot, sumdbSignature, sumdbKey);
      return { ...old, sumdbSignature, leaf };
    });
    add(`a sumdb key of ${name}`, signed.ask(9), refused("BAD_SUMDB_SIGNATURE"), { sumdbKey: sumdbKey.vkey });
  }

  // §3.10
  const missing = (name: string, h: HeadFields, m: number, code = "CONSISTENCY_MISSING") =>
    add(name, h, refused(code), { memory: log.memory(m) });
  missing("a larger head, plain, without consistency", log.ask(14), 9);
  missing("a larger head from a power of two, without consistency", log.ask(14), 8);
  missing("a smaller head without consistency", log.ask(8), 9);
  missing("a smaller head that was asked, without consistency", log.ask(8, { asked: 8 }), 9);
  const behind = (name: string, ageTime: number, code: string, h = log.ask(8)) =>
    add(name, h, refused(code), { memory: log.memory(9, ageTime) });
  behind("a smaller head without consistency, as old as is allowed", NOW + 900 - 60, "CONSISTENCY_MISSING");
  behind("a smaller head without consistency, a second too old", NOW + 901 - 60, "LAGGING");
  behind(
    "a smaller head that was asked, without consistency, a second too old",
    NOW + 901 - 60,
    "LAGGING",
    log.ask(8, { asked: 8 }),
  );
  behind("a smaller head without consistency, beside a memory of unknown age", 0, "CONSISTENCY_MISSING");
  behind(
    "a larger head without consistency, older than the memory",
    NOW + 901 - 60,
    "CONSISTENCY_MISSING",
    log.ask(14),
  );
  add("a smaller head of unknown age, without consistency", log.ask(8), refused("CONSISTENCY_MISSING"), {
    ...dated,
    memory: log.memory(9, NOW),
  });
  missing("a forked head without consistency", sized.ask(14), 9);
  missing("freshness is judged before the missing consistency", log.ask(14, { cosignatures: [] }), 9, "NO_QUORUM");
  missing("age is judged before the missing consistency", log.ask(14, { cosignatures: [["clock", 1]] }), 9, "STALE");
  return out;
}
