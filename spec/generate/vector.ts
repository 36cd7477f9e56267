/** One test vector: its fields are those of spec/vectors/README.md. */
export interface Vector {
  readonly name: string;
  readonly operation: string;
  readonly expect: unknown;
}

/** The text of a file of vectors: one a line. */
export function formatVectors(vectors: readonly Vector[]): string {
  const seen = new Set<string>();
  for (const { name, operation } of vectors) {
    const id = `${operation}: ${name}`;
    if (seen.has(id)) throw new Error(`two vectors are called "${id}"`);
    seen.add(id);
  }
  return `{ "vectors": [\n${vectors.map((vector) => JSON.stringify(vector)).join(",\n")}\n] }\n`;
}

/** Stops the generator where its own two statements about a vector differ. */
export function agree(what: string, stated: unknown, computed: unknown): void {
  const [a, b] = [JSON.stringify(stated), JSON.stringify(computed)];
  if (a !== b) throw new Error(`${what}: stated ${a}, computed ${b}`);
}
