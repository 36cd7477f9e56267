import { realpath } from "node:fs/promises";
import { devNull, homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";
import { readRegularFile } from "../audit/regular-file.ts";
import { SUM_GOLANG_ORG } from "../client/verify/trust.ts";
import { isProofdnsError } from "../vindex/error.ts";
import { parseVerifierKey } from "../vindex/note.ts";
import { malformed, quoted } from "./malformed.ts";
import { findPrefixPattern } from "./path-pattern.ts";

/** The settings of the go command that say what may leave the machine, and where things lie. Unset ones have Go's defaults. */
export interface GoEnv {
  readonly GOPRIVATE: string;
  readonly GONOSUMDB: string;
  readonly GONOPROXY: string;
  readonly GOPROXY: string;
  readonly GOSUMDB: string;
  readonly GOINSECURE: string;
  readonly GOFLAGS: string;
  /** Empty if unset: `binFolder` says where binaries are installed. */
  readonly GOBIN: string;
  /** Folders, parted as in PATH; empty if there is no home folder either. */
  readonly GOPATH: string;
  /** Empty if there is no GOPATH. */
  readonly GOMODCACHE: string;
  /** The file of `go env -w`; `off` if there is none to be read. */
  readonly GOENV: string;
  /** Where `go install` puts binaries; empty if there is no GOPATH. */
  readonly binFolder: string;
}

/** Environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Largest settings file, in bytes. */
const MAX_FILE = 1024 * 1024;

/**
 * Reads the settings as the go command does: of each the environment variable, else what `go env -w` has written to
 * `<user config>/go/env`, else the `go.env` of the Go installation, else the default; an empty one counts as unset.
 * `userConfigFolder` is the user's configuration folder, found from `env` by default.
 *
 * @throws ProofdnsError `MALFORMED_INPUT` if a file of settings is there and cannot be read: it may say what is private
 */
export async function readGoEnv(env: Environment, userConfigFolder?: string): Promise<GoEnv> {
  const file = envFile(env, userConfigFolder ?? configFolder(env));
  const own = file === "off" || file === devNull ? new Map<string, string>() : await readSettings(file);
  const installed = await readInstalledSettings(env, own);
  const get = (name: string, fallback = ""): string =>
    [env[name], own.get(name), installed.get(name)].find((value) => value !== undefined && value !== "") ?? fallback;

  const home = homeFolder(env);
  const GOPATH = get("GOPATH", home === "" ? "" : join(home, "go"));
  const [folder = ""] = GOPATH.split(delimiter);
  const GOPRIVATE = get("GOPRIVATE");
  const GOBIN = get("GOBIN");
  return {
    GOPRIVATE,
    GONOSUMDB: get("GONOSUMDB", GOPRIVATE),
    GONOPROXY: get("GONOPROXY", GOPRIVATE),
    GOPROXY: get("GOPROXY", "https://proxy.golang.org,direct"),
    GOSUMDB: get("GOSUMDB", "sum.golang.org"),
    GOINSECURE: get("GOINSECURE"),
    GOFLAGS: get("GOFLAGS"),
    GOBIN,
    GOPATH,
    GOMODCACHE: get("GOMODCACHE", folder === "" ? "" : join(folder, "pkg", "mod")),
    GOENV: file,
    binFolder: GOBIN !== "" || folder === "" ? GOBIN : join(folder, "bin"),
  };
}

function homeFolder(env: Environment): string {
  const home = process.platform === "win32" ? env["USERPROFILE"] : env["HOME"];
  return home ?? (env === process.env ? homedir() : "");
}

/** The user's configuration folder (os.UserConfigDir); empty if there is none. */
function configFolder(env: Environment): string {
  if (process.platform === "win32") return env["AppData"] ?? env["APPDATA"] ?? "";
  const home = homeFolder(env);
  if (process.platform === "darwin") return home === "" ? "" : join(home, "Library", "Application Support");
  const configured = env["XDG_CONFIG_HOME"] ?? "";
  if (configured !== "") return configured;
  return home === "" ? "" : join(home, ".config");
}

function envFile(env: Environment, folder: string): string {
  const named = env["GOENV"] ?? "";
  if (named !== "") return named;
  return folder === "" ? "off" : join(folder, "go", "env");
}

async function readSettings(file: string): Promise<Map<string, string>> {
  const bytes = await readRegularFile(file, MAX_FILE).catch((cause: unknown) => {
    if (!isProofdnsError(cause)) throw cause;
    throw malformed(
      file,
      undefined,
      `${cause.message}; it may say which modules are private (GOENV=off passes it over)`,
      cause,
    );
  });
  return parseSettings(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes ?? new Uint8Array(0)));
}

