import { Writable } from "node:stream";

/** How a command ended that ran in this process. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What stands for a stream of the process: no terminal, keeps what is written. */
export class KeptStream extends Writable {
  text = "";

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }

  asProcessStream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream;
  }
}

/** Runs with other environment variables, and gives the exit code that was set; one at a time. */
export async function withEnvironment(
  env: Readonly<Record<string, string>>,
  run: () => Promise<void>,
): Promise<number> {
  const before = { env: { ...process.env }, exitCode: process.exitCode };
  Object.assign(process.env, env);
  process.exitCode = 0;
  try {
    await run();
    return Number(process.exitCode);
  } finally {
    process.exitCode = before.exitCode;
    for (const name of Object.keys(process.env)) if (!(name in before.env)) delete process.env[name];
    Object.assign(process.env, before.env);
  }
}
