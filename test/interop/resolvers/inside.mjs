// The run itself, as the first process of a private network and process namespace: inside.mjs FOLDER [options].
import { join } from "node:path";
import { auditDecoding, auditDnsviz, auditDs, auditZonemaster } from "./audits.mjs";
import { startAuthority } from "./authority.mjs";
import { CASES, PATHS, ROUNDS } from "./cases.mjs";
import { CLAIMS, checkClaims } from "./claims.mjs";
import { CLIENT_ROWS, checkClient } from "./client.mjs";
import { Daemon } from "./daemon.mjs";
import { ask, askAll, rdataOf } from "./dig.mjs";
import { askDirectly, DIRECT, writeAnchors } from "./direct.mjs";
import { judge } from "./judge.mjs";
import { Matrix } from "./matrix.mjs";
import { settleInside } from "./namespace.mjs";
import { startParent } from "./parent.mjs";
import { startRecorder } from "./recorder.mjs";
import { writeRecords } from "./records.mjs";
import { SETUPS, startSetup } from "./setups.mjs";
import { AUTHORITY, ROOT, resolverAddress, ZONE } from "./world.mjs";

const [folder, ...options] = process.argv.slice(2);
const only = options.includes("--only") ? options[options.indexOf("--only") + 1] : "";
const isWanted = ({ name }) => name.includes(only);
const started = performance.now();
const say = (text) => console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);

/** The authority's own answers, by TCP: what all others must say too. */
async function readTruth() {
  const truth = new Map();
  for (const server of [AUTHORITY, ROOT]) {
    const cases = CASES.filter(
      ({ expect, isParents }) => expect === "rr" && (isParents === true) === (server === ROOT),
    );
    const replies = await askAll(server, cases, { tcp: true, rd: false });
    for (const [i, { reply }] of replies.entries()) {
      truth.set(cases[i], rdataOf(reply?.answer ?? [], cases[i].type));
    }
  }
  return truth;
}

/** All rounds of one resolver. */
async function askThrough({ name, address, daemon, complaints, cannot }, truth, matrix) {
  for (const { what, cd, cases } of ROUNDS) {
    const before = daemon.logSize;
    const asked = cases.filter((test) => !cannot(test));
    const replies = await askAll(address, asked, { cd });
    for (const [i, test] of asked.entries()) {
      const { command, text, reply } = replies[i];
      const reason = judge(test, reply, truth.get(test), { cd });
      if (reason === undefined) matrix.ok(test.title, name);
      else {
        const logged = daemon.grepFrom(before, test.name, complaints);
        matrix.fail(test.title, name, `${what}: ${reason}`, `${command}\n${text.trim()}\n${logged}`);
      }
    }
  }
  for (const test of CASES) if (cannot(test)) matrix.notApplicable(test.title, name, cannot(test));
}

async function askAllDirectly(tool, matrix) {
  for (const test of CASES) {
    const cannot = tool.cannot(test);
    if (cannot) {
      matrix.notApplicable(test.title, tool.name, cannot);
      continue;
    }
    const failure = await askDirectly(tool, test, folder);
    if (failure === undefined) matrix.ok(test.title, tool.name);
    else matrix.fail(test.title, tool.name, failure.reason, `${failure.command}\n${failure.text.trim()}`);
  }
}

async function main() {
  settleInside([AUTHORITY, ROOT, ...SETUPS.map((_, i) => resolverAddress(i))]);
  const recordsFile = join(folder, "records.tsv");
  const records = await writeRecords(recordsFile, PATHS);
  const recorder = await startRecorder(join(folder, "recorder"), AUTHORITY);
  const authority = await startAuthority(join(folder, "authority"), recordsFile);
  say(`authority: ${records} records, DS ${authority.ds.join(", ") || "none"}`);
  if (authority.ds.length === 0) throw new Error("the authority does not sign: its ready line has no ds");
  const dnskey = rdataOf(
    (await ask(AUTHORITY, ZONE, "DNSKEY", { tcp: true, rd: false })).reply?.answer ?? [],
    "DNSKEY",
  )[0];
  if (dnskey === undefined) throw new Error("the authority has no DNSKEY");
  const [flags, protocol, algorithm, ...key] = dnskey.split(" ");
  const anchor = [flags, protocol, algorithm, key.join("")].join(" ");
  writeAnchors(folder, anchor);
  const parent = await startParent(join(folder, "parent"), authority.ds);
  const truth = await readTruth();
  const chosen = SETUPS.map((setup, i) => ({ ...setup, i })).filter(isWanted);
  const setups = await Promise.all(chosen.map(({ i }) => startSetup(i, join(folder, `resolver-${i}`), parent)));
  say(`resolvers: ${setups.map(({ name }) => name).join(", ")}`);

  const tools = DIRECT.filter(isWanted);
  const matrix = new Matrix(
    [...setups, ...tools].map(({ name }) => name),
    [...CASES.map(({ title }) => title), ...CLIENT_ROWS, ...CLAIMS],
  );
  await Promise.all(setups.map((setup) => askThrough(setup, truth, matrix)));
  say("asked through the resolvers");
  for (const setup of setups) await checkClient(setup, authority, matrix);
  say("looked up with our client");
  await Promise.all(tools.map((tool) => askAllDirectly(tool, matrix)));
  for (const { name } of tools) {
    for (const row of [...CLIENT_ROWS, ...CLAIMS]) matrix.notApplicable(row, name, "this tool is no resolver");
  }
  say("asked directly");
  await checkClaims(setups, recorder, matrix);
  matrix.close();

  const audits = [];
  if (only === "") {
    const context = { folder, authority, parent, anchor, recorder };
    for (const audit of [auditDs, auditDnsviz, auditZonemaster]) {
      audits.push(await audit(context));
      say(audits.at(-1).name);
    }
    // Last: what the audits provoked is decoded too.
    audits.push(await auditDecoding(context));
    say(audits.at(-1).name);
  }
  matrix.print();
  for (const { name, problems, remarks } of audits) {
    for (const remark of remarks) console.log(`note ${name}: ${remark}`);
    for (const problem of problems) console.log(`FAIL ${name}: ${problem}`);
    if (problems.length === 0) console.log(`ok   ${name}`);
  }
  const failed = matrix.failed + audits.reduce((sum, { problems }) => sum + problems.length, 0);
  if (failed > 0) {
    for (const { daemon } of setups) console.log(`--- ${daemon.name}, end of its log\n${daemon.tail(10)}`);
    console.log(`--- proofdns serve, end of its log\n${authority.daemon.tail(10)}`);
  }
  say(failed === 0 ? "all passed" : `${failed} failed`);
  return failed === 0 ? 0 : 1;
}

let status = 1;
try {
  status = await main();
} catch (error) {
  console.log(`FAIL ${error instanceof Error ? error.stack : error}`);
} finally {
  await Daemon.stopAll();
}
process.exit(status);
