/**
 * Which of the faults of a failing run does the failure need? Delta debugging over the names of the faults that struck (Zeller and
 * Hildebrandt, 2002): the same seed is run with fewer and fewer of them. All other decisions stay as they were, since each chance
 * is a hash of the seed and its own name.
 */
import { type Fault, faultName } from "../world/fault-plan.js";

/** Whether the run still fails with these faults alone. */
export type Fails = (only: ReadonlySet<string>) => Promise<boolean>;

/** A set of faults from which no part can be left out, as far as the budget of runs reaches. */
export async function shrink(
  faults: readonly Fault[],
  fails: Fails,
  runsMax: number,
): Promise<readonly string[]> {
  let kept = faults.map(faultName);
  let runs = 0;
  for (let parts = 2; kept.length > 0 && runs < runsMax; ) {
    const size = Math.ceil(kept.length / parts);
    let isSmaller = false;
    for (let from = 0; from < kept.length && runs < runsMax; from += size) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)];
      runs++;
      if (!(await fails(new Set(rest)))) continue;
      kept = rest;
      isSmaller = true;
      break;
    }
    if (isSmaller) parts = Math.max(2, parts - 1);
    else if (size === 1) break;
    else parts = Math.min(kept.length, parts * 2);
  }
  return kept;
}
