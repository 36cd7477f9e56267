import { readdir, rm } from "node:fs/promises";
import { Command } from "commander";
import { makeFolder } from "../client/make-folder.ts";
import { printable } from "../input/printable.ts";
import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";
import { formatVerifierKey } from "../vindex/note.ts";
import type { Policy, QuorumRule } from "../vindex/policy.ts";
import { readVariable } from "./environment.ts";
import { exitCodeOf, messageOf } from "./exit-code.ts";
import { policyFolder } from "./folders.ts";
import { writeOutputFile } from "./output-file.ts";
import { DEFAULT_POLICY, isPolicyName, policyPath, readPolicy } from "./policy-file.ts";

/** Makes the command `proofdns policy`. */
export function makePolicyCommand(): Command {
  return new Command("policy")
    .description("show and keep policies: files that say which log and which cosigners are trusted")
    .addCommand(makeShowCommand())
    .addCommand(makeListCommand())
    .addCommand(makeAddCommand())
    .addCommand(makeRemoveCommand());
}

function makeShowCommand(): Command {
  return new Command("show")
    .description("explain whom a policy trusts, and for what")
    .argument(
      "[file|name]",
      "policy file, or name of a kept one (default: $PROOFDNS_POLICY, or the policy named default)",
    )
    .action(async (nameOrPath: string | undefined) => {
      const { path, policy } = await readPolicy(nameOrPath ?? readVariable("PROOFDNS_POLICY"));
      console.log(printable(path));
      for (const sentence of describePolicy(policy)) console.log(sentence);
    });
}

function makeListCommand(): Command {
  return new Command("list").description("list the policies that are kept").action(async () => {
    const known = await keptPolicies();
    if (known.length === 0) {
      console.error(
        `proofdns: no policies in ${printable(policyFolder())}; keep one with: proofdns policy add NAME FILE`,
      );
    }
    for (const name of known) {
      try {
        const { policy } = await readPolicy(name);
        const logs = policy.logs.map(({ verifierKey }) => printable(verifierKey.keyName)).join(", ");
        console.log(`${name}\t${logs}\t${describeQuorum(policy)}`);
      } catch (error) {
        // One that is spoilt hides none of the others.
        if (!isProofdnsError(error)) throw error;
        const message = `the policy named ${name} cannot be used: ${printable(messageOf(error), 1000)}`;
        console.error(`proofdns: ${message}; to be rid of it: proofdns policy remove ${name} [${error.code}]`);
        process.exitCode = exitCodeOf(error);
      }
    }
  });
}

/** Names of the policies that are kept, sorted. */
async function keptPolicies(): Promise<string[]> {
  const folder = policyFolder();
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    const message = `cannot read ${printable(folder)}, where policies are kept: ${messageOf(cause)}`;
    throw new ProofdnsError("MALFORMED_POLICY", message, { cause });
  }
  return names
    .flatMap((name) => (name.endsWith(".policy") ? [name.slice(0, -".policy".length)] : []))
    .filter(isPolicyName)
    .sort();
}

/** @throws ProofdnsError `MALFORMED_INPUT` for what cannot be the name of a policy */
function checkPolicyName(name: string): void {
  if (isPolicyName(name)) return;
  const shown = JSON.stringify(printable(name, 100));
  throw new ProofdnsError("MALFORMED_INPUT", `${shown} is no name for a policy; expected letters, digits, - and _`);
}

function makeRemoveCommand(): Command {
  return new Command("remove")
    .description("remove a policy that is kept; what is remembered of its log stays")
    .argument("<name>", "as `policy list` shows it")
    .action(async (name: string) => {
      checkPolicyName(name);
      const known = await keptPolicies();
      if (!known.includes(name)) {
        const kept = known.length === 0 ? "none is kept there" : `kept there: ${known.slice(0, 20).join(", ")}`;
        throw new ProofdnsError(
          "MALFORMED_INPUT",
          `no policy named ${name} in ${printable(policyFolder())}; ${kept}${known.length > 20 ? ", …" : ""}`,
        );
      }
      // Whatever is in it: what cannot be read is what one wants to be rid of.
      await rm(policyPath(name)).catch((cause: unknown) => {
        const message = `cannot remove ${printable(policyPath(name))}: ${messageOf(cause)}; remove it by hand`;
        throw new ProofdnsError("MALFORMED_INPUT", message, { cause });
      });
      console.log(printable(policyPath(name)));
    });
}

