// @ts-check
/**
 * The input that a worker is running, where the program that started it can read it: after a crash, when memory ran
 * out, or when a run does not end.
 *
 *     i32 run number || i32 length || bytes
 */
const HEADER_BYTES = 8;

export class SharedInput {
  /** @param {SharedArrayBuffer} buffer */
  constructor(buffer) {
    this.buffer = buffer;
    this.numbers = new Int32Array(buffer, 0, 2);
    this.bytes = new Uint8Array(buffer, HEADER_BYTES);
  }

  /** @param {number} maxBytes */
  static create(maxBytes) {
    return new SharedInput(new SharedArrayBuffer(HEADER_BYTES + maxBytes));
  }

  get run() {
    return Atomics.load(this.numbers, 0);
  }

  /** @param {Uint8Array} input */
  begin(input) {
    this.bytes.set(input);
    Atomics.store(this.numbers, 1, input.length);
    Atomics.add(this.numbers, 0, 1);
  }

  read() {
    return this.bytes.slice(0, Atomics.load(this.numbers, 1));
  }
}
