/** What the runner must know of a fuzz target. Each `<name>.fuzz.ts` exports it as `target`, beside `fuzz(data)`. */
export interface Target {
  /** Longest input in bytes that the engine makes. What a target does with it is bounded in time (`withinTime`). */
  readonly maxLength: number;
  /** Names of the bugs that can be planted in this target (`plant`): at least one, so that it proves that it can find. */
  readonly plants: readonly string[];
  /** True if `fuzz` returns a promise: its runs are then slower by the turns of the event loop. */
  readonly isAsync?: boolean;
}

/** The function that the engine calls: it throws if an invariant does not hold for `data`, and at nothing else. */
export type Fuzz = (data: Uint8Array) => void | Promise<void>;
