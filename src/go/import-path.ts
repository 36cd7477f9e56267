/** Names that Windows keeps for itself, whatever stands behind their first dot. */
const RESERVED = /^(?:CON|PRN|AUX|NUL|COM[1-9]|LPT[1-9])$/i;

/**
 * True if a path may be that of a package, or of a main module, which the go command holds to no more than that (x/mod
 * module.CheckImportPath): it needs no dot in its first element, as a module that others require does.
 */
export function isImportPath(path: string): boolean {
  return !path.startsWith("-") && /^[A-Za-z0-9._~+/-]+$/.test(path) && path.split("/").every(isElement);
}

function isElement(element: string): boolean {
  if (element === "" || /^\.+$/.test(element) || element.endsWith(".")) return false;
  const [short = ""] = element.split(".", 1);
  return !RESERVED.test(short) && !/~[0-9]+$/.test(short);
}
