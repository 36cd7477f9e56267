import type { Random } from "./random.ts";

/** Texts like those that the go command reads, right and wrong. */

const PATHS = [
  ...[
    "example.com/a",
    "example.com/b/v2",
    "gopkg.in/yaml.v2",
    "gopkg.in/c.v1",
    "x.y",
    "example.com/v1",
    "example.com/b/v02",
  ],
  ...[
    "m",
    "example.com/Große",
    "./local",
    "../up",
    "/rooted",
    "C:\\x",
    ".\\w",
    "",
    "a//b",
    "gopkg.in/x",
    "example.com/x/v1.2",
  ],
];
const VERSIONS = [
  ...[
    "v1.2.3",
    "v2.0.0",
    "v2.0.0+incompatible",
    "v0.0.0-20200101000000-0123456789ab",
    "v1",
    "v1.2",
    "v1.2.3-rc.1",
    "v1.2.3+meta",
  ],
  ...["v1.0.0-01", "1.2.3", "master", "v1.2.3.4", "", "v01.2.3", "v3.1.4-pre+incompatible", "v1.2.x", "v1.2.3-"],
];
const COMMENTS = [
  ...[
    "",
    " // indirect",
    " //indirect",
    " // indirect; why",
    " // indirect;",
    " // indirect why",
    " // Deprecated: use b",
  ],
  ...[" //", " // text", "// close", " // \u00a0indirect\u2003"],
];
const LINE_COMMENTS = [
  ...[
    "// Deprecated: gone",
    "//Deprecated:gone",
    "// text",
    "//",
    "",
    "//  Deprecated:   x  ",
    "// deprecated: no",
    "//\tone\r",
  ],
];
const QUOTES = [
  ...[
    "$",
    "$",
    "$",
    "$",
    "$",
    "$",
    '"$"',
    "`$`",
    "'$'",
    '"$',
    '$"',
    '"\\x24$"',
    '"\\q$"',
    '"$\\',
    "$//",
    "$/*",
    "$,",
    "($)",
    "[$]",
  ],
];

function token(random: Random, text: string): string {
  return random.pick(QUOTES).replace("$", text);
}

const path = (random: Random): string => token(random, random.pick(PATHS));
const version = (random: Random): string => token(random, random.pick(VERSIONS));

function args(random: Random, verb: string): string {
  if (random.chance(8)) return random.list(5, () => (random.chance(50) ? path(random) : version(random))).join(" ");
  switch (verb) {
    case "module":
    case "use":
      return path(random);
    case "go":
      return random.pick([
        "1.19",
        "1.2",
        "1",
        "1.21.0",
        "v1.2",
        "1.2x",
        "1.2.3.4",
        "go1.2",
        '"1.2"',
        "1.02",
        "1.18beta1",
      ]);
    case "replace":
      return `${path(random)}${random.chance(50) ? ` ${version(random)}` : ""} => ${path(random)}${random.chance(50) ? ` ${version(random)}` : ""}`;
    case "retract":
      return random.chance(50)
        ? version(random)
        : random
            .pick(["[$, $]", "[$,$]", "[ $ , $ ]", "[$]", "[$, $", "[$ $]", "[$, $] x", "[]", "["])
            .replaceAll("$", () => version(random));
    default:
      return `${path(random)} ${version(random)}`;
  }
}

const MOD_VERBS = [
  "module",
  "go",
  "require",
  "require",
  "require",
  "exclude",
  "replace",
  "retract",
  "retract",
  "unknown",
  "(",
];
const WORK_VERBS = ["go", "use", "use", "replace", "unknown", "module"];

