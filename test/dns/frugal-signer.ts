import { ZoneSigner } from "../../src/dns/dnssec/index.ts";

/** A signer that signs the same records at the same time once: many denials of one name hold the same NSEC. */
export class FrugalSigner extends ZoneSigner {
  readonly #made = new Map<string, readonly Uint8Array[]>();

  override sign(...what: Parameters<ZoneSigner["sign"]>): readonly Uint8Array[] {
    const id = what
      .flat()
      .map((part) => (part instanceof Uint8Array ? Buffer.from(part).toString("latin1") : part))
      .join();
    const made = this.#made.get(id) ?? super.sign(...what);
    this.#made.set(id, made);
    return made;
  }

  override signInto(...what: Parameters<ZoneSigner["signInto"]>): void {
    const [owner, labelCount, type, originalTtl, rdata, now, out, at] = what;
    const [rrsig] = this.sign(owner, labelCount, type, originalTtl, [rdata], now);
    if (rrsig === undefined) throw new TypeError("no signature");
    out.set(rrsig, at);
  }
}
