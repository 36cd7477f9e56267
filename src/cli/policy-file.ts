import { join } from "node:path";
import { readInputFile } from "../input/input-file.ts";
import { printable } from "../input/printable.ts";
import { ProofdnsError } from "../vindex/error.ts";
import type { Policy } from "../vindex/policy.ts";
import { parsePolicy } from "../vindex/policy.ts";
import { policyFolder } from "./folders.ts";

/** Policies are lines of keys; a thousand witnesses take 100 kB. */
const MAX_POLICY_LENGTH = 1 << 20;

/** Name of the policy that is used where none is given. */
export const DEFAULT_POLICY = "default";

/** A policy as read. */
export interface PolicyText {
  /** Where it was read. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly policy: Policy;
}

/** True for what is a name of a policy and not a path: no dot, no slash. */
export function isPolicyName(text: string): boolean {
  return /^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$/.test(text);
}

/** File of a named policy. */
export function policyPath(name: string): string {
  return join(policyFolder(), `${name}.policy`);
}

/**
 * Reads the policy that a user named, by path or by name; undefined is the one named `default`. A name is never looked up in the working
 * directory: a folder that was fetched from somewhere must not say whom to trust.
 *
 * @throws ProofdnsError `MALFORMED_POLICY`: what cannot be read or parsed is never taken for "no policy"
 */
export async function readPolicy(nameOrPath: string | undefined): Promise<PolicyText> {
  const name = nameOrPath ?? DEFAULT_POLICY;
  const path = isPolicyName(name) ? policyPath(name) : name;
  let bytes: Uint8Array;
  try {
    bytes = await readInputFile(path, MAX_POLICY_LENGTH, "the policy", "MALFORMED_POLICY");
  } catch (error) {
    if (!(error instanceof ProofdnsError)) throw error;
    if (!isPolicyName(name)) {
      const message = `${error.message}; a policy is a file of keys, which the operator of the index gives out`;
      throw new ProofdnsError("MALFORMED_POLICY", message, { cause: error });
    }
    const next =
      nameOrPath === undefined
        ? "give one with --policy FILE or $PROOFDNS_POLICY, or keep one for all times with: proofdns policy add default FILE"
        : `keep it with: proofdns policy add ${name} FILE; a file of that name here is --policy ./${name}`;
    const what = nameOrPath === undefined ? "no policy says which keys to trust" : `no policy named ${name}`;
    throw new ProofdnsError("MALFORMED_POLICY", `${what} (${error.message}); ${next}`, { cause: error });
  }
  try {
    return { path, bytes, policy: parsePolicy(bytes) };
  } catch (error) {
    if (!(error instanceof ProofdnsError)) throw error;
    throw new ProofdnsError("MALFORMED_POLICY", `${printable(path)}: ${error.message}`, { cause: error });
  }
}
