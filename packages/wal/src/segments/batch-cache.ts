/**
 * The batches written or read last, so that readers behind the end of the log seldom go to the disk. Bounded by
 * CACHE_BYTES_MAX; the oldest goes first. What is handed out is a view until the next call.
 */
import { BLOCK_BYTES, CACHE_BYTES_MAX } from "../limits.js";
import type { BatchBuffers } from "./batch-buffers.js";

/** More blocks than the largest segment has: 2^18 * 4 KiB = 1 GiB. */
const BLOCKS_PER_SEGMENT = 0x4_0000 * 2;

export class BatchCache {
  readonly #buffers: BatchBuffers;
  readonly #bytesMax: number;
  /** In the order of insertion. */
  readonly #batches = new Map<number, Uint8Array>();
  #bytes = 0;

  constructor(buffers: BatchBuffers, bytesMax: number = CACHE_BYTES_MAX) {
    this.#buffers = buffers;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(seq: number, start: number): Uint8Array | undefined {
    return this.#batches.get(keyOf(seq, start));
  }

  /** Takes over `buffer`, which came from the batch buffers. */
  put(seq: number, start: number, buffer: Uint8Array): void {
    this.#remove(keyOf(seq, start));
    this.#batches.set(keyOf(seq, start), buffer);
    this.#bytes += buffer.length;
    for (const key of this.#batches.keys()) {
      if (this.#bytes <= this.#bytesMax || this.#batches.size === 1) break;
      this.#remove(key);
    }
  }

  /** Forgets the batches of a segment that leaves the log. */
  dropSegment(seq: number): void {
    for (const key of this.#batches.keys()) {
      if (Math.floor(key / BLOCKS_PER_SEGMENT) === seq) this.#remove(key);
    }
  }

  #remove(key: number): void {
    const buffer = this.#batches.get(key);
    if (buffer === undefined) return;
    this.#batches.delete(key);
    this.#bytes -= buffer.length;
    this.#buffers.give(buffer);
  }
}

function keyOf(seq: number, start: number): number {
  return seq * BLOCKS_PER_SEGMENT + start / BLOCK_BYTES;
}
