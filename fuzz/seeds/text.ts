import { formatMemory } from "../../src/client/verify/files.ts";
import { formatDataTile } from "../../src/sumdb/data-tile.ts";
import { formatBase64 } from "../../src/vindex/base64.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { cosignatureToNote } from "../../src/vindex/cosignature.ts";
import { formatLeaf } from "../../src/vindex/leaf.ts";
import {
  formatNote,
  formatNoteSignature,
  formatSignerKey,
  formatVerifierKey,
  signNote,
} from "../../src/vindex/note.ts";
import { fakeEd25519 } from "../scheme.ts";
import {
  answerOf,
  checkpointText,
  cosignatures,
  cosigners,
  EPOCHS,
  epochOf,
  logKey,
  policyText,
  recordTexts,
  sumdbKey,
  trustOf,
  verifiedHead,
  work,
} from "../world.ts";
import { bytes, numbered, type Seeds, u16 } from "./seed.ts";
import { some, vectorsOf } from "./vectors.ts";

/** Seeds of the targets that read text. */

const hash64 = (n: number): string => formatBase64(new Uint8Array(32).fill(n));
const hash43 = (n: number): string => hash64(n).slice(0, 43);

export function encodingSeeds(): Seeds {
  return {
    ...numbered(
      "base64",
      ["", "QQ==", "QUI=", "QUJD", hash64(7)].map((text) => bytes(0, text)),
    ),
    ...numbered(
      "unpadded",
      ["QQ", "QUI", hash43(9)].map((text) => bytes(1, text)),
    ),
    ...numbered(
      "base32",
      ["aa", "mfrgg", "a".repeat(52)].map((text) => bytes(2, text)),
    ),
    ...numbered(
      "hex",
      ["00ff", "0a1b2c"].map((text) => bytes(3, text)),
    ),
    ...numbered(
      "decimal",
      ["0", "10", "9007199254740991", "123 45"].map((text) => bytes(4, text)),
    ),
    ...numbered(
      "varint",
      [[0], [127], [0x80, 1], [0xff, 0xff, 3], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 15]].map((b) =>
        bytes(5, ...b),
      ),
    ),
    utf8: bytes(6, "aé€\u{1f600}\ufeff"),
    order: bytes(7, 3, "abcabd"),
  };
}

export function versionSeeds(): Seeds {
  const texts = some(
    vectorsOf<{ text: string }>("map.json", "version").filter(({ text }) => text.length <= 90),
    16,
  );
  const orders = vectorsOf<{ versions: string[] }>("map.json", "order");
  return {
    ...numbered(
      "version",
      texts.map(({ text }) => bytes(text)),
    ),
    ...numbered(
      "order",
      some(orders, 8).map(({ versions }) => bytes(versions.slice(0, 5).join(" "))),
    ),
    pseudo: bytes(
      "v1.2.4-0.20191109021931-daa7c04131f5 v0.0.0-20191109021931-daa7c04131f5 v1.2.3-pre.0.20191109021931-daa7c04131f5",
    ),
    incompatible: bytes("v2.0.0+incompatible v2.0.0-rc.1+incompatible"),
  };
}

export function modulePathSeeds(): Seeds {
  const paths = vectorsOf<{ path: string }>("map.json", "path").filter(({ path }) => path.length <= 100);
  const pairs = [
    "example.com/m v1.0.0",
    "example.com/m/v2 v2.0.0",
    "gopkg.in/x.v1 v0.0.0-20191109021931-daa7c04131f5",
    "gopkg.in/x.v2-unstable v2.1.0",
    "example.com/m v2.0.0+incompatible",
    "example.com/con.d/x~1/v10 v10.0.0",
  ];
  return {
    ...numbered(
      "path",
      some(paths, 20).map(({ path }) => bytes(path)),
    ),
    ...numbered(
      "pair",
      pairs.map((pair) => bytes(pair)),
    ),
  };
}

export function recordSeeds(): Seeds {
  const vectors = vectorsOf<{ record: string }>("map.json", "record").map(({ record }) => Buffer.from(record, "hex"));
  return {
    ...numbered(
      "vector",
      some(
        vectors.filter(({ length }) => length <= 400),
        12,
      ),
    ),
    ...numbered(
      "record",
      some(recordTexts, 6).map((text) => bytes(text)),
    ),
  };
}

