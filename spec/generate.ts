// Makes spec/vectors: `npx tsx spec/generate.ts`; with --check only compares, and ends with 1 if a file differs.
import { readFileSync, writeFileSync } from "node:fs";
import { makeVectorFiles } from "./generate/files.ts";

const isCheck = process.argv.includes("--check");
for (const [name, text] of makeVectorFiles()) {
  const file = new URL(`./vectors/${name}`, import.meta.url);
  if (!isCheck) writeFileSync(file, text);
  else if (readIfThere(file) !== text) {
    console.log(`${name} is not what spec/generate.ts makes`);
    process.exitCode = 1;
  }
}

function readIfThere(file: URL): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
