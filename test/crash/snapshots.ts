// Kills of `proofdns snapshot save` and `load` at each of their points, for stores of several sizes and kinds.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Builder } from "../../src/store/builder.ts";
import { Store } from "../../src/store/store.ts";
import { equalBytes, formatHex } from "../../src/vindex/bytes.ts";
import { formatVerifierKey } from "../../src/vindex/note.ts";
import { identity, makeSumdb, startOperator, until } from "../service/operator.ts";
import { computeLeaves, logKey, makeFolder, sumdbKey } from "../service/world.ts";
import { makeBaseStore } from "../store/base-store.ts";
import type { SnapshotOrder } from "./snapshot.ts";

type Check = (holds: boolean, what: string) => void;

/** A process from start to end: what it ended with, and the points that it reached. */
async function run(
  order: Omit<SnapshotOrder, "pointLog">,
  pointLog: string,
): Promise<{ end: string; points: string[] }> {
  rmSync(pointLog, { force: true });
  const script = fileURLToPath(new URL("./snapshot.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, JSON.stringify({ ...order, pointLog })], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const end = await new Promise<string>((resolve) =>
    child.once("close", (code, signal) =>
      resolve(`${signal ?? code}${code === 0 || signal !== null ? "" : ` ${stderr}`}`),
    ),
  );
  return { end, points: existsSync(pointLog) ? readFileSync(pointLog, "utf8").trimEnd().split("\n") : [] };
}

/**
 * Makes stores, kills at each point until there were `count` kills of each kind, and checks that a killed one leaves nothing under the
 * name that it was to make, and that the next attempt makes what an undisturbed one makes.
 */
export async function killSnapshots(
  count: number,
  records: readonly Uint8Array[],
  check: Check,
  say: (line: string) => void,
): Promise<{ save: number; load: number }> {
  const folder = makeFolder("crash-snapshot");
  const pointLog = join(folder, "points");
  const done = { save: 0, load: 0 };
  for (let world = 0; done.save < count || done.load < count; world++) {
    const data = join(folder, `data-${world}`);
    const size = Math.min(records.length, 300 + 350 * world);
    // Every other store was built from scratch; all have epochs in the database.
    if (world % 2 === 0) await makeBaseStore(data, records.slice(0, size - 150));
    const sumdb = makeSumdb(records, size - 100);
    const operator = await startOperator({ folder: data, sumdb });
    sumdb.setSize(size);
    await until(`size ${size}`, () => operator.served.at(-1)?.sumdbSize === size);
    await operator.close();
    const options = {
      data,
      logKey: formatVerifierKey(logKey.verifierKey),
      sumdbKey: formatVerifierKey(sumdbKey.verifierKey),
    };
    const undisturbed = join(folder, `whole-${world}`);
    const whole = await run({ mode: "save", folder: undisturbed, options, killAt: undefined }, pointLog);
    check(whole.end === "0", `saving ended with ${whole.end}`);
    const saved = join(folder, `saved-${world}`);
    for (const step of whole.points) {
      if (done.save === count) break;
      const { end, points } = await run({ mode: "save", folder: saved, options, killAt: step }, pointLog);
      check(
        end === "SIGKILL" && points.at(-1) === step,
        `save ${world} at ${step}: it ended with ${end} at ${points.at(-1)}`,
      );
      check(existsSync(saved) === (step === "renamed"), `save ${world} at ${step}: a half snapshot has its name`);
      say(`snapshot save ${++done.save} ${step}, ${size} records`);
    }
    if (!existsSync(saved)) {
      const { end } = await run({ mode: "save", folder: saved, options, killAt: undefined }, pointLog);
      check(end === "0", `save ${world} after kills: it ended with ${end}`);
    }
    for (const name of readdirSync(undisturbed)) {
      const isSame = equalBytes(readFileSync(join(undisturbed, name)), readFileSync(join(saved, name)));
      check(isSame, `save ${world}: ${name} differs after kills`);
    }
    const loaded = join(folder, `loaded-${world}`);
    const into = { ...options, data: join(folder, `first-${world}`) };
    const first = await run({ mode: "load", folder: saved, options: into, killAt: undefined }, pointLog);
    check(first.end === "0", `loading ended with ${first.end}`);
    for (const step of first.points) {
      if (done.load === count) break;
      const order = { mode: "load", folder: saved, options: { ...options, data: loaded }, killAt: step } as const;
      const { end, points } = await run(order, pointLog);
      check(
        end === "SIGKILL" && points.at(-1) === step,
        `load ${world} at ${step}: it ended with ${end} at ${points.at(-1)}`,
      );
      check(existsSync(loaded) === (step === "renamed"), `load ${world} at ${step}: a half data folder has its name`);
      say(`snapshot load ${++done.load} ${step}, ${size} records`);
    }
    if (!existsSync(loaded)) {
      const { end } = await run(
        { mode: "load", folder: saved, options: { ...options, data: loaded }, killAt: undefined },
        pointLog,
      );
      check(end === "0", `load ${world} after kills: it ended with ${end}`);
    }
    const [right] = computeLeaves(records, [size]);
    for (const at of [data, loaded]) {
      const root = await rootOf(at);
      check(root === formatHex(right?.mapRoot as Uint8Array), `${at}: another map root after kills`);
    }
  }
  return done;
}

async function rootOf(data: string): Promise<string | undefined> {
  const store = await Store.open(data, identity);
  const builder = await Builder.open({ store, sumdbKey: sumdbKey.verifierKey, isReadOnly: true });
  const { leaf } = builder.state;
  await builder.close();
  await store.close();
  return leaf === undefined ? undefined : formatHex(leaf.mapRoot);
}