function makeAddCommand(): Command {
  return new Command("add")
    .description(
      `keep a policy under a name, for --policy NAME; the one named ${DEFAULT_POLICY} is used where none is given`,
    )
    .argument("<name>", "letters, digits, - and _")
    .argument("<file>", "policy file, which you got by a way that you trust")
    .option("--force", "replace the policy of that name")
    .action(async (name: string, file: string, options: { force?: boolean }) => {
      checkPolicyName(name);
      const { bytes, policy } = await readPolicy(isPolicyName(file) ? `./${file}` : file);
      await makeFolder(policyFolder()).catch((cause: unknown) => {
        throw new ProofdnsError(
          "MALFORMED_INPUT",
          `cannot make the folder ${printable(policyFolder())}: ${messageOf(cause)}`,
          { cause },
        );
      });
      await writeOutputFile(
        policyPath(name),
        new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
        options.force === true,
      );
      console.log(printable(policyPath(name)));
      for (const sentence of describePolicy(policy)) console.log(sentence);
    });
}

/** What a policy trusts, in sentences. */
export function describePolicy(policy: Policy): string[] {
  const logs = policy.logs.map(({ verifierKey }) => `log      ${formatVerifierKey(verifierKey)}`);
  const witnesses = policy.witnesses.map(
    ({ name, verifierKey }) => `cosigner ${name} ${formatVerifierKey(verifierKey)}`,
  );
  return [...logs, ...witnesses, `quorum   ${describeQuorum(policy)}`, ...claimsOf(policy)].map((line) =>
    printable(line, 1000),
  );
}

function claimsOf(policy: Policy): string[] {
  const claims = [
    "A log's key is trusted to say what the index holds; that it says the same to everybody is what the cosigners are for.",
  ];
  if (policy.logs.length === 0) claims.push("Warning: no log is named, so no answer can be verified.");
  if (policy.quorum === undefined) {
    claims.push(
      "Warning: the quorum is none. Nothing proves that an answer is fresh: commands end with exit code 2 without --no-freshness.",
    );
  } else if (policy.witnesses.length === 1 || isClockAlone(policy)) {
    claims.push(
      "Note: one cosigner alone makes the quorum. If that is the operator's own clock, freshness is the operator's word.",
    );
  }
  return claims;
}

/** True if some single cosigner satisfies the quorum. */
function isClockAlone({ quorum, witnesses }: Policy): boolean {
  const isSatisfied = (rule: QuorumRule, keyId: number): boolean => {
    if (rule.kind === "witness") return rule.keyId === keyId;
    return rule.members.filter((member) => isSatisfied(member, keyId)).length >= rule.threshold;
  };
  return quorum !== undefined && witnesses.some(({ verifierKey }) => isSatisfied(quorum, verifierKey.keyId));
}

function describeQuorum({ quorum, witnesses }: Policy): string {
  const nameOf = (keyId: number): string =>
    printable(witnesses.find(({ verifierKey }) => verifierKey.keyId === keyId)?.name ?? "?");
  const describe = (rule: QuorumRule): string => {
    if (rule.kind === "witness") return nameOf(rule.keyId);
    const { threshold, members } = rule;
    const list = members.map(describe).join(", ");
    if (members.length === 1) return list;
    const count = threshold === members.length ? "all" : threshold === 1 ? "any" : String(threshold);
    return `${count} of (${list})`;
  };
  return quorum === undefined ? "none" : describe(quorum);
}
