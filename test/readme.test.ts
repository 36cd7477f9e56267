import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { formatH1 } from "../src/vindex/record.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The fenced block after `<!-- test: <language> -->`. */
function snippet(language: string): string {
  const match = new RegExp(`<!-- test: ${language} -->\n\`\`\`${language}\n([^]*?)\`\`\``).exec(readme);
  assert.ok(match?.[1], `README.md has a tested ${language} snippet`);
  return match[1];
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  server.close();
  assert.ok(address !== null && typeof address === "object");
  return String(address.port);
}

test("the README's shell and library snippets run as they stand", {
  skip: process.platform === "win32" ? "needs a POSIX shell" : false,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "proofdns-readme-"));
  try {
    // `npx proofdns` of the README is this checkout's command.
    mkdirSync(join(folder, "bin"));
    const run = `#!/bin/sh\nshift\nexec ${process.execPath} --import ${import.meta.resolve("tsx")} ${join(root, "src/cli/main.ts")} "$@"\n`;
    writeFileSync(join(folder, "bin", "npx"), run);
    chmodSync(join(folder, "bin", "npx"), 0o755);
    const h1 = formatH1(new Uint8Array(32).fill(7));
    writeFileSync(join(folder, "go.sum"), `example.com/hello v1.2.3 ${h1}\nexample.com/hello v1.2.3/go.mod ${h1}\n`);
    const [web, dns] = [await freePort(), await freePort()];
    const local = (text: string): string => text.replaceAll("8080", web).replaceAll("5300", dns);
    const library = local(snippet("js")).replace('"proofdns"', JSON.stringify(join(root, "src/client/index.ts")));
    writeFileSync(join(folder, "snippet.mjs"), library);
    // tsx is looked up from where a module is imported; the shell runs elsewhere.
    const node = `${process.execPath} --import ${JSON.stringify(import.meta.resolve("tsx"))}`;
    const script = `set -e\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n${local(snippet("sh"))}\nSUMDB_KEY="$KEY" ${node} snippet.mjs\n`;
    const child = spawn("bash", ["-c", script], {
      cwd: folder,
      env: { ...process.env, PATH: `${join(folder, "bin")}:${process.env["PATH"]}` },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 0, errors);
    assert.match(output, /^example\.com\/hello v1\.2\.3 \(release, index 0, epoch 1, \d+ s old\)\nv1\.2\.3\n$/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
