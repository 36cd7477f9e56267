import { readFileSync } from "node:fs";

/** The vectors of an operation, as far as seeds are made of them. */
export function vectorsOf<T>(file: string, operation: string): T[] {
  const url = new URL(`../../spec/vectors/${file}`, import.meta.url);
  const { vectors } = JSON.parse(readFileSync(url, "utf8")) as { vectors: (T & { operation: string })[] };
  return vectors.filter((vector) => vector.operation === operation);
}

/** Some of a list: at most `count`, evenly spread. */
export function some<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)] as T);
}
