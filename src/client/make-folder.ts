import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder that only its owner can use, and those above it that are missing. Unlike `mkdir` with `recursive`, which Node repeats for ever where a folder can
 * never be made (below /proc), it rejects with what the system says.
 */
export async function makeFolder(path: string): Promise<void> {
  const missing: string[] = [];
  for (let at = path; !(await tryFolder(at)); at = dirname(at)) missing.unshift(at);
  for (const at of missing) {
    if (!(await tryFolder(at))) throw new Error(`cannot make the folder ${at}`);
  }
}

/** True if the folder is there now, false if the one above it is not. */
async function tryFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return true;
    if (code === "ENOENT" && dirname(path) !== path) return false;
    throw error;
  }
}
