import type { Command } from "commander";
import { makeTrust, SUM_GOLANG_ORG, type Trust } from "../client/verify/index.ts";
import { type GoEnv, parseGoSumdb, readGoEnv } from "../go/go-env.ts";
import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatVerifierKey } from "../vindex/note.ts";
import { nodeEd25519, nodeSha256 } from "../vindex/platform.ts";
import { readVariable } from "./environment.ts";
import { parseKeyArgument } from "./key-argument.ts";
import { readPolicy } from "./policy-file.ts";
import { parseZoneName } from "./zone-name.ts";

/** What `addKeyOptions` adds. */
export interface KeyOptions {
  readonly policy?: string;
  readonly logKey?: string;
  readonly sumdbKey?: string;
  readonly zone?: string;
}

/** Adds the options of commands that check files with keys alone, and ask nobody. */
export function addKeyOptions(command: Command): Command {
  return command
    .option(
      "--policy <file|name>",
      "whom to trust: policy file, or name of a kept one (default: $PROOFDNS_POLICY, or the policy named default)",
    )
    .option("--log-key <vkey>", "key of the log instead of a policy: then no cosignature counts")
    .option("--sumdb-key <vkey>", "key of the checksum database (default: that of GOSUMDB, else sum.golang.org's)")
    .option(
      "--zone <zone>",
      "zone of the log, where the policy has several (default: $PROOFDNS_ZONE, or that which the file names)",
    );
}

/**
 * Reads the keys for a file that names its log. The log must be one of the policy.
 *
 * @throws ProofdnsError `MALFORMED_POLICY`, `MALFORMED_VERIFIER_KEY`, `NO_LOG_KEY`, `MALFORMED_INPUT`
 */
export async function readKeys(options: KeyOptions, untrustedOrigin: string | undefined): Promise<Trust> {
  const sumdbKey = sumdbKeyText(options.sumdbKey, options.sumdbKey === undefined ? await readGoEnv(process.env) : {});
  const platform = { sha256: nodeSha256, ed25519: nodeEd25519() };
  if (options.logKey !== undefined) {
    if (options.policy !== undefined)
      throw new ProofdnsError("MALFORMED_INPUT", "give either --policy or --log-key, and not both");
    const logKey = parseKeyArgument(options.logKey, "--log-key", "log");
    if (!logKey.keyName.endsWith("/p1"))
      throw new ProofdnsError(
        "MALFORMED_VERIFIER_KEY",
        `--log-key: it is the key of ${printable(logKey.keyName)}, and that of a log has a name that ends in /p1; the line log of the policy has it`,
      );
    const zone = logKey.keyName.slice(0, -"/p1".length);
    const policy = `log ${formatVerifierKey(logKey)}\nquorum none\n`;
    return makeTrust({ zone, policy, sumdbKey, isFreshnessRequired: false, ...platform });
  }
  const { bytes, policy } = await readPolicy(options.policy ?? readVariable("PROOFDNS_POLICY"));
  const zones = policy.logs.flatMap(({ verifierKey: { keyName } }) =>
    keyName.endsWith("/p1") ? [keyName.slice(0, -3)] : [],
  );
  const given = options.zone ?? readVariable("PROOFDNS_ZONE");
  const named = zones.find((zone) => `${zone}/p1` === untrustedOrigin) ?? zones[0];
  const zone = given === undefined ? named : parseZoneName(given);
  if (zone === undefined) {
    throw new ProofdnsError(
      "NO_LOG_KEY",
      "the policy names no log of a zone: give another with --policy, or --log-key",
    );
  }
  return makeTrust({ zone, policy: bytes, sumdbKey, isFreshnessRequired: false, ...platform });
}

/** Key of the checksum database that GOSUMDB names, else of the public one. */
export async function defaultSumdbKey(): Promise<string> {
  return sumdbKeyText(undefined, await readGoEnv(process.env));
}

/**
 * Key of the checksum database: the one given with `--sumdb-key`, else that of GOSUMDB, else the public one, also where GOSUMDB is off and
 * nothing is asked.
 *
 * @throws ProofdnsError `MALFORMED_VERIFIER_KEY` or `MALFORMED_INPUT`, which say where it stands
 */
export function sumdbKeyText(given: string | undefined, { GOSUMDB = "" }: Partial<Pick<GoEnv, "GOSUMDB">>): string {
  const sumdb = given === undefined ? parseGoSumdb(GOSUMDB) : undefined;
  if (sumdb?.kind === "off") return SUM_GOLANG_ORG;
  const text = sumdb?.vkey ?? given ?? SUM_GOLANG_ORG;
  parseKeyArgument(text, sumdb === undefined ? "--sumdb-key" : "GOSUMDB", "checksum database");
  return text;
}
