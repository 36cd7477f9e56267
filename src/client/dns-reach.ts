/** Milliseconds for which a server that is silent by UDP is asked by TCP, before UDP is tried again. */
const SILENCE = 60_000;

/**
 * Whether datagrams go to one address of a server and come back. Some networks drop them, all or the large ones: then it is asked by TCP
 * at once, and by UDP only now and then.
 */
export class UdpReach {
  #hasAnswered = false;
  #wasSilent = false;
  #silentUntil: number | undefined;

  /** True if it answered by UDP, and was never silent: then silence is more likely a lost datagram, or a slow answer. */
  get isReliable(): boolean {
    return this.#hasAnswered && !this.#wasSilent;
  }

  /** How to ask at `now`, in milliseconds that only ascend: by UDP, by TCP, or by UDP but not for long, which one question alone is told. */
  plan(now: number): "udp" | "tcp" | "probe" {
    if (this.#silentUntil === undefined) return "udp";
    if (now < this.#silentUntil) return "tcp";
    this.#silentUntil = now + SILENCE;
    return "probe";
  }

  /** Something came by UDP. */
  answered(): void {
    this.#hasAnswered = true;
    this.#silentUntil = undefined;
  }

  /** It answered by TCP, and by UDP it had not in good time. */
  silent(now: number): void {
    this.#wasSilent = true;
    this.#silentUntil = now + SILENCE;
  }

  /** It no longer answers by TCP either. */
  forget(): void {
    this.#silentUntil = undefined;
  }
}