export function sumdbSeeds(): Seeds {
  const texts = recordTexts.slice(0, 3).map(encodeUtf8);
  const note = formatNote("go.sum database tree\n1\n", []);
  return {
    tile: bytes(0, 2, formatDataTile(texts)),
    "tile-short": bytes(0, 0, "a\n\n"),
    records: bytes(1, 4, "ab\n\n", 3, "a\nb", 2, "x\n"),
    lookup: bytes(2, `7\n${recordTexts[0]}\n${note}`),
    "lookup-short": bytes(2, "0\na\n\n"),
    ...numbered(
      "path",
      ["tile/8/0/000", "tile/8/1/x001/234.p/17", "tile/2/data/x012/x345/678", "tile/30/63/999.p/1"].map((text) =>
        bytes(3, text),
      ),
    ),
    numbers: bytes(4, 7, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 3, 0x45, 0x67),
    ...numbered(
      "escape",
      ["github.com/Azure/go", "v1.0.0-RC.1+incompatible", "a.b/c_d~e"].map((text) => bytes(5, text)),
    ),
    ...numbered(
      "unescape",
      ["github.com/!azure/go", "v1.0.0-!r!c"].map((text) => bytes(6, text)),
    ),
  };
}

export function goSumSeeds(): Seeds {
  const line = (name: string, n: number): string => `${name} h1:${hash64(n)}`;
  return {
    pair: bytes(`${line("example.com/m v1.0.0", 1)}\n${line("example.com/m v1.0.0/go.mod", 2)}\n`),
    half: bytes(`${line("example.com/m v1.0.0", 1)}\n`),
    two: bytes(
      `${line("a.b v1.0.0", 1)}\r\n${line("c.d v1.0.0/go.mod", 2)}\n\n${line("a.b v1.0.0/go.mod", 3)}\n${line("c.d v1.0.0", 4)}\n`,
    ),
    repeated: bytes(`${line("a.b v1.0.0", 1)}\n${line("a.b v1.0.0", 1)}\n`),
    conflict: bytes(`${line("a.b v1.0.0", 1)}\n${line("a.b v1.0.0", 2)}\n`),
    other: bytes("a.b v1.0.0 h2:abc\n"),
    empty: bytes("a.b v1.0.0/go.mod h1:G7mAYYxgmS0lVkHyy2hEOLQCFB0DlQFTMLWggykrydY=\n"),
    spaces: bytes("a.b\u00a0v1.0.0\u3000h1:x\n"),
    bad: bytes("a.b v1.0.0\n"),
  };
}

export function valueSeeds(): Seeds {
  const hashes = `h=${hash43(1)} m=${hash43(2)} s=${hash43(3)}`;
  const place = (kind: number, path: number, text: string): Uint8Array => bytes(kind, path, 0, u16(50_000), text);
  const modules = [
    `v=v1.2.0 i=7 ${hashes}`,
    `v=v1.2.0 i=7 ${hashes}; v=v0.9.0 i=3; v=v1.3.0-rc.1 k=pre i=9`,
    `v=v1.0.0-rc.1 k=pre i=7 ${hashes}`,
    `v=v0.0.0-20240102030405-0123456789ab k=pseudo i=7 ${hashes}`,
    `v=v3.0.0+incompatible i=1 ${hashes}; v=v2.0.0+incompatible i=2; v=v1.0.0 i=3; v=v0.1.0 i=4`,
  ];
  const items = [
    "p=v3 v=v3.0.0 i=1; p=v2 v=v2.0.0-rc.1 k=pre i=2; p=- v=v1.0.0 i=3",
    "p=v10 v=v10.0.0 i=1",
    "p=v2 v=v2.0.0 i=1",
  ];
  const toolchains = [
    "v=go1.22.0 k=cur i=5; v=go1.21.7 k=prev i=3; v=go1.23rc1 k=next i=6",
    "v=go1.22 k=cur i=5",
    "v=go1.23beta1 k=next i=6",
    "v=go1.22.1 k=cur i=5; v=go1.23rc1 k=next i=6",
  ];
  return {
    ...numbered(
      "module",
      modules.map((text) => place(0, 0, text)),
    ),
    "module-v2": place(0, 1, `v=v2.0.0 i=7 ${hashes}`),
    "module-gopkg": place(0, 3, `v=v1.0.0 i=7 ${hashes}`),
    // 0x2d: the path is of 13 bytes and stands in the input; 1: every index fits.
    "module-path": bytes(0, 0x2d, "example.com/a", 1, `v=v1.2.0 i=7 ${hashes}`),
    ...numbered(
      "majors",
      items.map((text) =>
        place(
          1,
          0,
          text.replace(/;|$/, (end) => ` s=${hash43(4)}${end}`),
        ),
      ),
    ),
    ...numbered(
      "items",
      items.map((text) => place(2, 0, text)),
    ),
    "items-gopkg": place(2, 5, "p=v3 v=v3.0.1 i=22; p=v2 v=v2.4.0 i=23"),
    ...numbered(
      "toolchain",
      toolchains.map((text) => place(3, 6, text)),
    ),
    go: bytes(4, "go1.21.7 go1.22rc1 go1.22beta2 go1.22 go1.9.0"),
    "go-module": bytes(4, "v0.0.1-go1.22.0.linux-amd64"),
    cut: bytes(5, 100, 100, 50, 3),
  };
}