/** A go.mod or go.work file, or nearly. */
export function randomModFile(random: Random, kind: "mod" | "work"): string {
  const verbs = kind === "mod" ? MOD_VERBS : WORK_VERBS;
  let out = "";
  const space = (): string => random.pick(["", "", "", " ", "\t", "\r"]);
  const lineEnd = (): string => random.pick(["\n", "\n", "\n", "\n", "\r\n", "\n\n", " \n"]);
  const comments = (): void => {
    for (const line of random.list(random.chance(30) ? 3 : 0, () => random.pick(LINE_COMMENTS))) out += `${line}\n`;
  };
  for (let i = random.below(6); i >= 0; i--) {
    comments();
    const verb = random.pick(verbs);
    if (random.chance(30)) {
      out += `${verb}${random.pick([" ", "", " x "])}(${random.pick(COMMENTS)}\n`;
      for (let k = random.below(4); k > 0; k--) {
        comments();
        out += `${space()}${args(random, verb)}${random.pick(COMMENTS)}${lineEnd()}`;
      }
      comments();
      out += random.pick([")", ")", ")", ")", "", ") x", "))"]) + random.pick(COMMENTS) + lineEnd();
    } else if (random.chance(3)) {
      out += random.pick([
        `${verb} ()\n`,
        `${verb} ( ) x\n`,
        "/* x */\n",
        "\ufeff\n",
        "\u0000\n",
        ")\n",
        "x\u00a0y\n",
        "\u0085\n",
        "}{\n",
      ]);
    } else {
      out += `${space()}${verb} ${args(random, verb)}${random.pick(COMMENTS)}${lineEnd()}`;
    }
  }
  return random.chance(10) ? out.slice(0, random.below(out.length + 1)) : out;
}

/** A string literal of Go, or nearly. */
export function randomLiteral(random: Random): string {
  const parts = [
    "a",
    "é",
    "\\n",
    "\\x41",
    "\\xff",
    "\\u00e9",
    "\\ud800",
    "\\U0010ffff",
    "\\U00110000",
    "\\101",
    "\\400",
    "\\'",
    '\\"',
    "\\",
    "'",
    "`",
    "\n",
    "\r",
    "\\z",
  ];
  const quote = random.pick(['"', '"', '"', "`"]);
  return quote + random.list(5, () => random.pick(parts)).join("") + random.pick([quote, quote, quote, ""]);
}

/** A pattern of path.Match, and a text that may match it. */
export function randomPattern(random: Random): [pattern: string, text: string] {
  const parts = ["a", "b", "/", "*", "?", "[", "]", "^", "-", "\\", "[a-b]", "[^a]", "é", "a*b"];
  const texts = ["a", "b", "/", "-", "]", "^", "é", "ab", "\\"];
  return [random.list(6, () => random.pick(parts)).join(""), random.list(6, () => random.pick(texts)).join("")];
}

/** A list of patterns as in GOPRIVATE, and a path. */
export function randomPatterns(random: Random): [patterns: string, path: string] {
  const pattern = (): string =>
    random.pick([
      "",
      "*",
      "*.corp.example",
      "git.corp.example/x",
      "git.corp.example/*/y",
      "git.corp.example/",
      "[",
      "g*",
      "git.?orp.example//",
      " git.corp.example",
    ]);
  const path = random.pick([
    "git.corp.example/x/y",
    "git.corp.example",
    "git.corp.example/z/y/w",
    "example.com/a",
    "x",
    "",
    "git.corp.example//",
  ]);
  return [random.list(3, pattern).join(","), path];
}

/** What may be a semantic version. */
export function randomVersion(random: Random): string {
  const number = (): string => random.pick(["0", "1", "2", "10", "01", "", "999999999999999999999"]);
  const pre = (): string =>
    random.pick(["", "", "-rc.1", "-0.20200101000000-0123456789ab", "-01", "-a.b", "-", "-1", "-alpha.10", "-é"]);
  const build = random.pick(["", "", "+incompatible", "+x.y", "+", "+incompatible.1"]);
  const numbers = random.pick([3, 3, 3, 2, 1, 4]);
  return `${random.pick(["v", "v", "v", ""])}${Array.from({ length: numbers }, number).join(".")}${pre()}${build}`;
}
