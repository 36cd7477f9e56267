import { appendFile, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { withFileLock } from "../../src/client/file-lock.ts";

/** A process of file-lock.heavy.test.ts: counts in a file under a lock, again and again, and may die at any moment while it holds it. */

const [folder, rounds, mortality] = process.argv.slice(2) as [string, string, string];
const counter = join(folder, "counter");
console.log("ready");
for (let i = 0; i < Number(rounds); i++) {
  await withFileLock(join(folder, "lock"), async () => {
    const count = Number(await readFile(counter, "latin1"));
    // Two that are inside at once read the same number.
    await appendFile(join(folder, "log"), `${count}\n`);
    if (Math.random() < Number(mortality)) setTimeout(() => process.kill(process.pid, "SIGKILL"), Math.random() * 3);
    await sleep(Math.random() * 3);
    await writeFile(`${counter}.${process.pid}`, String(count + 1));
    await rename(`${counter}.${process.pid}`, counter);
  });
}