export function moduleStateSeeds(): Seeds {
  const paths = [
    "example.com/often",
    "example.com/both",
    "example.com/late",
    "example.com/untagged",
    "example.com/pre",
    "go4.org",
  ];
  const states = paths.flatMap((path) => answerOf(EPOCHS, work.sha256(encodeUtf8(path)), true).stateText ?? []);
  const line = (letter: string, version: string, i: number): string =>
    `${letter} ${version} ${i} ${hash43(i)} ${hash43(i + 1)}\n`;
  const many = Array.from({ length: 16 }, (_, i) => line("r", `v${i + 2}.0.0+incompatible`, i + 1)).join("");
  return {
    ...numbered(
      "state",
      states.map((text) => bytes(0, text)),
    ),
    v2: bytes(1, `n 1\np ${hash43(1)}\n${line("r", "v2.0.0", 5)}`),
    gopkg: bytes(2, `n 1\np ${hash43(1)}\n${line("r", "v1.0.0", 5)}${line("q", "v1.1.0-rc.1", 6)}`),
    v12: bytes(4, `n 2\np ${hash43(1)}\n${line("r", "v12.0.0", 5)}`),
    many: bytes(0, `n 16\np ${hash43(1)}\n${many}`),
    none: bytes(0, "n 0\n"),
  };
}

export function noteSeeds(): Seeds {
  const text = checkpointText(3);
  const signature = signNote(text, logKey, fakeEd25519);
  const [cosignature] = cosignatures(3);
  const [clock] = cosigners;
  if (cosignature === undefined || clock === undefined) throw new Error("no cosignature");
  const cosigned = cosignatureToNote(cosignature, clock.verifierKey.keyName);
  const leaf = formatLeaf(epochOf(3).leaf, sumdbKey.verifierKey);
  return {
    note: bytes(0, 0, formatNote(text, [signature])),
    "note-cosigned": bytes(0, 0, formatNote(text, [signature, cosigned])),
    "note-blank-lines": bytes(0, 0, formatNote("a\n\nb\n", [signature])),
    line: bytes(1, 0, formatNoteSignature(signature).slice(0, -1)),
    cosignature: bytes(1, 0, formatNoteSignature(cosigned).slice(0, -1)),
    vkey: bytes(2, 0, formatVerifierKey(logKey.verifierKey)),
    "vkey-clock": bytes(2, 0, formatVerifierKey(clock.verifierKey)),
    signer: bytes(3, 0, formatSignerKey(logKey)),
    checkpoint: bytes(4, 0, text),
    "tree-head": bytes(4, 0, `go.sum database tree\n7\n${hash64(5)}\n`),
    leaf: bytes(5, 0, leaf),
    signed: bytes(6, 2, 2, 0, 0, 0, "a note"),
    "signed-twice": bytes(6, 3, 2, 0, 3, 2, 6, 2, "two\n\nparts"),
    "not-signed": bytes(6, 1, 2, 1, "a note"),
  };
}

export function policySeeds(): Seeds {
  const all = (text: string): Uint8Array => bytes(50, 61, 70, 81, 0, text);
  const raw = (...parts: (string | number)[]): Uint8Array => bytes(10, 21, 22, 5, 90, ...parts);
  return {
    none: raw("log ", 0xf0, "\nquorum none\n"),
    one: raw("log ", 0xf0, "\nwitness clock ", 0xf3, "\nquorum clock\n"),
    url: raw("log ", 0xf0, " https://l.example\nlog ", 0xf1, "\nwitness w ", 0xf4, " https://w.example\nquorum w"),
    group: raw(
      "log ",
      0xf0,
      "\nwitness a ",
      0xf4,
      "\nwitness b ",
      0xf5,
      "\nwitness c ",
      0xf6,
      "\n",
      "group g 2 a b c\nquorum g\n",
    ),
    nested: raw(
      "# comment\nlog ",
      0xf0,
      "\nwitness clock ",
      0xf3,
      "\nwitness a ",
      0xf4,
      "\nwitness b ",
      0xf5,
      "\nwitness c ",
      0xf6,
      "\n\ngroup g any a b c\ngroup\tboth all clock g\nquorum both\n",
    ),
    "latin-name": raw("witness caf", 0xe9, " ", 0xf8, "\nquorum caf", 0xe9, "\n"),
    "group-all": raw("witness a ", 0xf4, "\nwitness b ", 0xf5, "\nwitness c ", 0xf6, "\ngroup g 3 a b c\nquorum g\n"),
    "same-key": raw("witness a ", 0xf4, "\nwitness b ", 0xf7, "\nquorum a\n"),
    "same-name": raw("log ", 0xf0, "\nlog ", 0xf2, "\nquorum none\n"),
    "real-keys": all(policyText),
  };
}

