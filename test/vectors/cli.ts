// Runs the vectors against an implementation: node --import tsx test/vectors/cli.ts --root src [--first] [--fast] [--file client.json]
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { loadImplementation } from "./implementation.ts";
import { runVectors } from "./run.ts";
import { VECTOR_FILES } from "./vectors.ts";

const { values } = parseArgs({
  options: {
    root: { type: "string", default: "src" },
    first: { type: "boolean", default: false },
    fast: { type: "boolean", default: false },
    file: { type: "string", multiple: true },
  },
});

const files =
  values.file === undefined
    ? VECTOR_FILES
    : values.file.flatMap((name) => VECTOR_FILES.filter((file) => file === name));
const implementation = await loadImplementation(resolve(values.root));
const { count, mismatches } = runVectors(implementation, { files, first: values.first, fast: values.fast });
const short = (value: unknown) => (JSON.stringify(value) ?? "undefined").slice(0, 300);
for (const { file, vector, found } of mismatches) {
  console.log(`${file}: ${vector.operation}: ${vector.name}: expected ${short(vector.expect)}, found ${short(found)}`);
}
console.log(`${count} vectors, ${mismatches.length} mismatches`);
if (mismatches.length > 0) process.exitCode = 1;
