import { isDeepStrictEqual } from "node:util";
import type { Implementation } from "./implementation.ts";
import { auditOperations } from "./run-audit.ts";
import { clientOperations } from "./run-client.ts";
import { logOperations, mapOperations, type Operation, treeOperations } from "./run-core.ts";
import { dnsOperations } from "./run-dns.ts";
import { proofFileOperations } from "./run-proof-file.ts";
import { readVectors, VECTOR_FILES, type Vector, type VectorFile } from "./vectors.ts";

/** A vector for which an implementation finds something else than what is expected. */
export interface Mismatch {
  readonly file: VectorFile;
  readonly vector: Vector;
  readonly found: unknown;
}

export interface RunOptions {
  readonly files?: readonly VectorFile[];
  /** Stop at the first mismatch. */
  readonly first?: boolean;
  /** Use the platform's cryptography. */
  readonly fast?: boolean;
}

/** Runs one vector. An error of the project is what it refuses with; any other is a crash. */
export function makeRunner(
  implementation: Implementation,
  isFast = false,
): (file: VectorFile, vector: Vector) => unknown {
  const operations: { readonly [F in VectorFile]: { readonly [operation: string]: Operation } } = {
    "map.json": mapOperations(implementation),
    "tree.json": treeOperations(implementation),
    "log.json": logOperations(implementation),
    "dns.json": dnsOperations(implementation),
    "client.json": clientOperations(implementation, isFast),
    "audit.json": auditOperations(implementation, isFast),
    "proof-file.json": proofFileOperations(implementation, isFast),
  };
  return (file, vector) => {
    const run = operations[file][vector.operation];
    if (run === undefined) throw new Error(`${file}: no operation ${vector.operation}`);
    try {
      return run(vector);
    } catch (error) {
      return implementation.error.isProofdnsError(error) ? { refused: error.code } : { crashed: String(error) };
    }
  };
}

/** Runs all vectors, and gives those for which something else was found. */
export function runVectors(
  implementation: Implementation,
  options: RunOptions = {},
): { count: number; mismatches: Mismatch[] } {
  const run = makeRunner(implementation, options.fast);
  const mismatches: Mismatch[] = [];
  let count = 0;
  for (const file of options.files ?? VECTOR_FILES) {
    for (const vector of readVectors(file)) {
      count++;
      const found = run(file, vector);
      if (isDeepStrictEqual(found, vector.expect)) continue;
      mismatches.push({ file, vector, found });
      if (options.first === true) return { count, mismatches };
    }
  }
  return { count, mismatches };
}
