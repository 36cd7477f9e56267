/**
 * Loads a module of dist, as it is published: under tsx every nested function costs a call that names it, and a thread takes a
 * second to start. `npm run bench` builds dist first. The caller says which module of src it is the build of.
 */
export async function loadDist<T>(path: string): Promise<T> {
  return (await import(new URL(`../dist/${path}.js`, import.meta.url).href)) as T;
}
