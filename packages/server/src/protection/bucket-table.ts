/**
 * The buckets of all clients, or of all organizations: one for reads and one for writes each.
 *
 *   INV-RATE-3  A table holds at most 2 * KEYS_MAX buckets, however many clients there are. One that is forgotten is full
 *               when it is made again; that happens to no client that called while fewer than KEYS_MAX others did.
 */
import { Generations } from "../generations.js";

/** Keys of one generation: two tables of two generations of these take some 20 MB. */
const KEYS_MAX = 32_768;

/** When the two buckets of a client are full again, on the monotonic clock. */
export class Buckets {
  reads = 0;
  writes = 0;
}

export class BucketTable<K> {
  readonly #buckets: Generations<Buckets, K>;

  constructor(keysMax: number = KEYS_MAX) {
    this.#buckets = new Generations(keysMax);
  }

  get size(): number {
    return this.#buckets.size;
  }

  of(key: K): Buckets {
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    const made = new Buckets();
    this.#buckets.set(key, made);
    return made;
  }
}
