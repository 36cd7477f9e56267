import assert from "node:assert/strict";
import { isIPv4, isIPv6 } from "node:net";
import { parseDuration } from "../src/cli/duration.ts";
import { formatHostPort, parseHostPort } from "../src/cli/host-port.ts";
import { parseZoneName } from "../src/cli/zone-name.ts";
import { parseIpv4, parseIpv6 } from "../src/dns/address.ts";
import { addressGroup, parseAskerAddress } from "../src/dns/asker.ts";
import { formatName, parseName } from "../src/dns/name.ts";
import { Input, textOf } from "./input.ts";
import { isDigit, isLetter } from "./oracle/semver.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** What operators write, and what sockets report: addresses, ports, durations, names. Against the platform where it can. */
export const target: Target = { maxLength: 400, plants: ["octal-octet", "two-gaps", "long-name"] };

/** Bug: a part of three digits may begin with a zero. */
const readIpv4 = plant("octal-octet", parseIpv4, (text) => parseIpv4(text.replace(/^0(?=[0-9]{2}\.)/, "")));

/** Bug: `::` may stand for no group. */
const readIpv6 = plant("two-gaps", parseIpv6, (text) =>
  parseIpv6(text.split(":").length === 9 ? text.replace("::", ":") : text),
);

/** Bug: the bound on the length of a name leaves out its first label. */
const readName = plant("long-name", parseName, (text) => {
  const rest = text.slice(text.indexOf(".") + 1);
  return text.length > 253 && rest.length <= 253 && rest !== "" ? parseName(rest) : parseName(text);
});

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  const test = input.pick([addresses, hostPort, duration, name]);
  const text = textOf(input.rest());
  withinTime("a text", () => test(text));
}

function addresses(text: string): void {
  const v4 = readIpv4(text);
  assert.equal(v4 !== undefined, isIPv4(text));
  if (v4 !== undefined) assert.equal(v4.join("."), text);
  const v6 = readIpv6(text);
  // The platform takes zone indexes, and no address here has one.
  assert.equal(v6 !== undefined, isIPv6(text) && !text.includes("%"));
  if (v6 !== undefined) assert.deepEqual([...v6], bytesOfIpv6(text));
  const asker = parseAskerAddress(text);
  if (asker !== undefined) {
    assert.ok(asker.length === 4 || asker.length === 16);
    const mapped = v6 !== undefined && v6.subarray(0, 12).join() === "0,0,0,0,0,0,0,0,0,0,255,255";
    if (v4 !== undefined || mapped) assert.equal(asker.length, 4);
    const group = addressGroup(asker);
    const same = Uint8Array.from(asker);
    if (asker.length === 16) same[15] = (same[15] as number) ^ 1;
    assert.equal(addressGroup(same), group);
    same[3] = (same[3] as number) ^ 1;
    assert.notEqual(addressGroup(same), group);
  } else assert.ok(v4 === undefined && v6 === undefined);
}

/** Written out by the platform's URL, which writes every address in one way. */
function bytesOfIpv6(text: string): number[] {
  const host = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [left = "", right] = host.split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [head, tail] = [groups(left), groups(right ?? "")];
  const all =
    right === undefined ? head : [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
  return all.flatMap((group) => [group >> 8, group & 0xff]);
}

function hostPort(text: string): void {
  const { value } = outcomeOf(() => parseHostPort(text), "MALFORMED_INPUT");
  if (value === undefined) return;
  assert.equal(formatHostPort(value), text);
  assert.ok(Number.isInteger(value.port) && value.port >= 0 && value.port <= 65_535);
  for (const c of value.host) assert.ok(isDigit(c) || isLetter(c) || "-.:%".includes(c), c);
}

function duration(text: string): void {
  const { value } = outcomeOf(() => parseDuration(text), "MALFORMED_INPUT");
  const unit = { s: 1n, m: 60n, h: 3600n, d: 86_400n }[text.at(-1) ?? ""];
  const count = text.slice(0, -1);
  const isNumber =
    count !== "" && [...count].every(isDigit) && String(BigInt(count)) === count && BigInt(count) < 2n ** 53n;
  const seconds = unit === undefined || !isNumber ? undefined : unit * BigInt(count);
  assert.equal(value, seconds === undefined || seconds >= 2n ** 53n ? undefined : Number(seconds));
}

function name(text: string): void {
  const { value } = outcomeOf(() => readName(text), "MALFORMED_NAME");
  const body = text.endsWith(".") ? text.slice(0, -1) : text;
  const labels = body.split(".");
  const isLabel = (label: string): boolean =>
    label.length >= 1 &&
    label.length <= 63 &&
    [...label].every((c) => isDigit(c) || isLetter(c) || c === "-" || c === "_");
  assert.equal(value !== undefined, labels.every(isLabel) && body.length <= 253);
  const zone = outcomeOf(() => parseZoneName(text), "MALFORMED_NAME");
  assert.equal(zone.value, value === undefined ? undefined : body.toLowerCase());
  if (value === undefined) return;
  assert.equal(formatName(value), `${body.toLowerCase()}.`);
  assert.equal(value.length, body.length + 2);
}
