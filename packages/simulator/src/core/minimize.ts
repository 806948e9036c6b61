/**
 * Makes a failing run small: takes out steps and faults as long as the same rule is still broken (Zeller and Hildebrandt,
 * "Simplifying and isolating failure-inducing input", 2002: ddmin). What is left is run again exactly by its seed and names.
 *
 *   INV-SIM-7  What the minimizer returns breaks the rule that the whole run broke.
 */

/** Runs of the minimizer; a large run takes a second. */
const TRIALS_MAX = 400;

/** The smallest list of names that it found for which `fails` is true; `fails(names)` must be. */
export function minimize(
  names: readonly string[],
  fails: (names: readonly string[]) => boolean,
): readonly string[] {
  let kept = names;
  let parts = 2;
  let trials = 0;
  while (kept.length > 0 && trials < TRIALS_MAX) {
    const size = Math.max(1, Math.ceil(kept.length / parts));
    let next: readonly string[] | undefined;
    for (let at = 0; at < kept.length && trials < TRIALS_MAX; at += size) {
      const without = kept.toSpliced(at, size);
      trials++;
      if (fails(without)) {
        next = without;
        break;
      }
    }
    if (next !== undefined) {
      kept = next;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) {
      break;
    } else {
      parts = Math.min(kept.length, parts * 2);
    }
  }
  return kept;
}
