/**
 * `npm run test:browser`: the example page in a real Chromium, headless, against a server of this checkout on loopback.
 * The page comes from another origin than the server. What a proxy changes on the way is refused, and nothing of it is shown.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeSampleRecords } from "../../src/cli/sample-records.ts";
import { encodePathName } from "../../src/dns/module-name.ts";
import { joinName, parseName } from "../../src/dns/name.ts";
import { Command } from "../cli/process.ts";
import { writeSampleFile } from "../dns/sample-file.ts";
import { makeCertificate } from "../dns/self-signed.ts";
import { explainMissing, launchChromium, type Page } from "./chromium.ts";
import { serveExample } from "./page.ts";
import { isHead, payloadOf, replyWith, startProxy, type Tamper } from "./tamper.ts";

const ZONE = "l.example.org";

const missing = explainMissing();
if (missing !== undefined) {
  console.error(missing);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), "proofdns-browser-"));
const closers: (() => Promise<unknown>)[] = [];
let failed = 0;

/** Codes of the refusals of the case in hand. */
const codes = new Set<string>();

/** Runs one case, and says what became of it. */
async function test(name: string, run: () => Promise<void>): Promise<void> {
  codes.clear();
  try {
    await run();
    console.log(`ok - ${name}${codes.size === 0 ? "" : `: ${[...codes].sort().join(", ")}`}`);
  } catch (error) {
    failed++;
    console.log(`not ok - ${name}\n${error instanceof Error ? error.stack : String(error)}`);
  }
}

/** What the page shows in the end. */
interface Shown {
  readonly state: string;
  readonly text: string;
  /** All that the page holds. */
  readonly html: string;
}