/** Lines of `NAME=value`, of which the last one counts; others are passed over, as the go command does. */
export function parseSettings(text: string): Map<string, string> {
  const settings = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0 && /^[A-Z]/.test(line)) settings.set(line.slice(0, at), line.slice(at + 1));
  }
  return settings;
}

/** The settings that came with Go, since Go 1.21: distributions may choose another proxy or checksum database there. */
async function readInstalledSettings(env: Environment, own: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const named = [env["GOROOT"], own.get("GOROOT")].find((folder) => folder !== undefined && folder !== "");
  const folders = named === undefined ? await findGoRoots(env) : [named];
  for (const folder of folders) {
    const settings = await readSettings(join(folder, "go.env"));
    if (settings.size > 0) return settings;
  }
  return new Map();
}

/** The installation of the first `go` in PATH, which is in its `bin` folder. */
async function findGoRoots(env: Environment): Promise<string[]> {
  const name = process.platform === "win32" ? "go.exe" : "go";
  for (const folder of (env["PATH"] ?? "").split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    try {
      return [join(await realpath(join(folder, name)), "..", "..")];
    } catch {
      // Not in this folder.
    }
  }
  return [];
}

/** Where the checksum database is that the go command would ask. */
export type GoSumdb =
  | { readonly kind: "off" }
  | { readonly kind: "key"; readonly vkey: string; readonly url: string | undefined };

/**
 * Parses GOSUMDB: `off`, the name of a known database or a verifier key, and behind it perhaps a URL.
 *
 * @throws ProofdnsError `MALFORMED_INPUT`
 */
export function parseGoSumdb(text: string): GoSumdb {
  if (text === "off") return { kind: "off" };
  const alias = text === "sum.golang.google.cn" ? "sum.golang.org https://sum.golang.google.cn" : text;
  const fields = alias.split(/\p{White_Space}+/u).filter((field) => field !== "");
  const [name, url] = fields;
  if (name === undefined || fields.length > 2) {
    throw malformed("GOSUMDB", undefined, `${quoted(text)} is not off, nor a key and perhaps a URL`);
  }
  const vkey = name === "sum.golang.org" ? SUM_GOLANG_ORG : name;
  try {
    parseVerifierKey(vkey);
  } catch (cause) {
    if (!isProofdnsError(cause)) throw cause;
    throw malformed("GOSUMDB", undefined, `${quoted(name)} is neither sum.golang.org nor a verifier key`, cause);
  }
  if (url !== undefined && !/^https?:\/\//.test(url)) {
    throw malformed("GOSUMDB", undefined, `${quoted(url)} is no URL of http or https`);
  }
  return { kind: "key", vkey, url };
}

/** True if the go command would not tell a checksum database of this module: then nothing about it may leave the machine. */
export function isPrivateModule(goEnv: Pick<GoEnv, "GOSUMDB" | "GONOSUMDB">, path: string): boolean {
  return whyPrivate(goEnv, path) !== undefined;
}

/** Why nothing is asked for where there is no checksum database to hold it against. */
export const SUMDB_OFF = "GOSUMDB=off: nothing is asked for; set it to sum.golang.org, or to the key of another one";

/** What makes a module private, for people: that GOSUMDB is off, or the pattern of GONOSUMDB (by default GOPRIVATE) that matches it. */
export function whyPrivate(goEnv: Pick<GoEnv, "GOSUMDB" | "GONOSUMDB">, path: string): string | undefined {
  if (goEnv.GOSUMDB === "off") return SUMDB_OFF;
  const pattern = findPrefixPattern(goEnv.GONOSUMDB, path);
  return pattern === undefined ? undefined : `GONOSUMDB or GOPRIVATE has ${quoted(pattern)}`;
}
