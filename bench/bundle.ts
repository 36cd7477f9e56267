import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

/** An entry of the package, bundled for a browser. */
export interface Bundle {
  /** Minified. */
  readonly bytes: number;
  readonly gzipped: number;
  readonly brotli: number;
  /** Files that are in it, from the root of the repository. */
  readonly inputs: readonly string[];
  /** Packages of which something is in it. */
  readonly packages: readonly string[];
  /** Bytes that each file or package adds, the largest first. */
  readonly parts: readonly (readonly [name: string, bytes: number])[];
  /** What the bundle leaves to whoever loads it: modules of Node, for one. */
  readonly externals: readonly string[];
}

const root = fileURLToPath(new URL("..", import.meta.url));

/** Most bytes that `proofdns/verify` may take, minified. */
export const VERIFY_LIMIT = 60_000;

/** What each name of the package is in this source, for a browser. */
export const ENTRIES = { "proofdns/verify": "src/client/verify/index.ts", proofdns: "src/client/browser.ts" } as const;

/** What a page needs that verifies answers, records and version lists, and no proof files, evidence or memories. */
export const LOOKUP_NAMES = [
  "makeTrust",
  "verifyHead",
  "epochOfAnswer",
  "verifyAnswer",
  "verifyRecord",
  "verifyVersions",
];

/**
 * Bundles what a file exports: all of it, or the names given. `from` is relative to the root of the repository. Rejects if it needs what no
 * browser has.
 */
export async function makeBundle(from: string, names?: readonly string[]): Promise<Bundle> {
  const exported = names === undefined ? "*" : `{ ${names.join(", ")} }`;
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export ${exported} from "./${from}";`, resolveDir: root, sourcefile: "entry.js" },
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    outfile: "bundle.js",
    metafile: true,
    logLevel: "silent",
  });
  const [output] = Object.values(metafile.outputs);
  const contents = outputFiles[0]?.contents;
  if (output === undefined || contents === undefined) throw new TypeError("nothing was bundled");
  const sizes = new Map<string, number>();
  delete output.inputs["entry.js"];
  for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
    const name = packageOf(path) ?? path;
    sizes.set(name, (sizes.get(name) ?? 0) + bytesInOutput);
  }
  const inputs = Object.keys(metafile.inputs).filter((path) => path !== "entry.js");
  const used = Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : []));
  return {
    bytes: contents.length,
    gzipped: gzipSync(contents, { level: 9 }).length,
    brotli: brotliCompressSync(contents).length,
    inputs,
    packages: [...new Set(used.flatMap((path) => packageOf(path) ?? []))].sort(),
    parts: [...sizes].sort(([, a], [, b]) => b - a),
    externals: [...new Set(output.imports.filter(({ external }) => external).map(({ path }) => path))],
  };
}

/** The package of a file below `node_modules`. */
function packageOf(path: string): string | undefined {
  return /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
}

async function main(): Promise<void> {
  let isReached = true;
  for (const [name, from] of Object.entries(ENTRIES)) {
    const { bytes, gzipped, brotli, packages, parts } = await makeBundle(from);
    console.log(
      `${name}: ${bytes} bytes minified, ${gzipped} gzipped, ${brotli} with brotli; needs ${packages.join(", ")}`,
    );
    for (const [part, size] of parts.slice(0, 8)) console.log(`  ${String(size).padStart(6)}  ${part}`);
    if (name !== "proofdns/verify") continue;
    const lookup = await makeBundle(from, LOOKUP_NAMES);
    console.log(`  of it to verify lookups: ${lookup.bytes} bytes minified, ${lookup.gzipped} gzipped`);
    if (bytes > VERIFY_LIMIT) {
      isReached = false;
      console.log(`  more than the ${VERIFY_LIMIT} bytes that it may take`);
    }
  }
  process.exitCode = isReached ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
