/**
 * Messages on their way to a follower that were not acknowledged yet, bounded by count and by bytes. A ring, so that
 * a message costs no allocation.
 */
export class Inflights {
  readonly countMax: number;
  readonly bytesMax: number;
  #indexes: number[] = [];
  #sizes: number[] = [];
  #start = 0;
  #count = 0;
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.countMax = countMax;
    this.bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** No further message may leave. One message may pass the bound of bytes, or a large one would never leave. */
  get isFull(): boolean {
    return this.#count >= this.countMax || this.#bytes >= this.bytesMax;
  }

  /** A message left whose last entry is `index`. */
  add(index: number, bytes: number): void {
    if (this.#count === this.#indexes.length) this.#grow();
    const at = (this.#start + this.#count) % this.#indexes.length;
    this.#indexes[at] = index;
    this.#sizes[at] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Everything up to `index` was acknowledged. */
  freeTo(index: number): void {
    const capacity = this.#indexes.length;
    while (this.#count > 0 && this.#indexes[this.#start]! <= index) {
      this.#bytes -= this.#sizes[this.#start]!;
      this.#start = (this.#start + 1) % capacity;
      this.#count--;
    }
  }

  /** Forgets all, bytes included (museum row 28). */
  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  clone(): Inflights {
    const copy = new Inflights(this.countMax, this.bytesMax);
    copy.#indexes = this.#indexes.slice();
    copy.#sizes = this.#sizes.slice();
    copy.#start = this.#start;
    copy.#count = this.#count;
    copy.#bytes = this.#bytes;
    return copy;
  }

  #grow(): void {
    const indexes: number[] = [];
    const sizes: number[] = [];
    for (let i = 0; i < this.#count; i++) {
      const at = (this.#start + i) % this.#indexes.length;
      indexes.push(this.#indexes[at]!);
      sizes.push(this.#sizes[at]!);
    }
    const capacity = Math.max(4, this.#count * 2);
    while (indexes.length < capacity) {
      indexes.push(0);
      sizes.push(0);
    }
    this.#indexes = indexes;
    this.#sizes = sizes;
    this.#start = 0;
  }
}
