// Questions by dig, and what its output says.
import { quote, run } from "./daemon.mjs";

/** Seconds that dig waits for a reply. */
const TIME = 5;

function optionsOf(server, { cd = false, rd = true, tcp = false, time = TIME } = {}) {
  return [
    ...[`@${server}`, "-p", "53", "+tries=1", `+time=${time}`],
    ...[rd ? "+rd" : "+nord", "+dnssec", "+noidnin", "+noidnout"],
    ...(cd ? ["+cd"] : []),
    ...(tcp ? ["+tcp"] : []),
  ];
}

/**
 * Asks `server`. Gives the `command`, its `text`, and `reply` if there was one: `status`, `flags`, `ede`, `bytes`, and the
 * records of `answer` and `authority` as `{ owner, ttl, type, rdata }`.
 */
export async function ask(server, name, type, options) {
  const [only] = await askAll(server, [{ name, type }], options);
  return only;
}

/** Asks `server` one question after the other, in one process. Gives for each what `ask` gives. */
export async function askAll(server, questions, options = {}) {
  const { time = TIME } = options;
  const words = optionsOf(server, options);
  const input = questions.map(({ name, type }) => `-q ${name} -t ${type}\n`).join("");
  const timeout = (time + 1) * 1000 * Math.min(questions.length, 10) + 3_000;
  const { stdout, stderr, why } = await run("dig", [...words, "-f", "-"], { timeout, input });
  const texts = stdout.split(/^(?=; <<>> DiG )/m).filter((text) => text.startsWith("; <<>> DiG "));
  return questions.map(({ name, type }, i) => {
    const text = texts[i] ?? `dig did not get so far: ${why} ${stderr}`;
    return { command: quote("dig", [...words, "-q", name, "-t", type]), text, reply: parse(text) };
  });
}

function parse(text) {
  const header = text.match(/->>HEADER<<- opcode: \w+, status: (\w+), id: \d+\n;; flags: ([a-z ]*);/);
  if (header === null) return undefined;
  return {
    status: header[1],
    flags: header[2].split(" "),
    ede: [...text.matchAll(/^; EDE: .*$/gm)].map(([line]) => line.slice(2)),
    bytes: Number(text.match(/MSG SIZE {2}rcvd: (\d+)/)?.[1]),
    answer: section(text, "ANSWER"),
    authority: section(text, "AUTHORITY"),
  };
}

function section(text, name) {
  const found = text.match(new RegExp(`;; ${name} SECTION:\n((?:.+\n)*)`));
  return (found?.[1] ?? "").split("\n").flatMap((line) => {
    const record = line.match(/^(\S+)\s+(?:(\d+)\s+)?IN\s+(\S+)\s*(.*)$/);
    return record === null ? [] : [{ owner: record[1], ttl: Number(record[2]), type: record[3], rdata: record[4] }];
  });
}

/** RDATA of the records of one type, sorted: what must be the same wherever it is asked. */
export function rdataOf(records, type) {
  return records
    .filter((record) => record.type === type)
    .map(({ rdata }) => rdata)
    .sort();
}
