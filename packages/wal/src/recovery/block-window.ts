/** A window on a file that is read from front to back in large pieces. */
import type { DiskFile } from "@authledger/io";
import { SCAN_READ_BYTES } from "../limits.js";

export class BlockWindow {
  readonly #file: DiskFile;
  readonly #size: number;
  #buffer: Uint8Array;
  #from = 0;
  #length = 0;
  #bytesRead = 0;

  constructor(file: DiskFile, size: number) {
    this.#file = file;
    this.#size = size;
    this.#buffer = new Uint8Array(Math.min(size, SCAN_READ_BYTES));
  }

  /** Bytes read from the file so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** A view of `[offset, offset + length)`, cut at the end of the file; valid until the next call. */
  view(offset: number, length: number): Uint8Array {
    const end = Math.min(offset + length, this.#size);
    if (offset < this.#from || end > this.#from + this.#length) this.#load(offset, end - offset);
    return this.#buffer.subarray(offset - this.#from, Math.max(end, offset) - this.#from);
  }

  #load(offset: number, wanted: number): void {
    const length = Math.min(Math.max(wanted, SCAN_READ_BYTES), this.#size - offset);
    if (length > this.#buffer.length) this.#buffer = new Uint8Array(length);
    this.#from = offset;
    this.#length = this.#file.readSync(this.#buffer.subarray(0, length), offset);
    this.#bytesRead += this.#length;
  }
}
