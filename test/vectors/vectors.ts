import { readFileSync } from "node:fs";

/** One vector as it stands in a file of spec/vectors. */
export interface Vector {
  readonly name: string;
  readonly operation: string;
  readonly expect: unknown;
}

export const VECTOR_FILES = [
  "map.json",
  "tree.json",
  "log.json",
  "dns.json",
  "client.json",
  "audit.json",
  "proof-file.json",
] as const;

export type VectorFile = (typeof VECTOR_FILES)[number];

/** Reads a file of spec/vectors. */
export function readVectors(file: VectorFile): Vector[] {
  const url = new URL(`../../spec/vectors/${file}`, import.meta.url);
  return (JSON.parse(readFileSync(url, "utf8")) as { vectors: Vector[] }).vectors;
}
