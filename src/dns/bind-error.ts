import { isProofdnsError, ProofdnsError } from "../vindex/error.ts";

/** What to do about an error of bind(2) or of the look-up before it; the option that names the address follows. */
const NEXT: ReadonlyMap<string, string> = new Map([
  ["EACCES", "a port below 1024 needs CAP_NET_BIND_SERVICE, or root: grant it, or choose a port from 1024 with"],
  ["EADDRINUSE", "something else listens there: end it, or choose another"],
  ["EADDRNOTAVAIL", "this machine has no such address: choose another"],
  ["ENOTFOUND", "give an address of this machine in"],
]);

/**
 * The failure to bind a socket, with what to do next. `doing` completes "cannot …", such as `listen on 127.0.0.1:53`; `option` is what named
 * the address. A `ProofdnsError` is given back as it is.
 */
export function bindError(doing: string, option: string, cause: unknown): ProofdnsError {
  if (isProofdnsError(cause)) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
  const next = NEXT.get(code ?? "") ?? "choose another";
  return new ProofdnsError("MALFORMED_INPUT", `cannot ${doing}: ${why}; ${next} ${option}`, { cause });
}
