#!/usr/bin/env node
// Decodes some 20,000 replies to arbitrary queries with dnspython, the second decoder beside the one of `npm test`:
// `node test/interop/property-dnspython.mjs [SEED [RUNS]]`. Prints the seed and what was decoded; exit status 1 at the first
// reply that is refused or read otherwise, or if dnspython is missing (Debian: python3-dnspython).
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { tsImport } from "tsx/esm/api";

const load = (path) => tsImport(path, import.meta.url);
const { Responder } = await load("../../src/dns/index.ts");
const { Cookies } = await load("../../src/dns/cookies.ts");
const { ALGORITHM, makeZoneKeys, ZoneSigner } = await load("../../src/dns/dnssec/index.ts");
const { makeData, makeTestZone, NOW } = await load("../dns/fake-zone.ts");
const { ANY_ASKER, ANY_MESSAGE } = await load("../dns/any-query.ts");
const { readMessage } = await load("../dns/validate.ts");

const seed = Number(process.argv[2] ?? randomInt(2 ** 31));
const numRuns = Number(process.argv[3] ?? 25_000);
const DECODER = fileURLToPath(new URL("decode.py", import.meta.url));

/** A Python that has dnspython: the distribution's own may not be the first. */
const python = ["python3", "/usr/bin/python3"].find(
  (command) => spawnSync(command, [DECODER, "--version"]).status === 0,
);
if (python === undefined) {
  console.error("No python3 here has dnspython (Debian: python3-dnspython).");
  process.exit(1);
}
const version = spawnSync(python, [DECODER, "--version"], { encoding: "utf8" }).stdout.trim();
console.log(`dnspython ${version}, seed ${seed}, ${numRuns} messages`);

const zone = makeTestZone();
const data = makeData();
const options = { zone, cookies: new Cookies([new Uint8Array(16).fill(7)]), nsid: Buffer.from("ns1"), cacheSize: 256 };
const responders = [
  new Responder({ zone }),
  ...Object.values(ALGORITHM).map(
    (algorithm) => new Responder({ ...options, signer: new ZoneSigner(makeZoneKeys("l.example.org", algorithm, NOW)) }),
  ),
];

const replies = [];
let silent = 0;
const asked = fc.sample(fc.tuple(ANY_MESSAGE, ANY_ASKER, fc.nat(responders.length - 1)), { seed, numRuns });
for (const [message, asker, which] of asked) {
  const reply = responders[which].respond(message, asker, data, NOW);
  if (reply === undefined) silent++;
  else replies.push({ message, reply: reply.slice() });
}

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const { status, stdout, stderr } = spawnSync(python, [DECODER], {
  input: replies.map(({ reply }) => `${hex(reply)}\n`).join(""),
  encoding: "utf8",
  maxBuffer: 2 ** 30,
});
const verdicts = stdout.trim().split("\n");
if (status !== 0 || verdicts.length !== replies.length) {
  console.error(`The decoder ended with ${status} after ${verdicts.length} of ${replies.length} replies: ${stderr}`);
  process.exit(1);
}

/** What the decoder of the tests reads in a reply, in the words of decode.py. */
function summarize(bytes) {
  const { id, flags, rcode, question, records, opt } = readMessage(bytes);
  const count = (wanted) => records.filter(({ section }) => section === wanted).length;
  return {
    id,
    flags: flags & 0x87f0,
    opcode: (flags >> 11) & 15,
    rcode,
    questions: question === undefined ? 0 : 1,
    qtype: question?.type ?? -1,
    records: [count("answer"), count("authority"), count("additional")],
    edns: opt?.version ?? -1,
    ednsflags: opt?.flags ?? 0,
    payload: opt?.size ?? 0,
    options: opt?.options.map(({ code }) => code) ?? [],
  };
}

const counts = new Map();
replies.forEach(({ message, reply }, i) => {
  const verdict = JSON.parse(verdicts[i]);
  if (verdict.error === undefined) verdict.flags &= 0x87f0;
  const expected = verdict.error === undefined ? summarize(reply) : "a message";
  if (JSON.stringify(verdict) !== JSON.stringify(expected)) {
    console.error(`query    ${hex(message)}\nreply    ${hex(reply)}`);
    console.error(`dnspython ${JSON.stringify(verdict)}\nexpected  ${JSON.stringify(expected)}`);
    process.exit(1);
  }
  const what = `rcode ${verdict.rcode}${verdict.edns < 0 ? "" : " with OPT"}`;
  counts.set(what, (counts.get(what) ?? 0) + 1);
});
for (const [what, count] of [...counts].sort()) console.log(`${String(count).padStart(6)} ${what}`);
console.log(`${replies.length} replies are read alike, ${silent} messages were met by silence`);
if (replies.length < numRuns / 2) {
  console.error("Most messages were met by silence: the generator is wrong.");
  process.exit(1);
}
