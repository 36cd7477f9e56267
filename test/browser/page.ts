import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The example page and its script, as a browser gets them; `proofdns` is this source, for browsers. */
export async function serveExample(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const bundled = await build({
    entryPoints: [`${root}examples/browser/page.mjs`],
    alias: { proofdns: `${root}src/client/browser.ts` },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
    logLevel: "silent",
  });
  const files = new Map([
    ["/", { type: "text/html; charset=utf-8", body: await readFile(`${root}examples/browser/index.html`) }],
    ["/page.js", { type: "text/javascript", body: Buffer.from(bundled.outputFiles[0]?.contents ?? []) }],
  ]);
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? "");
    response.writeHead(file === undefined ? 404 : 200, { "content-type": file?.type ?? "text/plain" });
    response.end(file?.body ?? "");
  });
  const port = await listen(server);
  return { url: `http://localhost:${port}/`, close: () => close(server) };
}

/** Binds a server to a free port of 127.0.0.1. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** Closes a server and its connections. */
export async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