export function memorySeeds(): Seeds {
  const trust = trustOf();
  const text = (epoch: number): string => formatMemory(verifiedHead(epoch, trust), trust);
  return {
    honest: bytes(0, 4, 5, 0, 1, 2),
    exchanged: bytes(0, 4, 5, 1, 3, 1, 1, 0),
    number: bytes(0, 6, 5, 1, 6, 3, 0, 0, 0, 0, 0, 0, 7, 1, 0),
    signed: bytes(0, 7, 5, 1, 2, 3, 0, 0, 0, 0, 0, 0, 8, 0, 1),
    text: bytes(1, text(1)),
    "text-of-7": bytes(1, text(7)),
    "no-json": bytes(1, "{"),
    list: bytes(1, "[]"),
  };
}

export function operatorInputSeeds(): Seeds {
  const addresses = [
    "127.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "2001:db8::1",
    "1:2:3:4:5:6:7:8",
    "::ffff:192.0.2.1",
    "fe80::1%eth0",
  ];
  const ports = ["127.0.0.1:5300", "[::1]:53", "localhost:0", "a-b.example:65535", "::1:53"];
  const durations = ["90s", "10m", "24h", "7d", "0s", "104249991374d"];
  const names = ["l.example.org", "L.Example.org.", "xn--bcher-kva.example", "_a.b", "a..b", `${"a.".repeat(100)}b`];
  return {
    ...numbered(
      "address",
      addresses.map((text) => bytes(0, text)),
    ),
    ...numbered(
      "port",
      ports.map((text) => bytes(1, text)),
    ),
    ...numbered(
      "duration",
      durations.map((text) => bytes(2, text)),
    ),
    ...numbered(
      "name",
      names.map((text) => bytes(3, text)),
    ),
  };
}

export function linesSeeds(): Seeds {
  return {
    whole: bytes(0, 0, "one\ntwo\nthree"),
    pieces: bytes(3, u16(2), u16(5), u16(9), 0, "one\ntwo\r\n\nfour\n"),
    "not-utf8": bytes(1, u16(3), 0, "ab\n", 0xff, "\n"),
    long: bytes(0, 0xff, "x".repeat(300)),
    empty: bytes(0, 0),
  };
}

/** A parser, a beginning, an end, and what stands between them again and again. */
export function longSeeds(): Seeds {
  const long = (parser: number, start: string, unit: string, end: string): Uint8Array =>
    bytes(parser, start.length, start, end.length, end, unit);
  const hash = hash43(1);
  return {
    note: long(0, "a\n\n\u2014 a AAAAAAA=".slice(0, 4), "\u2014 a", "\n"),
    verified: long(1, "text", " more", "\n\n"),
    policy: long(3, "log a\n", "group a 1 b ", "\nquorum a"),
    version: long(7, "v1.0.0-", "0.", "0"),
    path: long(8, "example.com", "/a~1.b", "/v2"),
    suffix: long(9, "gopkg.in/x.v", "1", "-unstable"),
    tile: long(10, "tile/8/0/", "x001/", "002"),
    state: long(13, `n 1\np ${hash}\n`, `r v2.0.0+incompatible 1 ${hash} ${hash}\n`, ""),
    value: long(14, `v=v1.0.0 i=1 h=${hash} m=${hash} s=${hash}`, "; v=v0.1.0 i=1", ""),
    majors: long(16, "p=v3 v=v3.0.0 i=1", "; p=v2 v=v2.0.0 i=1", ""),
    "go-sum": long(18, "", `a.b/c v1.0.0 h1:${hash64(3)}\n`, ""),
    labels: long(20, "", "a.", "com"),
    json: long(28, '{"a":', "[", "]}"),
    "policy-bytes": long(29, "", "witness a b\n", ""),
    record: long(30, "a v1.0.0 h1:", "A", "\n"),
    "data-tile": long(32, "a\n\n", "b\n\n", ""),
    answer: long(35, "", "v=v1.0.0 ", "\u0005"),
    proof: long(37, "\u000c", "12345678901234567890123456789012", ""),
    txt: long(38, "", "\u0002ab", ""),
    query: long(
      39,
      "\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u007f\u007f",
      "\u0000\u0000\u0001\u0000\u0001\u0000\u0000\u0000\u0000\u0000\u0000",
      "",
    ),
    reply: long(40, "\u0000\u0000\u0000", "\u0000", ""),
  };
}
