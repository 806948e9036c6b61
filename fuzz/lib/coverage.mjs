// @ts-check
/** What the inputs so far have reached. A counter counts as seen apart for once, a few times and many times. */
import { COUNTERS } from "./instrument.mjs";

/** The class of each count, as a bit. */
const CLASS = new Uint8Array(256);
for (let count = 1; count < 256; count++) {
  CLASS[count] = count === 1 ? 1 : count < 4 ? 2 : count < 16 ? 4 : count < 64 ? 8 : 16;
}

export class Coverage {
  /** Shared with the counters in the product's code. */
  hits = new Uint8Array(COUNTERS);
  #words = new Uint32Array(this.hits.buffer);
  #seen = new Uint8Array(COUNTERS);
  #reached = 0;

  /** Begins anew, for another target. */
  forget() {
    this.#seen.fill(0);
    this.#reached = 0;
  }

  /** Counters that any input has reached. */
  get reached() {
    return this.#reached;
  }

  /** Takes the counts of one run: did it reach anything new? */
  take() {
    let isNew = false;
    for (let word = 0; word < this.#words.length; word++) {
      if (this.#words[word] === 0) continue;
      for (let at = word * 4; at < word * 4 + 4; at++) {
        const bit = CLASS[this.hits[at]];
        if ((this.#seen[at] & bit) === bit) continue;
        if (this.#seen[at] === 0) this.#reached++;
        this.#seen[at] |= bit;
        isNew = true;
      }
      this.#words[word] = 0;
    }
    return isNew;
  }
}
