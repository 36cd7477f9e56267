import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, before, test } from "node:test";
import { type LocalServer, makeProject, runSession, runShell, sessions, startServer } from "./sessions.ts";
import { findSnippets, listPages, readPage } from "./snippet.ts";

const skip = process.platform === "win32" ? "needs a POSIX shell" : false;

let server: LocalServer;
before(async () => {
  server = await startServer();
});
after(() => server.close());

const found = new Set(
  listPages().flatMap((page) =>
    findSnippets(page).flatMap(({ mark }) => (mark?.kind === "test" ? [`${page} ${mark.session}`] : [])),
  ),
);
for (const one of found) {
  const [page = "", name = ""] = one.split(" ");
  const session = sessions.get(name);
  if (session?.isHeavy !== true) continue;
  test(`the blocks "${name}" of ${page} run as they stand`, { skip }, async () => {
    await runSession(page, name, session.hasServer ? server : undefined);
  });
}

test("the ready line of docs/operating.md has the fields of a real one, in their order", () => {
  const shown = findSnippets("docs/operating.md").find(({ language }) => language === "json");
  // It was started without --monitor, which alone adds a field.
  const expected = Object.keys(JSON.parse(shown?.text ?? "{}") as object).filter((name) => name !== "monitor");
  assert.deepEqual(Object.keys(server.ready), expected);
});

/** The fields that the table after `<!-- fields: name -->` names. */
function fieldsOf(name: string): Set<string> {
  const table = readPage("docs/cli.md").split(`<!-- fields: ${name} -->`)[1]?.trimStart().split("\n\n")[0] ?? "";
  const cells = table.split("\n").flatMap((row) => /^\|([^|]*)\|/.exec(row)?.[1] ?? []);
  return new Set(cells.join(" ").match(/(?<=`)[A-Za-z]+(?=`)/g));
}

test("docs/cli.md names every field that JSON lines have", { skip }, async () => {
  const { folder, env } = makeProject();
  const asked = { PROOFDNS_SERVER: server.address, PROOFDNS_POLICY: server.policy, GOSUMDB: server.sumdb };
  const json = async (command: string): Promise<Record<string, unknown>[]> => {
    const ended = await runShell(command, folder, { ...process.env, NODE_TEST_CONTEXT: "", ...env, ...asked });
    return ended.stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  try {
    const checks = await json(
      "GOPRIVATE=example.net proofdns check --json --major example.org/nothing@v1 go.mod ./none",
    );
    assert.deepEqual([...new Set(checks.map(({ type }) => type))].sort(), ["input", "module", "skipped", "summary"]);
    const known = fieldsOf("check");
    for (const line of checks) for (const name of Object.keys(line)) assert.ok(known.has(name), `check: ${name}`);
    const verified = await json(
      "sed 's/ h1:Aw/ h1:Zw/' go.sum >other.sum; proofdns verify --json --all other.sum go.mod",
    );
    assert.ok(verified.length > 5);
    const verifyFields = fieldsOf("verify");
    for (const line of verified)
      for (const name of Object.keys(line)) assert.ok(verifyFields.has(name), `verify: ${name}`);
    const asks = [
      "example.com/hello@v1",
      "--versions example.com/hello",
      "--majors example.com/hello",
      "--toolchain",
      "example.com/nothing",
    ];
    const latest = await json(asks.map((ask) => `proofdns latest --json ${ask}`).join("; "));
    assert.ok(latest.length >= 4);
    const latestFields = fieldsOf("latest");
    for (const line of latest)
      for (const name of Object.keys(line)) assert.ok(latestFields.has(name), `latest: ${name}`);
    const proofs = await json(
      "proofdns prove example.com/hello --record -o a.tlog-proof --json; proofdns verify-proof --json a.tlog-proof",
    );
    assert.equal(proofs.length, 2);
    const proofFields = fieldsOf("proof");
    for (const line of proofs) for (const name of Object.keys(line)) assert.ok(proofFields.has(name), `proof: ${name}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
