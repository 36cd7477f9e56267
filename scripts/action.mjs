// What action.yml runs: `proofdns check --github`, with the inputs of the action from the environment. No input is ever part of a shell's
// text, of an option's name or of a line for the runner; paths stand behind `--`.
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

/** Exit codes from this one on fail the step. */
const FAILS_FROM = { outdated: 1, unchecked: 2, failed: 3, never: 4 };

function refuse(why) {
  annotate(why);
  process.exit(2);
}

/** An error that the runner shows on the page of the run; what is data cannot begin another command. */
function annotate(why) {
  const text = why.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  console.error(`::error title=proofdns::${text}`);
}

/** An input without the white space around it; undefined if it is empty. */
function input(name) {
  const text = (process.env[`PROOFDNS_INPUT_${name}`] ?? "").trim();
  if (text.includes("\0")) refuse(`${name.toLowerCase()}: a NUL`);
  return text === "" ? undefined : text;
}

function lines(name) {
  return (input(name) ?? "")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function flag(name) {
  const text = input(name) ?? "false";
  if (text !== "true" && text !== "false") refuse(`${name.toLowerCase()}: expected true or false`);
  return text === "true";
}

/** One option with its value in one argument, so that no value is read as an option. */
function option(name) {
  const text = input(name);
  if (text?.includes("\n")) refuse(`${name.toLowerCase().replaceAll("_", "-")}: one line is expected`);
  return text === undefined ? [] : [`--${name.toLowerCase().replaceAll("_", "-")}=${text}`];
}

const failOn = input("FAIL_ON") ?? "unchecked";
const failsFrom = Object.hasOwn(FAILS_FROM, failOn) ? FAILS_FROM[failOn] : undefined;
if (failsFrom === undefined) refuse(`fail-on: expected one of ${Object.keys(FAILS_FROM).join(", ")}`);
if (input("POLICY") === undefined) refuse("policy: name the policy file that says which keys to trust");

/** The input is a path, also where it looks like the name of a kept policy. */
function policyOption() {
  const [, path] = /^--policy=(.*)$/s.exec(option("POLICY")[0]);
  return `--policy=${isAbsolute(path) || path.startsWith("./") || path.startsWith("../") ? path : `./${path}`}`;
}

const paths = lines("PATHS");
const args = [
  "check",
  "--github",
  "--json",
  policyOption(),
  ...["ZONE", "SUMDB_KEY", "COOLDOWN", "MAX_AGE"].flatMap(option),
  ...lines("SERVER").map((server) => `--server=${server}`),
  ...["DIRECT", "MAJOR", "RETRACTIONS"].filter(flag).map((name) => `--${name.toLowerCase()}`),
  "--",
  ...(paths.length === 0 ? ["."] : paths),
];

/** Text of files and servers as a part of one line of the log. */
function clean(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd");
}

/** How many there are of each, as `2 current, 1 outdated`. */
function counts(byName) {
  return Object.entries(byName)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}

/** The last line about it all. What was not checked is in it, so that it never reads as a clean bill. */
function summaryText({ statuses, toolchains, skipped, errors = [], nothingChecked }) {
  const parts = [nothingChecked ? "nothing was checked" : counts(statuses) || "nothing to check"];
  if (counts(toolchains) !== "") parts.push(`Go versions: ${counts(toolchains)}`);
  if (counts(skipped) !== "") parts.push(`not checked: ${counts(skipped)}`);
  for (const { code, message } of errors) parts.push(`${code}: ${clean(message)}`);
  return parts.join("; ");
}

/** What the JSON lines say, as text for the log; `outdated` counts what something newer is offered for. */
function readReport(stdout) {
  const report = { outdated: undefined, text: [] };
  for (const line of stdout.split("\n")) {
    if (!line.startsWith("{")) {
      // Annotations, which the runner reads.
      if (line !== "") report.text.push(line);
      continue;
    }
    const object = JSON.parse(line);
    const { type, module, current, status, offered, newerMajor, step, latest } = object;
    if (type === "summary") {
      const { statuses, remarks = [] } = object;
      report.outdated = (statuses.outdated ?? 0) + (statuses["newer-major"] ?? 0);
      for (const remark of remarks) report.text.push(`note: ${clean(remark)}`);
      report.text.push(summaryText(object));
    } else if (type === "toolchain" && object.counted && status !== "current") {
      const to = latest === null ? "" : ` -> ${latest}`;
      report.text.push(clean(`Go toolchain ${current}${to} (${status}${step === undefined ? "" : `, ${step}`})`));
    } else if (type === "skipped" && object.reason !== "private") {
      report.text.push(clean(`not checked: ${module}${current === null ? "" : ` ${current}`}: ${object.detail}`));
    } else if (type === "module" && status !== "current") {
      const target = offered ?? newerMajor;
      const to =
        target === undefined ? "" : ` -> ${target.module === module ? "" : `${target.module} `}${target.version}`;
      report.text.push(`${module} ${current ?? ""}${to} (${status}${step === undefined ? "" : `, ${step}`})`);
    }
  }
  return report;
}

function run() {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 2, stdout: Buffer.concat(chunks).toString("utf8") }));
  });
}

const { code, stdout } = await run();
const { outdated, text } = readReport(stdout);
for (const line of text) console.log(line);
// Where something could not be checked none is no number: nothing is known then, and nothing is what is said.
const known = outdated === 0 && code >= 2 ? undefined : outdated;
if (process.env.GITHUB_OUTPUT)
  appendFileSync(process.env.GITHUB_OUTPUT, `outdated=${known ?? ""}\nexit-code=${code}\n`);
if (code >= failsFrom) {
  annotate(`the check ended with ${code}, and fail-on is ${failOn}; its log says why`);
  process.exit(code);
}