async function main(): Promise<void> {
  writeSampleFile(join(folder, "records.tsv"));
  const records = ["--records", join(folder, "records.tsv")];
  const sumdb = new Command(["sumdb", "--listen", "127.0.0.1:0", "--data", join(folder, "sumdb"), ...records]);
  closers.push(() => sumdb.stop());
  const sumdbReady = await sumdb.json();
  const files = makeCertificate();
  writeFileSync(join(folder, "cert.pem"), files.cert);
  writeFileSync(join(folder, "key.pem"), files.key, { mode: 0o600 });
  const startServer = async (data: string, ...tls: string[]): Promise<Record<string, unknown>> => {
    const where = ["--zone", ZONE, "--listen", "127.0.0.1:0", "--data", join(folder, data), "--doh", "127.0.0.1:0"];
    const source = ["--sumdb", `${sumdbReady["vkey"]} ${sumdbReady["url"]}`, "--poll", "1s", "--heartbeat", "1s"];
    const server = new Command(["serve", ...where, ...source, "--epoch-interval", "0s", "--threads", "1", ...tls]);
    closers.unshift(() => server.stop());
    return server.json();
  };
  const ready = await startServer("data");
  const doh = (ready["doh"] as string[])[0] as string;
  const policy = readFileSync(String(ready["policy"]), "utf8");
  const example = await serveExample();
  closers.push(() => example.close());
  const proxy = await startProxy(doh);
  closers.push(() => proxy.close());
  const context = await launchChromium(join(folder, "profile"), files.spkiHash);
  closers.unshift(() => context.close());
  const version = context.browser()?.version() ?? "";
  console.log(`# Chromium ${version}, page of ${new URL(example.url).origin}, server ${doh}`);

  const ask = async (server: string, path: string, isMajors = false, keys = policy): Promise<Shown> => {
    const page = await context.newPage();
    try {
      await page.goto(example.url);
      return await fillAndAsk(
        page,
        { server, zone: ZONE, policy: keys, sumdb: String(sumdbReady["vkey"]), module: path },
        isMajors,
      );
    } finally {
      await page.close();
    }
  };
  const refuses = async (path: string, code: string | RegExp, tamper: Tamper): Promise<void> => {
    proxy.tamper = tamper;
    proxy.changed = 0;
    const shown = await ask(proxy.url, path);
    assert.ok(proxy.changed > 0, "the proxy changed something");
    assert.equal(shown.state, "refused", shown.text);
    assert.match(shown.text, typeof code === "string" ? new RegExp(`^Nothing is proven: ${code}\n`) : code);
    assert.doesNotMatch(shown.html, /v\d+\.\d+\.\d+/, "no version of any kind is on the page");
    codes.add(shown.text.split("\n")[0]?.replace("Nothing is proven: ", "") ?? "");
  };

  const { module, other, family } = chooseSubjects();
  const honest = await ask(doh, module);

  await test("a module is proven, from a page of another origin", async () => {
    assert.equal(honest.state, "proven", honest.text);
    assert.match(honest.text, new RegExp(`^${module.replaceAll(".", "\\.")} v\\d+\\.\\d+\\.\\d+`));
  });
  await test("an absent module is proven absent", async () => {
    const { state, text } = await ask(doh, "example.com/no/such/module");
    assert.equal(state, "proven", text);
    assert.match(text, /^example\.com\/no\/such\/module is not in the checksum database\n/);
  });
  await test("all majors of a module are proven", async () => {
    const { state, text } = await ask(doh, family, true);
    assert.equal(state, "proven", text);
    assert.ok(text.includes(`${family}/v2 v2.`), text);
  });
  await test("the honest proxy changes nothing", async () => {
    proxy.tamper = (reply) => reply;
    assert.equal((await ask(proxy.url, module)).text.split("\n")[0], honest.text.split("\n")[0]);
  });

  const answers =
    (change: (payload: Uint8Array) => Uint8Array): Tamper =>
    (reply, name) =>
      isHead(name) ? reply : replyWith(reply, name, change(payloadOf(reply, name)));
  const heads =
    (change: (payload: Uint8Array) => Uint8Array): Tamper =>
    (reply, name) =>
      isHead(name) ? replyWith(reply, name, change(payloadOf(reply, name))) : reply;
  const flip =
    (at: (payload: Uint8Array) => number) =>
    (payload: Uint8Array): Uint8Array => {
      const out = payload.slice();
      const place = at(out);
      out[place] = (out[place] ?? 0) ^ 1;
      return out;
    };

  await test("one bit of the answer's version is refused", () => refuses(module, "BAD_PROOF", answers(flip(() => 3))));
  await test("one bit of the answer's proof is refused", () =>
    refuses(module, "BAD_PROOF", answers(flip((payload) => payload.length - 1))));
  await test("one bit of the head is refused", () =>
    refuses(
      module,
      /^Nothing is proven: (BAD_\w+|MALFORMED_\w+|ROOT_MISMATCH)\n/,
      heads(flip((payload) => payload.length - 1)),
    ));
  await test("one bit of each of 20 places of the head is refused", async () => {
    for (let i = 0; i < 20; i++) {
      await refuses(
        module,
        /^Nothing is proven: [A-Z_]+\n/,
        heads(flip((payload) => Math.floor((payload.length * i) / 20))),
      );
    }
  });
  await test("an answer without its proof is refused", () =>
    refuses(
      module,
      "MALFORMED_ANSWER",
      answers((payload) =>
        payload.subarray(
          0,
          payload.findIndex((byte) => byte < 0x20),
        ),
      ),
    ));
  const wireOf = (path: string): Uint8Array => {
    const name = joinName([...(encodePathName(path) ?? []), "p1"], parseName(ZONE));
    if (name === undefined) throw new TypeError(`${path} has no name`);
    return name;
  };
  await test("the answer of another module is refused", () =>
    refuses(module, /^Nothing is proven: (ROOT_MISMATCH|BAD_\w+|MALFORMED_\w+)\n/, async (reply, name, fetchName) => {
      if (isHead(name)) return reply;
      const swapped = wireOf(other);
      return replyWith(reply, name, payloadOf(await fetchName(swapped), swapped));
    }));
  await test("a present module that is said to be absent is refused", () =>
    refuses(module, /^Nothing is proven: (ROOT_MISMATCH|BAD_\w+|MALFORMED_\w+)\n/, async (reply, name, fetchName) => {
      if (isHead(name)) return reply;
      const swapped = wireOf("example.com/no/such/module");
      return replyWith(reply, name, payloadOf(await fetchName(swapped), swapped));
    }));
  await test("NXDOMAIN and nothing at all are refused", async () => {
    const denied = (reply: Uint8Array, name: Uint8Array, rcode: number): Uint8Array => {
      const out = reply.slice(0, 12 + name.length + 4);
      out.set([0, 1, 0, 0, 0, 0, 0, 0], 4);
      out[3] = ((out[3] ?? 0) & 0xf0) | rcode;
      return out;
    };
    await refuses(module, "NO_ANSWER", (reply, name) => (isHead(name) ? reply : denied(reply, name, 3)));
    await refuses(module, /^Nothing is proven: (UNREACHABLE|REFUSED)\n/, (reply, name) => denied(reply, name, 5));
    await refuses(module, /^Nothing is proven: (UNREACHABLE|MALFORMED_MESSAGE)\n/, () => new Uint8Array(0));
  });
  await test("the keys of another log are refused", async () => {
    const foreign = await startServer("other");
    const keys = readFileSync(String(foreign["policy"]), "utf8");
    const { state, text, html } = await ask(doh, module, false, keys);
    assert.equal(state, "refused", text);
    assert.match(text, /^Nothing is proven: BAD_/);
    assert.doesNotMatch(html, /v\d+\.\d+\.\d+/);
  });
  await test("a server that is not there is said", async () => {
    const { state, text } = await ask("http://127.0.0.1:9/dns-query", module);
    assert.equal(state, "refused");
    assert.match(text, /^Nothing is proven: UNREACHABLE\n/);
  });
  await test("by TLS and HTTP/2 it is the same", async () => {
    const tls = ["--doh-cert", join(folder, "cert.pem"), "--doh-key", join(folder, "key.pem")];
    const secure = await startServer("secure", ...tls);
    const url = (secure["doh"] as string[])[0] as string;
    assert.match(url, /^https:/);
    const keys = readFileSync(String(secure["policy"]), "utf8");
    const { state, text } = await ask(url, module, false, keys);
    assert.equal(state, "proven", text);
  });
}

