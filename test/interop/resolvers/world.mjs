// Who lives where in the private network.

/** The zone that is served; not delegated by anyone in the real world. */
export const ZONE = "l.example.org";
/** The authority: `proofdns serve`. */
export const AUTHORITY = "192.0.2.53";
/** The stand-in for all of the DNS above the zone: a signed root zone. */
export const ROOT = "192.0.2.1";

/** Address of the i-th resolver: each in a /24 of its own, so that rate limits by network do not add them up. */
export function resolverAddress(i) {
  return `10.53.${i + 1}.1`;
}
