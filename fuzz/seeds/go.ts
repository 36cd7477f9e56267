import { bytes, numbered, type Seeds, u16 } from "./seed.ts";

const MODULES =
  "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\ta.b/c\tv1.2.3\th1:x=\n=>\t./d\t(devel)\t\n" +
  'dep\te.f\tv0.1.0\nbuild\tGOOS=linux\nbuild\t-ldflags="-X main.v=\\x41"\n';

export function buildInfoSeeds(): Seeds {
  const kinds = Array.from({ length: 8 }, (_, kind) => bytes(kind, 0, MODULES));
  const changed = Array.from({ length: 8 }, (_, kind) =>
    bytes(kind, 2, u16(0x20 + kind), 0xff, u16(0x28), kind, MODULES),
  );
  return {
    ...numbered("kind", kinds),
    ...numbered("changed", changed),
    none: bytes(0, 0),
    script: bytes(255, "#!/bin/sh\n"),
    elf: bytes(255, "\x7fELF", 2, 1, 1, "                                                                "),
    dos: bytes(255, "MZ", "x".repeat(100)),
    java: bytes(255, Uint8Array.of(0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52), "x".repeat(60)),
    bad: bytes(3, 0, "dep\ta.b\n"),
  };
}

export function goModSeeds(): Seeds {
  return {
    plain: bytes("module example.com/m\n\ngo 1.21\n\nrequire a.b/c v1.2.3 // indirect\n"),
    block: bytes("require (\n\ta.b/c v1.2.3\n\n\t// why\n\td.e/v2 v2.0.0 // indirect; x\n)\n"),
    deprecated: bytes("// one\n//\n// Deprecated: use\n// other\nmodule m // more\n"),
    retract: bytes("// all\nretract (\n\t[v1.0.0, v1.2.0] // bad\n\tv1.3.0\n)\nretract v2\n"),
    replace: bytes("replace a.b => ./c\nreplace a.b v1.0.0 => d.e v1.1.0\nexclude a.b v1\n"),
    strings: bytes('module "a\\x2fb"\nrequire "gopkg.in/x.v1" v0.0.0-20200101000000-0123456789ab\n'),
    later: bytes("toolchain go1.22.3\ngodebug a=b\ntool a.b/c\nignore ./x\n"),
    unknown: bytes("module m\nfuture x (\n\ty\n)\nretract >=v1\ngo v1.2x\n"),
    quotes: bytes("module 'm'\n"),
    open: bytes("require (\n"),
    crlf: bytes("module m\r\n// x\r\n"),
    comment: bytes("module m /* x */\n"),
  };
}

export function goWorkSeeds(): Seeds {
  return {
    plain: bytes("go 1.21\n\ntoolchain default\n\nuse ./a\n"),
    block: bytes('use (\n\t./a // one\n\t"./b c"\n)\n\nreplace a.b => ./x\n'),
    wrong: bytes("require a.b v1.0.0\n"),
    empty: bytes("use ()\n"),
    debug: bytes("godebug a=b\nuse ../x\n"),
  };
}

export function versionQuerySeeds(): Seeds {
  const list = "v1.4.2 v1.10.0 v0.9.0 v1.4.0 v1.5.0-rc.1 v2.0.0+incompatible v1.0.0-20200101000000-0123456789ab";
  const queries = [
    "latest",
    "upgrade",
    "patch",
    "v1",
    "v1.4",
    "v1.4.2",
    "<v1.5.0",
    "<=v1.4.2",
    ">v1.4",
    ">=v1.4.0",
    "v2",
    "master",
  ];
  return {
    ...numbered(
      "query",
      queries.map((query) => bytes(`${query}\nv1.4.0\na.b/c\n${list}`)),
    ),
    fresh: bytes(`latest\n\na.b/c\n!v1.0.0 v2.0.0+incompatible v3.0.0+incompatible`),
    untagged: bytes(
      "upgrade\nv0.0.0-20200101000000-0123456789ab\na.b\nv0.0.0-20210101000000-0123456789ab v0.0.1-0.20190101000000-0123456789ab",
    ),
    major: bytes("v2\nnone\na.b/v2\nv2.1.0 v2.0.0-rc.1"),
    gopkg: bytes("<v2.0.0\nv1.0.0\ngopkg.in/x.v1\nv1.0.0 v0.0.0-20200101000000-0123456789ab"),
  };
}
