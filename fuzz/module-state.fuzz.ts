import assert from "node:assert/strict";
import { formatModuleState, parseModuleState } from "../src/vindex/module-state.ts";
import { computeModuleValue } from "../src/vindex/module-value.ts";
import { nodeSha256 } from "../src/vindex/platform.ts";
import { Input, textOf } from "./input.ts";
import { naiveState, valueOfState } from "./oracle/module-state.ts";
import { outcomeOf } from "./outcome.ts";
import { plant } from "./plant.ts";
import type { Target } from "./target.ts";
import { withinTime } from "./time.ts";

/** State texts of modules: only canonical ones are read (spec/map.md §5), and each makes the value of §6. */
export const target: Target = { maxLength: 4096, plants: ["peak-bits", "url-alphabet"] };

/** Bug: the spare bits of a peak are not looked at. */
const readState = plant("peak-bits", parseModuleState, (text, path, sha256) =>
  parseModuleState(
    text.replaceAll(
      /\np ([A-Za-z0-9+/]{43})(?=\n)/g,
      (_, hash: string) => `\np ${Buffer.from(hash, "base64").toString("base64").slice(0, 43)}`,
    ),
    path,
    sha256,
  ),
);

/** Bug: the hashes of a version may be written in the alphabet of URLs. */
const readLines = plant("url-alphabet", readState, (text, path, sha256) =>
  readState(
    text.replaceAll(/ [A-Za-z0-9+/_-]{43}(?=[ \n])/g, (hash) => hash.replaceAll("-", "+").replaceAll("_", "/")),
    path,
    sha256,
  ),
);

const PATHS = ["example.com/m", "example.com/m/v2", "gopkg.in/x.v1", "golang.org/toolchain", "example.com/m/v12"];

export function fuzz(data: Uint8Array): void {
  const input = new Input(data);
  const path = input.pick(PATHS);
  const text = textOf(input.rest());
  const { value: state } = withinTime("a state", () =>
    outcomeOf(() => readLines(text, path, nodeSha256), "MALFORMED_STATE_TEXT"),
  );
  const naive = naiveState(text, path);
  assert.equal(state !== undefined, naive !== undefined);
  if (state === undefined || naive === undefined) return;
  assert.equal(formatModuleState(state), text);
  assert.equal(state.subLog.treeSize, naive.count);
  assert.equal(computeModuleValue(path, state, text, nodeSha256), valueOfState(naive, text, path));
}
