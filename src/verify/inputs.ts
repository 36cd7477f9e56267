import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { inspectBinary } from "../go/build-info.ts";
import { type GoMod, parseGoMod, type Replacement } from "../go/go-mod.ts";
import { parseGoWork } from "../go/go-work.ts";
import { listProgramNames } from "../go/platform-folder.ts";
import { readInputFile } from "../input/input-file.ts";
import { printable } from "../input/printable.ts";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { addBinaryClaims } from "./binary.ts";
import { type Claims, noClaims, type Place } from "./claim.ts";
import { addMissingLines } from "./go-mod.ts";
import { addGoSumClaims } from "./go-sum.ts";

/** Longest text file that is read: a go.sum of 64 MiB has some 700,000 lines. */
const MAX_TEXT = 64 * 2 ** 20;
/** Most files of one folder that are looked at. */
const MAX_FILES = 20_000;

/**
 * Reads files and folders: `go.sum` (any name in `.sum`), `go.mod` with the go.sum beside it, `go.work` with its modules, a folder of any of these or of Go binaries, a Go
 * binary. What is wrong with one is a problem in the result, and the others are read.
 */
export async function readClaims(paths: readonly string[]): Promise<Claims> {
  const reader = new ClaimReader();
  for (const path of new Set(paths)) await reader.attempt(path, () => reader.read(path));
  return reader.claims;
}

class ClaimReader {
  readonly claims: Claims = noClaims();
  /** go.sum files that were read, with what they state: one that two inputs name counts once. */
  readonly #goSums = new Map<string, Claims>();

  async attempt(file: string, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!isProofdnsError(error)) throw error;
      const place: Place = { file, line: undefined };
      this.claims.problems.push({ error, place });
    }
  }

  async read(path: string): Promise<void> {
    const found = await statOf(path);
    if (found === "nothing") {
      throw refusal(`there is no ${printable(path)}; name a go.sum, a go.mod, a go.work, a folder or a Go binary`);
    }
    if (found === "folder") return this.#folder(path);
    if (found !== "file") throw refusal(`${printable(path)} is neither a file nor a folder`);
    const name = basename(path);
    if (name.endsWith(".sum")) return this.#goSumAlone(path);
    if (name.endsWith(".mod")) return this.#goMod(path);
    if (name.endsWith(".work")) return this.#goWork(path);
    const why = await this.#binary(path);
    if (why !== undefined)
      throw refusal(`${printable(path)} is no Go binary (${why}), and its name does not end in .sum, .mod or .work`);
  }

  async #folder(folder: string): Promise<void> {
    if ((await statOf(join(folder, "go.work"))) === "file") return this.#goWork(join(folder, "go.work"));
    if ((await statOf(join(folder, "go.mod"))) === "file") return this.#goMod(join(folder, "go.mod"));
    if ((await statOf(join(folder, "go.sum"))) === "file") return this.#goSumAlone(join(folder, "go.sum"));
    const names = await listProgramNames(folder, entriesOf, (path, read) => this.attempt(path, read));
    let binaries = 0;
    for (const name of names.slice(0, MAX_FILES)) {
      const file = join(folder, name);
      await this.attempt(file, async () => {
        const found = await statOf(file);
        // Bytes of a name that are not UTF-8 are lost when it is read, and what is left leads nowhere.
        if (found === "nothing" && name.includes("\ufffd"))
          throw refusal(`${printable(file)}: its name is not UTF-8; give it another, for it was not looked at`);
        if (found === "file" && (await this.#binary(file)) === undefined) binaries++;
      });
    }
    if (names.length > MAX_FILES)
      throw refusal(`${printable(folder)} holds more than ${MAX_FILES} files: name them one by one`);
    if (binaries === 0) {
      throw refusal(`nothing to verify in ${printable(folder)}: it has no go.mod, go.work, go.sum and no Go binary`);
    }
  }

  /** Undefined for a Go binary, which was read; else why it is none. */
  async #binary(file: string): Promise<string | undefined> {
    const { info, reason } = await inspectBinary(file);
    if (info === undefined) return reason;
    addBinaryClaims(this.claims, info, file);
    return undefined;
  }

  async #goSumAlone(file: string): Promise<void> {
    const { claims, passed, problems } = await this.#goSum(file);
    // Nothing is no clean bill.
    if (claims.length + passed.length + problems.length === 0)
      throw refusal(`${printable(file)} has no checksum in it`);
  }

  async #goSum(file: string): Promise<Claims> {
    const known = this.#goSums.get(file);
    if (known !== undefined) return known;
    const own = noClaims();
    // Bytes that are no UTF-8 spoil their line alone.
    const text = Buffer.from(await readInputFile(file, MAX_TEXT, "the go.sum file")).toString("utf8");
    addGoSumClaims(own, text, file);
    this.#goSums.set(file, own);
    for (const claim of own.claims) this.claims.claims.push(claim);
    for (const one of own.passed) this.claims.passed.push(one);
    for (const problem of own.problems) this.claims.problems.push(problem);
    return own;
  }

  async #goMod(file: string): Promise<void> {
    const goMod = parseGoMod(await readText(file, "the go.mod file"), file);
    await this.#beside(file, goMod, noClaims(), []);
  }

  /** A go.mod and the go.sum beside it; `more` is what a go.work.sum states. */
  async #beside(file: string, goMod: GoMod, more: Claims, replacements: readonly Replacement[]): Promise<void> {
    const sumFile = join(dirname(file), `${basename(file).slice(0, -".mod".length)}.sum`);
    if ((await statOf(sumFile)) === "nothing") {
      if (goMod.require.length > 0)
        throw refusal(`${printable(file)} has no ${printable(basename(sumFile))} beside it; \`go mod tidy\` makes it`);
      return;
    }
    const own = await this.#goSum(sumFile);
    const both: Claims = { ...own, claims: [...own.claims, ...more.claims] };
    addMissingLines(this.claims, goMod, both, { goMod: file, goSum: sumFile }, replacements);
  }

  async #goWork(file: string): Promise<void> {
    const { use, replace } = parseGoWork(await readText(file, "the go.work file"), file);
    const sumFile = `${file}.sum`;
    const more = (await statOf(sumFile)) === "file" ? await this.#goSum(sumFile) : noClaims();
    for (const { path } of use) {
      const goModFile = join(path.startsWith("/") ? path : join(dirname(file), path), "go.mod");
      await this.attempt(goModFile, async () => {
        const goMod = parseGoMod(await readText(goModFile, "the go.mod file"), goModFile);
        await this.#beside(goModFile, goMod, more, replace);
      });
    }
  }
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  return readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw refusal(`cannot read the folder ${printable(folder)}`, cause);
  });
}

async function readText(file: string, what: string): Promise<string> {
  const text = decodeUtf8(await readInputFile(file, MAX_TEXT, what));
  if (text === undefined) throw refusal(`${printable(file)} is not UTF-8 text`);
  return text;
}

async function statOf(path: string): Promise<"file" | "folder" | "other" | "nothing"> {
  try {
    const found = await stat(path);
    return found.isFile() ? "file" : found.isDirectory() ? "folder" : "other";
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return "nothing";
    const why = code === "ELOOP" ? "its symbolic links lead in a circle" : (code ?? String(cause));
    throw refusal(`cannot read ${printable(path)}: ${why}`, cause);
  }
}

function refusal(why: string, cause?: unknown): ProofdnsError {
  return new ProofdnsError("MALFORMED_INPUT", why, { cause });
}
