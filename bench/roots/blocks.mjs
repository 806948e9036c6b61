/** The blocks that every trie is given. */
import { randomNumbers } from "../lib/tuples.mjs";

/**
 * Blocks of distinct leaves that are there, by number.
 *
 * @param {number} leaves
 * @param {{ round: number, blocks: number, size: number }} options
 */
export function randomBlocks(leaves, { round, blocks, size }) {
  const random = randomNumbers(round * 7 + size);
  return Array.from({ length: blocks }, () => {
    /** @type {Set<number>} */
    const numbers = new Set();
    while (numbers.size < size) numbers.add(random(leaves));
    return [...numbers];
  });
}
