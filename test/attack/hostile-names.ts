import { joinName, parseName, type WireName } from "../../src/dns/name.ts";
import { ZONE } from "./world.ts";

/** The wire form of a name below the log's label, such as `s7._head`. */
export function encodeNameBelowLog(name: string): WireName {
  const wire = joinName([...name.split("."), "p1"], parseName(ZONE));
  if (wire === undefined) throw new RangeError(`too long: ${name}`);
  return wire;
}
