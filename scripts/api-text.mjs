// The text of doc comments, as Markdown.

/** Everything up to the first sentence's end. */
export function sentence(text) {
  const flat = text.replaceAll(/\s+/g, " ").trim();
  const end = /[.:](?= [A-Z`"]|$)/.exec(flat);
  return end === null ? flat : flat.slice(0, end.index + 1).replace(/:$/, ".");
}

/** One line, fit for a table. */
export function cell(text) {
  return text
    .replaceAll(/\{@link ([^}]+)\}/g, "`$1`")
    .replaceAll(/\s+/g, " ")
    .replaceAll("|", "\\|")
    .replaceAll(/</g, "&lt;")
    .trim();
}

/** Paragraphs joined to one line each; lists and indented blocks as they are. */
export function paragraphs(text) {
  return text
    .replaceAll(/\{@link ([^}]+)\}/g, "`$1`")
    .split(/\n\s*\n/)
    .map((part) => (/^( {4}|\s*[-*] )/m.test(part) ? part : part.replaceAll(/\s*\n\s*/g, " ")))
    .map((part) => outsideCode(part))
    .join("\n\n");
}

/** `<` outside of code spans and code lines would begin a tag. */
function outsideCode(part) {
  return part
    .split("\n")
    .map((line) =>
      line.startsWith("    ") ? line : line.replaceAll(/`[^`]*`|</g, (found) => (found === "<" ? "&lt;" : found)),
    )
    .join("\n");
}
