/**
 * Comparison of two things under equal circumstances: runs of A and B alternate, so that a machine that becomes
 * slower makes both slower, and what is reported is the median of the ratios of neighbours.
 */

const PAIRS = 5;

/**
 * @typedef {{ readonly min: number, readonly median: number, readonly max: number }} Spread
 */

/**
 * Runs A B, B A, A B, ... and returns the results pair by pair.
 *
 * @template T
 * @param {() => Promise<T>} a
 * @param {() => Promise<T>} b
 * @param {number} [pairs]
 * @returns {Promise<{ a: T, b: T }[]>}
 */
export async function alternate(a, b, pairs = PAIRS) {
  const results = [];
  for (let i = 0; i < pairs; i++) {
    if (i % 2 === 0) {
      const first = await a();
      results.push({ a: first, b: await b() });
    } else {
      const first = await b();
      results.push({ a: await a(), b: first });
    }
  }
  return results;
}

/**
 * Spread of the ratio a / b of a figure over all pairs.
 *
 * @template T
 * @param {readonly { a: T, b: T }[]} pairs
 * @param {(result: T) => number} figure
 * @returns {Spread}
 */
export function ratios(pairs, figure) {
  return spread(pairs.map(({ a, b }) => figure(a) / figure(b)));
}

/**
 * @param {readonly number[]} values at least one
 * @returns {Spread}
 */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = /** @type {number} */ (sorted[middle]);
  const lower = sorted.length % 2 === 1 ? upper : /** @type {number} */ (sorted[middle - 1]);
  return {
    min: /** @type {number} */ (sorted[0]),
    median: (lower + upper) / 2,
    max: /** @type {number} */ (sorted.at(-1)),
  };
}

/**
 * @param {Spread} values
 * @param {number} [digits]
 */
export function showSpread({ min, median, max }, digits = 2) {
  return `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`;
}
