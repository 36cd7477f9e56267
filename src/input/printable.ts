/**
 * Text that came from a file, a server or an argument, made safe to print: control characters, which a terminal would obey, and
 * the Unicode characters that change the direction of a line become U+FFFD; what is over `limit` is cut.
 */
export function printable(text: string, limit = 300): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced
  const clean = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");
  return clean.length > limit ? `${clean.slice(0, limit)}…` : clean;
}
