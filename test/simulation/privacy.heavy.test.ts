import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { HostileServer } from "../attack/hostile-server.ts";
import { makeTimedWorld, User } from "./scene.ts";

/** What the running commands ask a server that writes everything down: nothing of what is private, in whatever way it is said. */

const world = await makeTimedWorld();
const server = await HostileServer.start(world.answers());
const users: User[] = [];
after(async () => {
  await server.close();
  await Promise.all(users.map((user) => user.remove()));
  await world.close();
});

const SECRET = "corp.example.net/secret/plans";
const PUBLIC = "example.com/steady";
const HASH = `h1:${"A".repeat(43)}=`;

interface Asked {
  readonly names: readonly string[];
  readonly output: string;
  readonly code: number | string | null;
}

/** Runs one command over files with a secret and a public module, and gives what reached the server. */
async function ask(env: Readonly<Record<string, string>>, args: (folder: string) => readonly string[]): Promise<Asked> {
  const user = await User.make();
  users.push(user);
  await writeFile(
    join(user.folder, "go.mod"),
    `module corp.example.net/secret/app\n\ngo 1.21\n\nrequire (\n\t${SECRET} v1.0.0\n\t${PUBLIC} v1.0.0\n)\n`,
  );
  await writeFile(
    join(user.folder, "go.sum"),
    `${SECRET} v1.0.0 ${HASH}\n${SECRET} v1.0.0/go.mod ${HASH}\n${PUBLIC} v1.0.0 ${HASH}\n`,
  );
  await mkdir(join(user.folder, "config", "go"), { recursive: true });
  const goEnv = join(user.folder, "config", "go", "env");
  await writeFile(goEnv, env["file"] ?? "");
  const { file: _, ...rest } = env;
  server.asked.length = 0;
  const [command = "", ...more] = args(user.folder);
  const ended = await user.with({ GOENV: goEnv, ...rest }).run(command, "--server", server.address, ...more);
  return { names: [...server.asked], output: ended.stdout + ended.stderr, code: ended.code };
}

const isSecret = (name: string): boolean => /secret|plans|corp/.test(name);
const goMod = (folder: string): string => join(folder, "go.mod");
const goSum = (folder: string): string => join(folder, "go.sum");

const WAYS: readonly (readonly [what: string, env: Readonly<Record<string, string>>])[] = [
  ["GOPRIVATE", { GOPRIVATE: "corp.example.net" }],
  ["a pattern of GOPRIVATE", { GOPRIVATE: "x.example,*.example.net/sec*" }],
  ["GONOSUMDB", { GONOSUMDB: "corp.example.net/secret" }],
  ["GOPRIVATE in the file of go env -w", { file: "GOPRIVATE=corp.example.net\n", GOPRIVATE: "" }],
];

test("nothing private is asked by check and verify, and it is counted", async () => {
  for (const [what, env] of WAYS) {
    for (const args of [
      (folder: string) => ["check", "--major", goMod(folder)],
      (folder: string) => ["verify", goSum(folder)],
    ]) {
      const { names, output } = await ask(env, args);
      const [command] = args("");
      assert.ok(!names.some(isSecret), `${what}, ${command}: ${names.filter(isSecret).join()}`);
      assert.ok(
        names.some((name) => name.includes("steady")),
        `${what}, ${command}: asked ${names.join()}\n${output}`,
      );
      assert.match(output, /private/i, `${what}, ${command}`);
    }
  }
});

test("a secret that is not declared private is asked, so that the other tests mean something", async () => {
  const { names } = await ask({}, (folder) => ["check", goMod(folder)]);
  assert.ok(names.some(isSecret), names.join());
});

test("with GOSUMDB=off nothing is asked at all", async () => {
  const { names, output } = await ask({ GOSUMDB: "off" }, (folder) => ["check", goMod(folder)]);
  assert.deepEqual(names, [], output);
});

test("with --hashed no name of a module is asked", async () => {
  const { names, output } = await ask({}, (folder) => ["check", "--hashed", "--major", goMod(folder)]);
  assert.ok(
    names.length > 2 && names.every((name) => !isSecret(name) && !name.includes("steady")),
    `${names.join()}\n${output}`,
  );
});

test("with --offline nothing is asked at all", async () => {
  for (const command of [
    (folder: string) => ["check", goMod(folder), "--retractions", "--cooldown", "1d"],
    (folder: string) => ["verify", goSum(folder)],
    () => ["latest", PUBLIC, "--record"],
  ]) {
    const own = (folder: string): string[] => ["--offline", "--cache", join(folder, "cache")];
    const { names, code } = await ask({}, (folder) => [...command(folder), ...own(folder)]);
    assert.deepEqual(names, []);
    assert.equal(code, 2);
  }
});

test("a module proxy is asked for no go.mod of a private module, nor of one that GONOPROXY names", async () => {
  const asked: string[] = [];
  const proxy = createServer((request, response) => {
    asked.push(String(request.url));
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  try {
    const GOPROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    for (const env of [
      { GOPRIVATE: "corp.example.net" },
      { GONOPROXY: "corp.example.net", GONOSUMDB: "corp.example.net" },
    ]) {
      await ask({ ...env, GOPROXY, GOMODCACHE: "/nowhere" }, (folder) => ["check", "--retractions", goMod(folder)]);
      assert.ok(!asked.some(isSecret), asked.join());
      assert.ok(
        asked.some((url) => url.includes(PUBLIC)),
        asked.join(),
      );
    }
  } finally {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  }
});
