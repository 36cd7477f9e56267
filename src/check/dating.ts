import { isProofdnsError, type ProofdnsError } from "../vindex/error.ts";
import { type AgeHead, ageOf } from "./ages.ts";
import type { Questioner, RecordToProve } from "./asker.ts";
import type { VersionAge } from "./result.ts";

/** What dates the versions of a check (spec/check.md §5). */
export class Dating {
  readonly #questioner: Questioner;
  readonly #heads: readonly AgeHead[];
  readonly #failures: ProofdnsError[] = [];

  /** @param heads oldest first */
  constructor(questioner: Questioner, heads: readonly AgeHead[]) {
    this.#questioner = questioner;
    this.#heads = heads;
  }

  /** What failed in it: proofs that are false. */
  get failures(): readonly ProofdnsError[] {
    return this.#failures;
  }

  /** By the oldest head that covers a version whose record is not proven. */
  claimed(logIndex: number): VersionAge | undefined {
    const head = ageOf(this.#heads, logIndex);
    return head && ageBy(head, false);
  }

  /** By the oldest head that is proven to have the record, which was proven; else as it is claimed. */
  async proven(record: Pick<RecordToProve, "path" | "version" | "logIndex">): Promise<VersionAge | undefined> {
    for (const head of this.#heads) {
      if (record.logIndex >= head.sumdbSize) continue;
      try {
        return ageBy(await this.#questioner.proveAge(head, record), true);
      } catch (error) {
        if (!isProofdnsError(error)) throw error;
        // That there is no proof takes nothing from what else is proven; a false one does.
        if (error.kind !== "unavailable") this.#failures.push(error);
      }
    }
    return this.claimed(record.logIndex);
  }
}

function ageBy({ atLeast, publicSince }: AgeHead, isProven: boolean): VersionAge {
  return { atLeast, publicSince, isProven };
}