/** Two modules with releases, and one of which there is a `/v2`. */
function chooseSubjects(): { module: string; other: string; family: string } {
  const released = new Set<string>();
  for (const text of makeSampleRecords()) {
    const [path = "", version = ""] = text.split(" ");
    if (/^v\d+\.\d+\.\d+$/.test(version)) released.add(path);
  }
  const family = [...released].find((path) => released.has(`${path}/v2`));
  const [module, other] = [...released].filter((path) => !/\/v\d+$|^gopkg\.in/.test(path));
  if (module === undefined || other === undefined || family === undefined)
    throw new TypeError("the sample has changed");
  return { module, other, family };
}

async function fillAndAsk(page: Page, fields: Readonly<Record<string, string>>, isMajors: boolean): Promise<Shown> {
  for (const [id, text] of Object.entries(fields)) await page.fill(`#${id}`, text);
  if (isMajors) await page.check("#majors");
  await page.click("button");
  const out = page.locator('#out:is([data-state="proven"], [data-state="refused"])');
  await out.waitFor({ timeout: 40_000 });
  return {
    state: (await out.getAttribute("data-state")) ?? "",
    text: (await out.textContent()) ?? "",
    html: await page.content(),
  };
}

try {
  await main();
} catch (error) {
  failed++;
  console.error(error);
} finally {
  for (const close of closers) await close().catch((error: unknown) => console.error(error));
  rmSync(folder, { recursive: true, force: true });
}
console.log(failed === 0 ? "# all passed" : `# ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
