// What was said on the wire at the authority: who asked what, how, and every reply.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Daemon } from "./daemon.mjs";
import { PYTHON } from "./tools.mjs";

export async function startRecorder(folder, address) {
  const script = fileURLToPath(new URL("recorder.py", import.meta.url));
  const daemon = new Daemon("recorder", { folder, command: [PYTHON, script, address] });
  await daemon.until(async () => (daemon.log.includes('"ready"') ? true : undefined));
  return daemon;
}

/** The messages recorded so far, in order: `{ peer, via, reply, hex }`. Throws if the recorder complained. */
export async function readRecording(daemon) {
  const messages = [];
  for await (const line of createInterface({ input: createReadStream(daemon.logFile) })) {
    if (!line.startsWith("{")) throw new Error(`the recorder failed:\n${daemon.tail()}`);
    const said = JSON.parse(line);
    if (said.hex !== undefined) messages.push(said);
  }
  return messages;
}

/** The first question of a message as labels (latin1, case kept) and type, or undefined. */
export function questionOf(hex) {
  const bytes = Buffer.from(hex, "hex");
  const labels = [];
  let at = 12;
  while (at < bytes.length && bytes[at] !== 0) {
    const end = at + 1 + bytes[at];
    if (bytes[at] > 63 || end > bytes.length) return undefined;
    labels.push(bytes.toString("latin1", at + 1, end));
    at = end;
  }
  return at + 5 > bytes.length ? undefined : { labels, type: bytes.readUInt16BE(at + 1) };
}
