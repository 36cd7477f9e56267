// Runs the vectors against one changed copy of src after the other: a process for many, since starting takes longer than running.
import { loadImplementation } from "../vectors/implementation.ts";
import { runVectors } from "../vectors/run.ts";
import type { VectorFile } from "../vectors/vectors.ts";

interface Task {
  readonly root: string;
  readonly files: readonly VectorFile[];
}

process.on("message", async ({ root, files }: Task) => {
  let caught: string | undefined;
  try {
    const { mismatches } = runVectors(await loadImplementation(root), { files, first: true, fast: true });
    const [mismatch] = mismatches;
    if (mismatch !== undefined) caught = `${mismatch.file}: ${mismatch.vector.operation}: ${mismatch.vector.name}`;
  } catch (error) {
    caught = `it does not run: ${error}`;
  }
  process.send?.({ caught });
});
