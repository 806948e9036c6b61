/**
 * A list of u32 in one typed array that grows at the end and is released from the front: what an index of a
 * million log entries may cost (8 bytes an entry, no object).
 */
const CAPACITY_MIN = 64;

export class U32List {
  #data = new Uint32Array(CAPACITY_MIN);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Bytes of memory that the list holds. */
  get bytes(): number {
    return this.#data.byteLength;
  }

  at(position: number): number {
    return this.#data[this.#start + position]!;
  }

  set(position: number, value: number): void {
    this.#data[this.#start + position] = value;
  }

  push(value: number): void {
    if (this.#end === this.#data.length) this.#makeRoom();
    this.#data[this.#end++] = value;
  }

  /** Keeps the first `length`. */
  truncate(length: number): void {
    this.#end = this.#start + length;
  }

  /** Forgets the first `count`. */
  dropFirst(count: number): void {
    this.#start += count;
    const { length } = this;
    if (this.#data.length > CAPACITY_MIN && length < this.#data.length / 4) {
      this.#move(Math.max(CAPACITY_MIN, length * 2));
    }
  }

  /** Position of the last value that is at most `value`, -1 if none; for ascending lists. */
  lastAtMost(value: number): number {
    let low = this.#start;
    let high = this.#end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#data[middle]! <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1 - this.#start;
  }

  /** Moves to the front while at least half is free there, else doubles. */
  #makeRoom(): void {
    const mostlyFree = this.#start > this.#data.length / 2;
    this.#move(mostlyFree ? this.#data.length : this.#data.length * 2);
  }

  #move(capacity: number): void {
    const { length } = this;
    const to = new Uint32Array(capacity);
    to.set(this.#data.subarray(this.#start, this.#end));
    this.#data = to;
    this.#start = 0;
    this.#end = length;
  }
}
