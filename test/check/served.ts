import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CommanderError } from "commander";
import { makeCheckCommand } from "../../src/cli/check.ts";
import { EXIT, exitCodeOf, messageOf } from "../../src/cli/exit-code.ts";
import { encodeUtf8 } from "../../src/vindex/bytes.ts";
import { KeptStream, type Outcome, withEnvironment } from "../cli/in-process.ts";
import { type Ended, run } from "../cli/process.ts";
import { clockPolicy, identity, makeSumdb, type Operator, startOperator } from "../service/operator.ts";
import { makeFolder, ZONE } from "../service/world.ts";
import { type Published, recordOf } from "./scene.ts";

/** The command against a real server on loopback. */
export class Served {
  readonly folder: string;
  readonly operator: Operator;

  private constructor(folder: string, operator: Operator) {
    this.folder = folder;
    this.operator = operator;
  }

  static async start(published: readonly Published[]): Promise<Served> {
    const folder = makeFolder("served");
    const records = published.map((one) => encodeUtf8(recordOf(one)));
    const sumdb = makeSumdb(records, records.length);
    const operator = await startOperator({ folder: join(folder, "store"), sumdb });
    mkdirSync(join(folder, "home"));
    writeFileSync(join(folder, "policy"), clockPolicy);
    return new Served(folder, operator);
  }

  /** Environment of a user without any settings. */
  env(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const home = join(this.folder, "home");
    return {
      HOME: home,
      XDG_CONFIG_HOME: join(home, "config"),
      XDG_STATE_HOME: join(home, "state"),
      XDG_CACHE_HOME: join(home, "cache"),
      PROOFDNS_ZONE: ZONE,
      PROOFDNS_SERVER: this.operator.listen,
      PROOFDNS_POLICY: join(this.folder, "policy"),
      GOPROXY: "off",
      GOPRIVATE: "",
      GONOSUMDB: "",
      GOFLAGS: "",
      GOENV: "off",
      GOROOT: home,
      GITHUB_STEP_SUMMARY: "",
      NO_COLOR: "",
      CI: "",
      ...more,
    };
  }

  /** `proofdns check` with these arguments, in this process. */
  async check(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
    const [stdout, stderr] = [new KeptStream(), new KeptStream()];
    const command = makeCheckCommand({ stdout: stdout.asProcessStream(), stderr: stderr.asProcessStream() })
      .exitOverride()
      .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) });
    const code = await withEnvironment(this.env(env), async () => {
      try {
        await command.parseAsync([...args, "--sumdb-key", identity.sumdbKey], { from: "user" });
      } catch (error) {
        // As main.ts does; commander has printed its own sentence.
        const isUsage = error instanceof CommanderError;
        if (!isUsage) stderr.write(`proofdns: ${messageOf(error)}\n`);
        process.exitCode = isUsage ? EXIT.unchecked : exitCodeOf(error);
      }
    });
    return { code, stdout: stdout.text, stderr: stderr.text };
  }

  /** The same in a process of its own. */
  spawn(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return run(["check", ...args, "--sumdb-key", identity.sumdbKey], this.env(env));
  }

  /** Writes a file into the folder and gives its path. */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.folder, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  close(): Promise<void> {
    return this.operator.close();
  }
}
