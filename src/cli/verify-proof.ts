import { Command } from "commander";
import { MAX_PROOF_FILE_LENGTH, PROOF_FILE_TYPE, verifyProofFile } from "../client/verify/files.ts";
import { readInputFile } from "../input/input-file.ts";
import { printable } from "../input/printable.ts";
import { decodeUtf8 } from "../vindex/bytes.ts";
import { ProofdnsError } from "../vindex/error.ts";
import { formatSpan } from "./age-text.ts";
import { EXIT, exitCodeOf, messageOf } from "./exit-code.ts";
import { addKeyOptions, type KeyOptions, readKeys } from "./key-options.ts";
import { describeProof, exitCodeOfProof, proofToJson } from "./proof-output.ts";

interface VerifyProofOptions extends KeyOptions {
  readonly json?: boolean;
}

/** Seconds that a cosigner's clock may be ahead of this one. */
const MAX_SKEW = 300;

/** Makes the command `proofdns verify-proof`. */
export function makeVerifyProofCommand(): Command {
  const command = new Command("verify-proof")
    .description("check proof files with keys alone: no network, no state, whatever their age, which is told")
    .argument("<file...>", "files that `proofdns prove` wrote")
    .option("--json", "print one JSON object a line");
  return addKeyOptions(command).action(async (files: string[], options: VerifyProofOptions) => {
    let exitCode: number = EXIT.proven;
    for (const file of files) exitCode = Math.max(exitCode, await verifyProof(file, options));
    if (!options.json && exitCode < EXIT.unchecked)
      console.log("Nothing was asked and nothing was remembered: this holds by the keys alone.");
    process.exitCode = exitCode;
  });
}

async function verifyProof(file: string, options: VerifyProofOptions): Promise<number> {
  const now = Math.floor(Date.now() / 1000);
  try {
    const text = decodeUtf8(await readInputFile(file, 2 * MAX_PROOF_FILE_LENGTH, "the proof file"));
    if (text === undefined || !text.startsWith(`${PROOF_FILE_TYPE}\n`)) {
      throw new ProofdnsError(
        "MALFORMED_INPUT",
        `${printable(file)} is no proof file: those begin with ${PROOF_FILE_TYPE}, and \`proofdns prove\` writes them`,
      );
    }
    const trust = await readKeys(options, originOf(text));
    const proof = verifyProofFile(trust, text);
    const ahead = proof.head.ageTime - now;
    if (ahead > MAX_SKEW) {
      throw new ProofdnsError(
        "FROM_FUTURE",
        `its cosignatures are ${formatSpan(ahead)} ahead of this machine's clock; is the clock right?`,
      );
    }
    if (options.json) console.log(JSON.stringify({ ...proofToJson(trust, proof, now), file }));
    else console.log(`${printable(file)}\n${describeProof(trust, proof, now)}`);
    return exitCodeOfProof(proof);
  } catch (error) {
    if (!(error instanceof ProofdnsError)) throw error;
    if (options.json) {
      const { code } = error;
      console.log(
        JSON.stringify({ schemaVersion: 1, file, status: "error", code, message: printable(messageOf(error)) }),
      );
    } else {
      const message = printable(messageOf(error), 600);
      // What could not even be read says so by name.
      const where = message.includes(printable(file)) ? "" : `${printable(file)}: `;
      console.error(`proofdns: ${where}${message}${hintOn(error)} [${error.code}]`);
    }
    return exitCodeOf(error);
  }
}

/** What may be another than the user means. */
function hintOn({ code }: ProofdnsError): string {
  if (code === "BAD_SUMDB_SIGNATURE") return "; is GOSUMDB or --sumdb-key the right one?";
  return code === "BAD_LOG_SIGNATURE" ? "; is the policy that of its log?" : "";
}

/** The log that a file claims to be of: first line of its checkpoint. */
function originOf(text: string): string | undefined {
  const at = text.indexOf("\n\n");
  return at < 0 ? undefined : text.slice(at + 2, text.indexOf("\n", at + 2));
}
