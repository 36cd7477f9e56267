import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Questions } from "../../src/client/questions.ts";
import { encodeTxtQuery } from "../../src/dns/txt-reply.ts";
import { nodeSha256 } from "../../src/vindex/platform.ts";

const CLI = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
/** Zone of the servers. */
export const ZONE = "l.example.org";

/** A start of `proofdns serve`. */
export interface Start {
  /** Seconds from the start of the process to the first answer. */
  readonly seconds: number;
  /** Verifier key of the log. */
  readonly logKey: string;
}

/**
 * Starts a server over a data directory, with nothing at the other end of its checksum database, asks it for its head until
 * it answers, and ends it; before that, `meanwhile` may ask it more.
 */
export async function startAndAsk(
  data: string,
  sumdbKey: string,
  meanwhile?: (listen: string, logKey: string) => Promise<void>,
): Promise<Start> {
  const started = performance.now();
  const args = ["serve", "--data", data, "--zone", ZONE, "--listen", "127.0.0.1:0", "--max-stall", "off"];
  const child = spawn(process.execPath, [CLI, ...args, "--sumdb", `${sumdbKey} http://127.0.0.1:9`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const errors: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const { ready, listen, policy } = JSON.parse(line) as { ready?: boolean; listen: string; policy: string };
      if (ready !== true) continue;
      await ask(Number(listen.slice(listen.lastIndexOf(":") + 1)));
      const seconds = (performance.now() - started) / 1000;
      const logKey = /^log (\S+)/m.exec(readFileSync(policy, "utf8"))?.[1];
      if (logKey === undefined) throw new Error(`${policy} names no log`);
      await meanwhile?.(listen, logKey);
      return { seconds, logKey };
    }
    throw new Error(`the server did not start: ${errors.join("").slice(-2000)}`);
  } finally {
    if (child.exitCode === null) {
      child.kill("SIGTERM");
      await once(child, "exit");
    }
  }
}

/** Asks for the head until there is an answer of one record. */
async function ask(port: number): Promise<void> {
  const query = encodeTxtQuery(new Questions(ZONE, nodeSha256).head({}), 7);
  const socket = createSocket("udp4");
  try {
    for (let i = 0; i < 600; i++) {
      const answer = once(socket, "message", { signal: AbortSignal.timeout(200) }).catch(() => undefined);
      socket.send(query, port, "127.0.0.1");
      const [message] = ((await answer) ?? []) as [Uint8Array?];
      if (message !== undefined && (message[3] as number) % 16 === 0 && message[7] === 1) return;
    }
    throw new Error("no answer in two minutes");
  } finally {
    socket.close();
  }
}
