import { H } from "./merkle.ts";

/** Keys of signed notes (c2sp.org/signed-note), taken apart at their pluses. */

/** Neither empty nor with a plus, a Unicode space or a control character. */
export function isNaiveName(name: string): boolean {
  for (const c of name) if (c === "+" || c <= " " || c === "\u007f" || c.trim() === "" || c === "\u0085") return false;
  return name !== "";
}

/**
 * The type of the key that a text is: `<name>+<8 hex digits>+<base64 of type and 32 bytes>`, with an id that begins the hash
 * of the name and of what `publicData` makes of the data. Undefined for any other text.
 */
export function naiveKeyType(text: string, publicData = (data: Uint8Array): Uint8Array => data): number | undefined {
  const [name = "", id = "", ...rest] = text.split("+");
  const encoded = rest.join("+");
  const data = Buffer.from(encoded, "base64");
  if (rest.length === 0 || data.toString("base64") !== encoded || data.length !== 33) return undefined;
  if (!isNaiveName(name) || (data[0] !== 1 && data[0] !== 4)) return undefined;
  return id ===
    Buffer.from(H(`${name}\n`, publicData(data)))
      .subarray(0, 4)
      .toString("hex")
    ? data[0]
    : undefined;
}
