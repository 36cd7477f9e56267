import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadImplementation } from "./implementation.ts";
import { makeRunner } from "./run.ts";
import { readVectors, VECTOR_FILES, type Vector } from "./vectors.ts";

const run = makeRunner(await loadImplementation(fileURLToPath(new URL("../../src", import.meta.url))));

for (const file of VECTOR_FILES) {
  const operations = new Map<string, Vector[]>();
  for (const vector of readVectors(file)) {
    operations.set(vector.operation, [...(operations.get(vector.operation) ?? []), vector]);
  }
  for (const [operation, vectors] of operations) {
    describe(`${file}: ${operation}`, () => {
      for (const vector of vectors) {
        test(vector.name === "" ? "(empty)" : vector.name, () => {
          assert.deepEqual(run(file, vector), vector.expect);
        });
      }
    });
  }
}
