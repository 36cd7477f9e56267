/**
 * A record on its way from the tile it was read from to the module it belongs to, as words of the machine's byte order (the files that
 * hold them live no longer than a build):
 *
 *     0        length of all of it in words
 *     1        length of the path in bytes
 *     2        length of the version | kind << 8 | slow << 10
 *     3, 4     the first 8 bytes of the path's index key, as two big-endian numbers
 *     5, 6     log index: its low 32 bits, the others
 *     7 … 14   leaf hash in the module's sub-log
 *     15 … 22  zip hash
 *     23 … 30  go.mod hash
 *     31 …     path ‖ space ‖ version, filled up to a word with what follows
 *
 * `slow` says that one of the version's numbers has more than nine digits.
 */
export const SPILL = {
  words: 0,
  pathLength: 1,
  version: 2,
  key: 3,
  keyNext: 4,
  index: 5,
  indexHigh: 6,
  leaf: 7,
  zip: 15,
  goMod: 23,
  text: 31,
} as const;

export const SLOW: number = 1 << 10;

/** Words of a record with a path and a version of these lengths. */
export function spillWords(pathLength: number, versionLength: number): number {
  return SPILL.text + ((pathLength + versionLength + 4) >> 2);
}
