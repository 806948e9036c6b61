/**
 * Buffers for batches, reused: fresh ones would cost a page fault for every 4 KiB written. Sizes are powers of
 * two.
 */
import { BLOCK_BYTES, SPARE_BUFFER_BYTES_MAX } from "../limits.js";

export class BatchBuffers {
  readonly #spare = new Map<number, Uint8Array[]>();
  #spareBytes = 0;

  /** A buffer of at least `bytes`, with whatever content. */
  take(bytes: number): Uint8Array {
    const size = sizeFor(bytes);
    const buffer = this.#spare.get(size)?.pop();
    if (buffer === undefined) return new Uint8Array(size);
    this.#spareBytes -= size;
    return buffer;
  }

  /** Nobody looks at `buffer` any more. */
  give(buffer: Uint8Array): void {
    if (this.#spareBytes + buffer.length > SPARE_BUFFER_BYTES_MAX) return;
    const same = this.#spare.get(buffer.length) ?? [];
    this.#spare.set(buffer.length, same);
    same.push(buffer);
    this.#spareBytes += buffer.length;
  }
}

function sizeFor(bytes: number): number {
  let size = BLOCK_BYTES;
  while (size < bytes) size *= 2;
  return size;
}
