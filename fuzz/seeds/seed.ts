import { encodeUtf8 } from "../../src/vindex/bytes.ts";

/** Inputs of one target by file name. */
export type Seeds = { readonly [name: string]: Uint8Array };

/** Puts an input together: numbers are bytes, texts are UTF-8. */
export function bytes(...parts: readonly (number | string | Uint8Array)[]): Uint8Array {
  const all = parts.map((part) =>
    typeof part === "number" ? Uint8Array.of(part) : typeof part === "string" ? encodeUtf8(part) : part,
  );
  return new Uint8Array(Buffer.concat(all));
}

/** A number of two bytes. */
export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

/** Names the members of a list `<name>-00`, `<name>-01`, … */
export function numbered(name: string, list: readonly Uint8Array[]): Seeds {
  return Object.fromEntries(list.map((data, i) => [`${name}-${String(i).padStart(2, "0")}`, data]));
}
