import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Folder of what was proven and must never be forgotten: remembered heads and evidence. */
export function stateFolder(env: Environment = process.env): string {
  return join(baseFolder(env["XDG_STATE_HOME"], ".local", "state"), "proofdns");
}

/** Folder of answers that may be thrown away at any time. */
export function cacheFolder(env: Environment = process.env): string {
  return join(baseFolder(env["XDG_CACHE_HOME"], ".cache"), "proofdns");
}

/** Folder of the user's own policies. */
export function policyFolder(env: Environment = process.env): string {
  return join(baseFolder(env["XDG_CONFIG_HOME"], ".config"), "proofdns", "policies");
}

/** The XDG base directory specification has relative paths ignored. */
function baseFolder(given: string | undefined, ...fallback: string[]): string {
  return given?.startsWith("/") ? given : join(homedir(), ...fallback);
}
