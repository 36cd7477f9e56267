import type { ProofdnsError } from "../vindex/error.ts";
import type { AbortHub } from "./abort-hub.ts";

/** What asking one way came to: a value, or nothing at all, and why. What the server says itself, be it an error, is no silence. */
export type Outcome<T> = { readonly value: T } | { readonly silence: ProofdnsError };

/** One question that is asked by UDP, and by TCP beside it. */
export interface Race<T> {
  /** Calls back before each try, with its number from 0. `tcp`: it is to be asked by TCP. */
  readonly udp: (onTry: (tries: number) => void, signal: AbortSignal) => Promise<Outcome<T> | "tcp">;
  readonly tcp: (signal: AbortSignal) => Promise<Outcome<T>>;
  /** The try by UDP that TCP begins with; if there is none of this number it begins when UDP has ended. */
  readonly tcpAt: number;
  /** Milliseconds that TCP has at least, when UDP has ended. */
  readonly leastTcpTime: number;
  /** Makes one error of two. */
  readonly merge: (udp: ProofdnsError, tcp: ProofdnsError | undefined) => ProofdnsError;
  readonly signal: AbortSignal | undefined;
  readonly hub: AbortHub;
}

/** What won. */
export interface Winner<T> {
  readonly value: T;
  /** True if it came by TCP, and until then nothing by UDP that could be used. */
  readonly isUdpSilent: boolean;
}

/**
 * Asks by UDP and, where that is silent for a while, by TCP as well; the first value wins, and the other way is called off. Rejects with
 * whatever either of the two rejects with; with `merge` of both if both are silent; with the reason of `signal`. TCP ends with the tries by UDP, which are the
 * time for the whole, but not before it had `leastTcpTime`; unless UDP itself said that it is to be asked by TCP.
 */
export function race<T>({ udp, tcp, tcpAt, leastTcpTime, merge, signal, hub }: Race<T>): Promise<Winner<T>> {
  const ended = new AbortController();
  let leave: (() => void) | undefined;
  return new Promise<Winner<T>>((resolve, reject) => {
    let tcpBegun: number | undefined;
    let udpState: "asking" | "left" | ProofdnsError = "asking";
    let tcpSilence: ProofdnsError | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      leave?.();
      settle();
      ended.abort();
    };
    const fail = (error: unknown): void => end(() => reject(error));
    leave = hub.listen(signal, () => fail(signal?.reason));
    if (signal?.aborted === true) return;
    const beginTcp = (): void => {
      if (tcpBegun !== undefined || ended.signal.aborted) return;
      tcpBegun = performance.now();
      tcp(ended.signal).then((outcome) => {
        if ("value" in outcome) {
          return end(() => resolve({ value: outcome.value, isUdpSilent: udpState !== "left" }));
        }
        tcpSilence = outcome.silence;
        if (udpState === "left") fail(tcpSilence);
        else if (udpState !== "asking") fail(merge(udpState, tcpSilence));
      }, fail);
    };
    const onTry = (tries: number): void => {
      if (tries >= tcpAt) beginTcp();
    };
    udp(onTry, ended.signal).then((outcome) => {
      if (ended.signal.aborted) return;
      if (outcome === "tcp") {
        udpState = "left";
        if (tcpSilence === undefined) beginTcp();
        else fail(tcpSilence);
      } else if ("value" in outcome) {
        end(() => resolve({ value: outcome.value, isUdpSilent: false }));
      } else {
        const { silence } = outcome;
        udpState = silence;
        if (tcpSilence !== undefined) return fail(merge(silence, tcpSilence));
        beginTcp();
        const left = leastTcpTime - (performance.now() - (tcpBegun ?? 0));
        timer = setTimeout(() => fail(merge(silence, undefined)), Math.max(0, left));
      }
    }, fail);
  });
}
