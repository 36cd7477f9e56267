/**
 * Module paths as DNS labels (spec/dns.md §1.1): the elements after the first in reverse order, the label `_`,
 * then the labels of the host.
 *
 *     golang.org/x/mod         mod.x._.golang.org
 *     github.com/mjl-/Mox      _4dox.mjl_2d._.github.com
 *     gopkg.in/yaml.v3         yaml_2ev3._.gopkg.in
 *     go4.org                  go4.org
 *
 * A *path text* is what such labels can say; whether it is a valid module path is not decided here. Labels are
 * strings of one character a byte, in the order in which a name is written.
 */

/** Label between the elements of a path and its host. */
export const PATH_SEPARATOR = "_";

const MAX_LABEL = 63;

/** True if `label` is 1 to 63 of `a`–`z`, `0`–`9` and `-`. */
export function isHostLabel(label: string): boolean {
  return label.length <= MAX_LABEL && /^[a-z0-9-]+$/.test(label);
}

/**
 * Encodes one path element. Undefined if it is empty, holds anything but the bytes 0x20–0x7E without `/`, or needs
 * more than 63 bytes.
 */
export function encodeElementLabel(element: string): string | undefined {
  // Every character takes at least a byte: what is longer need not be looked at.
  if (element.length === 0 || element.length > MAX_LABEL) return undefined;
  let out = "";
  for (let i = 0; i < element.length; i++) {
    const c = element.charCodeAt(i);
    if (c < 0x20 || c > 0x7e || c === 0x2f) return undefined;
    const edge = i === 0 || i === element.length - 1;
    out += isKept(c) && !(c === 0x2d && edge) ? element[i] : `_${c.toString(16)}`;
  }
  return out.length <= MAX_LABEL ? out : undefined;
}

/**
 * Decodes a canonical element label. Undefined if `label` is not what `encodeElementLabel` makes of the element that
 * it decodes to: over-escaped (`_6dox`), under-escaped (`mjl-`), cut (`a_5`), an escaped `/` or a byte outside
 * 0x20–0x7E.
 */
export function decodeElementLabel(label: string): string | undefined {
  if (label.length > MAX_LABEL) return undefined;
  let element = "";
  for (let i = 0; i < label.length; i++) {
    const c = label.charCodeAt(i);
    if (isKept(c)) {
      element += label[i];
      continue;
    }
    const digits = label.slice(i + 1, i + 3);
    if (c !== 0x5f || !/^[0-9a-f]{2}$/.test(digits)) return undefined;
    element += String.fromCharCode(Number.parseInt(digits, 16));
    i += 2;
  }
  return encodeElementLabel(element) === label ? element : undefined;
}

/**
 * Encodes a path text as labels. Undefined if it cannot be asked by its name (then it is asked by its index key,
 * spec/dns.md §1.3): an element of over 63 bytes once encoded, a host that is not made of host labels, an empty
 * element or a byte outside 0x20–0x7E. The limit of 255 bytes depends on the zone: see `joinName`.
 */
export function encodePathName(path: string): string[] | undefined {
  const [host = "", ...elements] = path.split("/");
  const hostLabels = host.split(".");
  if (!hostLabels.every(isHostLabel)) return undefined;
  if (elements.length === 0) return hostLabels;
  const labels: string[] = [];
  for (const element of elements.reverse()) {
    const label = encodeElementLabel(element);
    if (label === undefined) return undefined;
    labels.push(label);
  }
  return [...labels, PATH_SEPARATOR, ...hostLabels];
}

/**
 * Decodes labels into the path text they say. Undefined if they say none: no label, a host label or an element label
 * that is not canonical, or a separator without elements. `labels` are lower case already.
 */
export function decodePathName(labels: readonly string[]): string | undefined {
  // No host label and no canonical element label is a lone `_`, so that the separator is the only one there is.
  const separator = labels.indexOf(PATH_SEPARATOR);
  const hostLabels = labels.slice(separator + 1);
  if (hostLabels.length === 0 || !hostLabels.every(isHostLabel)) return undefined;
  const host = hostLabels.join(".");
  if (separator < 0) return host;
  if (separator === 0) return undefined;
  const elements: string[] = [];
  for (let i = separator - 1; i >= 0; i--) {
    const element = decodeElementLabel(labels[i] as string);
    if (element === undefined) return undefined;
    elements.push(element);
  }
  return `${host}/${elements.join("/")}`;
}

function isKept(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39) || c === 0x2d;
}
