/** Hands texts on in the order of their indexes, each as soon as all before it are there. */
export class InOrder {
  readonly #print: (text: string) => void;
  readonly #waiting = new Map<number, string | undefined>();
  #next = 0;

  constructor(print: (text: string) => void) {
    this.#print = print;
  }

  /** Takes the text of `index`, once for each from 0 on; undefined prints nothing. */
  put(index: number, text: string | undefined): void {
    this.#waiting.set(index, text);
    while (this.#waiting.has(this.#next)) {
      const text = this.#waiting.get(this.#next);
      this.#waiting.delete(this.#next++);
      if (text !== undefined) this.#print(text);
    }
  }
}
