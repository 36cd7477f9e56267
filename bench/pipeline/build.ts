import { join } from "node:path";
import { lastLine, runProofdns, runScript } from "./processes.ts";

/** What `proofdns build` said of one run, and what it was asked. */
export interface BuildRun {
  readonly records: number;
  readonly modules: number;
  readonly keys: number;
  readonly workers: number;
  readonly memory: string;
  readonly seconds: Readonly<Record<string, number>>;
  readonly recordsPerSecond: number;
  /** Bytes. */
  readonly peakResidentMemory: number;
  readonly mapRoot: string;
}

/** Generates the tiles of an invented checksum database into `folder`, and gives its verifier key. */
export async function generateTiles(folder: string, records: number, modules: number): Promise<string> {
  const args = ["--out", folder, "--records", String(records), "--modules", String(modules), "--seed", "1"];
  const { out } = await runScript("generate/run.ts", [...args, "--hash-tiles"]);
  return lastLine(out)["verifierKey"] as string;
}

/** Builds an index from tiles into `data`, in a process of its own. */
export async function buildIndex(
  tiles: string,
  key: string,
  data: string,
  workers: number,
  memory: string,
): Promise<BuildRun> {
  const args = ["build", "--data", data, "--tiles", tiles, "--vkey", key, "--workers", String(workers)];
  const { out } = await runProofdns([...args, "--memory", memory]);
  return { ...(lastLine(out) as unknown as BuildRun), memory };
}

/** Folder of a data directory for so many workers. */
export function dataFolder(folder: string, workers: number): string {
  return join(folder, `data-${workers}`);
}
