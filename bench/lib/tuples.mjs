/**
 * Tuples of a made-up drive: documents, users and groups. Everything follows from the number of a
 * tuple, so that a benchmark can ask for tuple i without having kept it. Keys are 20 to 40 bytes long, and
 * neighbours in the order of writing are not neighbours in the order of the store.
 */

/** @typedef {{ readonly resource: string, readonly relation: string, readonly subject: string }} Tuple */

const RELATIONS = ["viewer", "editor", "owner", "commenter"];
const USERS = 50_021;
const GROUPS = 997;
/** Odd, so that multiplying by it permutes the numbers modulo 2^32. */
const SCATTER = 0x9e37_79b1;

/**
 * Tuple i of the store; different for every i below 2^32.
 *
 * @param {number} i
 * @returns {Tuple}
 */
export function tuple(i) {
  const scattered = Math.imul(i, SCATTER) >>> 0;
  return {
    resource: `doc:d${scattered.toString(36).padStart(7, "0")}`,
    relation: /** @type {string} */ (RELATIONS[i % RELATIONS.length]),
    subject:
      i % 8 === 7
        ? `group:g${(scattered % GROUPS).toString(36)}#member`
        : `user:u${(scattered % USERS).toString(36).padStart(4, "0")}`,
  };
}

/**
 * A tuple like tuple i that is never stored: no subject has this name.
 *
 * @param {number} i
 * @returns {Tuple}
 */
export function absentTuple(i) {
  return { ...tuple(i), subject: `user:nobody${i.toString(36)}` };
}

/**
 * Numbers below `below` in an order without pattern, the same in every run.
 *
 * @param {number} seed
 * @returns {(below: number) => number}
 */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    // Mulberry32, by Tommy Ettinger (public domain).
    state = (state + 0x6d2b_79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return Math.floor((((z ^ (z >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
