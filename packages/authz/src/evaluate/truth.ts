/**
 * What is known of an answer while it is evaluated: two bounds, each false, a cycle, or true.
 *
 * The upper bound is the answer if every condition that cannot be evaluated held in favour of it, the lower one if none
 * did. Bounds that differ mean that the answer depends on such a condition. A cycle stands between false and true: it is
 * false in the end, but what it is subtracted from, or intersected with, is a cycle too and so false as well. All
 * operators are then minimum and maximum (Kleene's strong logic, for each bound by itself):
 *
 *   union         true beats whatever cannot be evaluated, which beats a cycle
 *   intersection  false beats all else
 *   exclusion     what is subtracted counts reversed, with its bounds exchanged
 *
 * The operators never lose knowledge when an operand is known better, so the answer does not depend on the order in which
 * branches are tried, nor on where a cycle is entered.
 */

/** Lower bound in bits 0 and 1, upper bound in bits 2 and 3; each 0 (false), 1 (cycle) or 2 (true). */
export type Truth = number;

export const FALSE: Truth = 0b0000;
export const CYCLE: Truth = 0b0101;
export const TRUE: Truth = 0b1010;
/** A condition that cannot be evaluated, a path that is too deep. */
export const UNKNOWN: Truth = 0b1000;

/** Of the numbers above. */
export function either(a: Truth, b: Truth): Truth {
  if (a === b) return a;
  const low = Math.max(a & 3, b & 3);
  const high = Math.max(a & 12, b & 12);
  return low | high;
}

export function both(a: Truth, b: Truth): Truth {
  if (a === b) return a;
  const low = Math.min(a & 3, b & 3);
  const high = Math.min(a & 12, b & 12);
  return low | high;
}

export function butNot(base: Truth, subtract: Truth): Truth {
  return both(base, (2 - (subtract >> 2)) | ((2 - (subtract & 3)) << 2));
}

/** No bound rests on a cycle: whatever else becomes known, it stays. */
export function isFixed(truth: Truth): boolean {
  return (truth & 0b0101) === 0;
}

/** Does the answer depend on what could not be evaluated? */
export function isUndecided(truth: Truth): boolean {
  return truth >> 2 === 2 && (truth & 3) !== 2;
}
