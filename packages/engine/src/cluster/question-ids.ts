/**
 * Names of questions that another node answers later.
 *
 *   INV-ASK-1  The answer to a question of a former life of this node passes for none of this life. A leader whose disk was
 *              stuck answers seconds later, on whatever connection there is by then; so names begin at random in each life.
 */
import type { Random } from "@authledger/io";

/** Far more names than are ever open, and room behind the first one for a life's questions below 2^53. */
const FIRST_BYTES = 6;

export class QuestionIds {
  #next: number;

  constructor(random: Random) {
    this.#next = random.bytes(FIRST_BYTES).reduce((number, byte) => number * 256 + byte, 0);
  }

  /** A u64 that was not given out in this life. */
  next(): number {
    return this.#next++;
  }
}
