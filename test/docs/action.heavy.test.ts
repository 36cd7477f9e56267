import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inlineInfo, makeElf } from "../go/images.ts";
import { readAction } from "./action.ts";
import { type LocalServer, makeProject, runShell, startServer } from "./sessions.ts";
import { root } from "./snippet.ts";

const action = readAction();
const skip = process.platform === "win32" ? "needs a POSIX shell" : false;
let server: LocalServer;
/** `$GITHUB_ACTION_PATH`: the action's checkout, prepared. */
let checkout: string;

before(async () => {
  server = await startServer();
  checkout = mkdtempSync(join(tmpdir(), "proofdns-action-"));
  for (const part of ["scripts", "dist/cli"]) mkdirSync(join(checkout, part), { recursive: true });
  copyFileSync(join(root, "scripts/action.mjs"), join(checkout, "scripts/action.mjs"));
  // What installs and compiles: here the source is run as it is.
  writeFileSync(join(checkout, "scripts/prepare.mjs"), 'console.error("prepared");\n');
  const source = `import { register } from ${JSON.stringify(import.meta.resolve("tsx/esm/api"))};\nregister();\nawait import(${JSON.stringify(join(root, "src/cli/main.ts"))});\n`;
  writeFileSync(join(checkout, "dist/cli/main.js"), source);
  writeFileSync(join(checkout, "package.json"), '{"type":"module"}\n');
});
after(async () => {
  await server.close();
  rmSync(checkout, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly log: string;
  readonly outputs: string;
  readonly summary: string;
  /** Files of the workspace that were not there before. */
  readonly folder: string;
}

/** Runs the steps as a runner would: inputs put into `env`, each step's text handed to a shell as it stands. */
async function runAction(
  inputs: Readonly<Record<string, string>>,
  look: (ran: Ran) => void,
  more: {
    readonly env?: Readonly<Record<string, string>>;
    readonly files?: ReadonlyMap<string, string | Uint8Array>;
  } = {},
): Promise<void> {
  const { folder, env } = makeProject();
  try {
    mkdirSync(join(folder, "tools"));
    for (const [name, content] of more.files ?? []) writeFileSync(join(folder, name), content);
    const given: Record<string, string> = {
      server: server.address,
      "sumdb-key": server.vkey,
      policy: "p.policy",
      ...inputs,
    };
    for (const name of ["p.policy", "policy"]) copyFileSync(server.policy, join(folder, name));
    const files = { GITHUB_OUTPUT: join(folder, ".output"), GITHUB_STEP_SUMMARY: join(folder, ".summary") };
    for (const file of Object.values(files)) writeFileSync(file, "");
    let log = "";
    let code = 0;
    for (const { run, env: stepEnv } of action.runs.steps) {
      const values = Object.entries(stepEnv ?? {}).map(([name, value]) => {
        const input = /inputs\.([a-z-]+)/.exec(value)?.[1] ?? "";
        return [name, given[input] ?? action.inputs[input]?.default ?? ""] as const;
      });
      const runner = {
        GITHUB_ACTION_PATH: checkout,
        GITHUB_WORKSPACE: folder,
        GITHUB_ACTIONS: "true",
        CI: "true",
        ...files,
      };
      const whole = {
        ...process.env,
        NODE_TEST_CONTEXT: "",
        ...env,
        ...more.env,
        ...runner,
        ...Object.fromEntries(values),
      };
      const ended = await runShell(`set -eo pipefail\n${run}\n`, folder, whole);
      log += ended.stdout + ended.stderr;
      code = ended.code ?? -1;
      if (code !== 0) break;
    }
    look({
      code,
      log,
      outputs: readFileSync(files.GITHUB_OUTPUT, "utf8"),
      summary: readFileSync(files.GITHUB_STEP_SUMMARY, "utf8"),
      folder,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("the action annotates what is outdated, counts it, writes a summary, and does not fail for it", { skip }, () =>
  runAction({}, ({ code, log, outputs, summary }) => {
    assert.equal(code, 0, log);
    assert.equal(outputs, "outdated=1\nexit-code=1\n");
    assert.match(log, /^::warning file=go\.mod,line=7,title=example\.org\/widget::/m);
    assert.match(log, /^example\.org\/widget v0\.4\.0 -> v0\.5\.0 \(outdated, minor\)$/m);
    assert.match(summary, /widget/);
  }),
);

test(
  "fail-on decides from which exit code on the step fails; newer majors count where they are asked for",
  { skip },
  () =>
    runAction({ "fail-on": "outdated", major: "true", direct: "true", paths: "go.mod\n" }, ({ code, log, outputs }) => {
      assert.equal(code, 1, log);
      assert.equal(outputs, "outdated=2\nexit-code=1\n");
      assert.doesNotMatch(log, /example\.net\/untagged/);
    }),
);

test("the policy is a path of the workspace, also where it has the form of a kept policy's name", {
  skip,
}, async () => {
  for (const policy of ["policy", "./policy"]) {
    await runAction({ policy }, ({ log, outputs }) => assert.equal(outputs, "outdated=1\nexit-code=1\n", log));
  }
});

test("what cannot be checked fails the step, and no count is claimed for a check that did not begin", { skip }, () =>
  runAction({ policy: "none.policy" }, ({ code, log, outputs }) => {
    assert.equal(code, 2, log);
    assert.equal(outputs, "outdated=\nexit-code=2\n");
    assert.match(log, /none\.policy/);
  }),
);

test("never fails nothing, not even that, and says the code", { skip }, () =>
  runAction({ policy: "none.policy", "fail-on": "never" }, ({ code, outputs }) => {
    assert.equal(code, 0);
    assert.equal(outputs, "outdated=\nexit-code=2\n");
  }),
);

test("what was not checked is in the log and in the summary, and nothing checked is no clean bill", { skip }, () =>
  runAction(
    {},
    ({ code, log, outputs, summary }) => {
      assert.equal(code, 2, log);
      assert.equal(outputs, "outdated=\nexit-code=2\n");
      assert.match(log, /^nothing was checked; not checked: 3 private$/m);
      assert.match(log, /^::error title=not checked::nothing was checked$/m);
      assert.match(summary, /^nothing was checked$/m);
      assert.match(summary, /^- not checked: 3 modules: private by GOPRIVATE or GONOSUMDB, never sent$/m);
    },
    { env: { GOPRIVATE: "*" } },
  ),
);

test("names of files that were not checked are no commands for the runner", { skip }, () => {
  const tool = makeElf(inlineInfo("go1.24.3", "path\tcommand-line-arguments\n"));
  const goMod =
    "module example.com/m\n\nrequire example.com/hello v1.2.3\nrequire example.org/r v1.0.0\n\nreplace example.org/r => ./r\n";
  return runAction(
    { paths: "odd.mod\ntools" },
    ({ code, log, summary }) => {
      assert.match(log, /^not checked: example\.org\/r v1\.0\.0: replaced by \.\/r/m);
      assert.match(log, /^not checked: tools\/odd\ufffd::error title=x::y: built outside a module/m);
      assert.match(log, /^Go toolchain go1\.24\.3 -> go1\.25\.1 \(outdated, minor\)$/m);
      assert.match(log, /^note: ages unknown: /m);
      assert.match(log, /^1 current; Go versions: 1 outdated; not checked: 1 replaced, 1 no-module$/m);
      assert.match(summary, /^\| Go toolchain \| go1\.24\.3 \| go1\.25\.1 \| minor \|/m);
      assert.match(summary, /example\.org\/r v1\.0\.0: replaced by/);
      assert.doesNotMatch(log + summary, /^::error title=x/m);
      assert.equal(code, 0, log);
    },
    {
      files: new Map<string, string | Uint8Array>([
        ["odd.mod", goMod],
        ["tools/odd\n::error title=x::y", tool],
      ]),
    },
  );
});

const EVIL = "$(touch pwned)`touch pwned`\"; touch pwned; '; touch pwned; # ::set-output name=x::y";

test("inputs that look like commands, options or lines for the runner are values and nothing else", {
  skip,
}, async () => {
  for (const inputs of [
    { paths: EVIL },
    { paths: "--policy=/dev/null\n--help" },
    { paths: "::set-output name=x::y" },
    { zone: EVIL },
    { server: EVIL },
    { cooldown: `1d ${EVIL}` },
    { policy: EVIL },
  ]) {
    await runAction(inputs, ({ code, log, outputs, folder }) => {
      const what = `${JSON.stringify(inputs)}\n${log}`;
      assert.equal(code, 2, what);
      assert.match(outputs, /^outdated=\d*\nexit-code=2\n$/, what);
      assert.ok(!existsSync(join(folder, "pwned")), what);
      assert.doesNotMatch(log, /Usage:|^::set-output/m, what);
    });
  }
});

test("inputs that cannot be meant are refused before anything is asked", { skip }, async () => {
  for (const [inputs, why] of [
    [{ "fail-on": "toString" }, /fail-on: expected one of/],
    [{ direct: "yes" }, /direct: expected true or false/],
    [{ policy: " " }, /policy: name the policy file/],
    [{ zone: "a\nb" }, /zone: one line is expected/],
  ] as const) {
    await runAction(inputs, ({ code, log, outputs }) => {
      assert.equal(code, 2);
      assert.match(log, why);
      assert.equal(outputs, "");
    });
  }
});
