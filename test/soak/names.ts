import { encodePathName } from "../../src/dns/module-name.ts";
import { joinName } from "../../src/dns/name.ts";
import { formatBase32 } from "../../src/vindex/base64.ts";

/** Names that nobody asked before. */
export class RandomNames {
  readonly #apex: Uint8Array;
  readonly #log: Uint8Array;
  readonly #random: () => number;

  constructor(apex: Uint8Array, random: () => number) {
    this.#apex = apex;
    this.#log = join(["p1"], apex);
    this.#random = random;
  }

  /** A module that no log has: the answer is a proof of its absence. */
  absent(): Uint8Array {
    return join(encodePathName(`example.com/${this.#label()}/${this.#label()}`) ?? [], this.#log);
  }

  /** `<52 base32>._k`, a proof of absence too, by the index key. */
  key(): Uint8Array {
    const key = Uint8Array.from({ length: 32 }, () => Math.floor(this.#random() * 256));
    return join([formatBase32(key), "_k"], this.#log);
  }

  /** A name that does not exist. */
  nonexistent(): Uint8Array {
    return join([this.#label(), this.#label()], this.#apex);
  }

  #label(): string {
    return `x${Math.floor(this.#random() * 2 ** 48).toString(36)}`;
  }
}

function join(labels: readonly string[], suffix: Uint8Array): Uint8Array {
  const name = joinName([...labels], suffix);
  if (name === undefined) throw new TypeError(`${labels.join(".")} does not fit`);
  return name;
}
