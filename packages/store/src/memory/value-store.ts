/**
 * Values too long for a leaf: bytes in pages of their own, one after the other, with no header. The reference
 * in the leaf holds length and checksum, so a value is verified when it is read.
 *
 * The same rules as for pages (pager.ts): a value that no flush has written lives in memory; one that is
 * replaced before it was written is held for as long as a pin may see it.
 */
import type { DiskFile } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import type { Checksum } from "../format/checksum.js";
import { ChecksumAlgorithm, OVERFLOW_REFERENCE } from "../format/pointer.js";
import { u64Bytes, u64Of } from "../format/records.js";
import { STORE_VALUE_BYTES_MAX } from "../limits.js";
import type { Pager } from "./pager.js";

interface YoungValue {
  readonly bytes: Uint8Array;
  readonly birth: number;
}

/** A value that a flush writes. */
export interface FrozenValue {
  readonly page: number;
  readonly bytes: Uint8Array;
}

export class ValueStore {
  readonly #pager: Pager;
  readonly #file: DiskFile;
  readonly #checksum: Checksum;
  readonly #cleanBytesMax: number;
  #young = new Map<number, YoungValue>();
  #frozen = new Map<number, YoungValue>();
  readonly #held = new Map<number, YoungValue>();
  /** Read or written lately, oldest first. */
  readonly #clean = new Map<number, Uint8Array>();
  #cleanBytes = 0;
  youngBytes = 0;
  frozenBytes = 0;

  constructor(pager: Pager, file: DiskFile, checksum: Checksum, cleanBytesMax: number) {
    this.#pager = pager;
    this.#file = file;
    this.#checksum = checksum;
    this.#cleanBytesMax = cleanBytesMax;
  }

  get cleanBytes(): number {
    return this.#cleanBytes;
  }

  /** Asked before the tree is touched. @throws LedgerError LIMIT_EXCEEDED */
  checkLength(bytes: number): void {
    if (bytes <= STORE_VALUE_BYTES_MAX) return;
    const message = `a value of ${bytes} bytes; the limit is ${STORE_VALUE_BYTES_MAX}`;
    throw new LedgerError("LIMIT_EXCEEDED", message, {
      details: { limit: STORE_VALUE_BYTES_MAX, actual: bytes },
    });
  }

  /** Keeps a copy of the value and returns the reference for its leaf. */
  put(value: Uint8Array): Uint8Array {
    const pages = this.#pagesOf(value.length);
    const page = this.#pager.allocator.takeRun(pages);
    this.#dropClean(page, pages);
    this.#young.set(page, { bytes: value.slice(), birth: this.#pager.batch });
    this.youngBytes += value.length;
    return referenceTo(page, pages, this.#checksum.of(value), value.length);
  }

  /**
   * Copies a value to pages nearer to the beginning of the file and lets go of the old ones.
   * @returns the reference of the copy; undefined when there is no room there, or the value is in no file yet
   */
  move(slab: Uint8Array, at: number): Uint8Array | undefined {
    const { page, pages, length, sum } = OVERFLOW_REFERENCE.read(slab, at);
    if (this.#young.has(page)) return undefined;
    const bytes = this.get(slab, at);
    const first = this.#pager.allocator.takeRunBelow(pages, page);
    if (first < 0) return undefined;
    this.#dropClean(first, pages);
    this.#young.set(first, { bytes, birth: this.#pager.batch });
    this.youngBytes += length;
    this.free(slab, at);
    return referenceTo(first, pages, u64Of(sum), length);
  }

  /** The value of a reference; a view that nobody may change. */
  get(slab: Uint8Array, at: number): Uint8Array {
    const { page, length, sum } = OVERFLOW_REFERENCE.read(slab, at);
    const inMemory = this.#young.get(page) ?? this.#frozen.get(page) ?? this.#held.get(page);
    return inMemory?.bytes ?? this.#clean.get(page) ?? this.#load(page, length, u64Of(sum));
  }

  /** The tree being written does not reach a value any more. */
  free(slab: Uint8Array, at: number): void {
    const { page, pages } = OVERFLOW_REFERENCE.read(slab, at);
    const young = this.#young.get(page);
    if (young === undefined) {
      this.#pager.allocator.letGo(page, pages, this.#pager.generation);
      return;
    }
    this.#young.delete(page);
    this.youngBytes -= young.bytes.length;
    this.#giveBackOrHold(page, pages, young);
  }

  /** Nobody sees a held value any more. False when the page is not a value's. */
  release(page: number): boolean {
    return this.#held.delete(page);
  }

  freeze(): FrozenValue[] {
    this.#frozen = this.#young;
    this.#young = new Map();
    this.frozenBytes = this.youngBytes;
    this.youngBytes = 0;
    return [...this.#frozen].map(([page, { bytes }]) => ({ page, bytes }));
  }

  /** A flush is durable: what it wrote may be read from the file. */
  settle(): void {
    for (const [page, { bytes }] of this.#frozen) this.#remember(page, bytes);
    this.#frozen = new Map();
    this.frozenBytes = 0;
  }

  /** A flush failed: its values are young again, except those in `gone`. */
  thaw(gone: ReadonlySet<number>): void {
    for (const [page, value] of this.#frozen) {
      if (gone.has(page)) continue;
      this.#young.set(page, value);
      this.youngBytes += value.bytes.length;
    }
    const frozen = this.#frozen;
    this.#frozen = new Map();
    this.frozenBytes = 0;
    for (const [page, value] of frozen) {
      if (gone.has(page)) this.#giveBackOrHold(page, this.#pagesOf(value.bytes.length), value);
    }
  }

  isFrozen(page: number): boolean {
    return this.#frozen.has(page);
  }

  #giveBackOrHold(page: number, pages: number, value: YoungValue): void {
    const { allocator, batch, newestPin } = this.#pager;
    if (value.birth > newestPin) allocator.giveBack(page, pages);
    else {
      this.#held.set(page, value);
      allocator.hold(page, pages, batch);
    }
  }

  #load(page: number, length: number, sum: bigint): Uint8Array {
    const bytes = new Uint8Array(Math.min(length, STORE_VALUE_BYTES_MAX));
    const read = this.#file.readSync(bytes, page * this.#pager.pageBytes);
    if (read !== length || this.#checksum.of(bytes) !== sum) {
      const message = `page ${page} in ${this.#file.path}: the checksum of a value does not match its leaf's`;
      throw new LedgerError("STORE_PAGE_CORRUPT", message, {
        details: { page, file: this.#file.path },
      });
    }
    this.#remember(page, bytes);
    return bytes;
  }

  #remember(page: number, bytes: Uint8Array): void {
    if (bytes.length > this.#cleanBytesMax) return;
    this.#forget(page);
    this.#clean.set(page, bytes);
    this.#cleanBytes += bytes.length;
    for (const oldest of this.#clean.keys()) {
      if (this.#cleanBytes <= this.#cleanBytesMax) break;
      this.#forget(oldest);
    }
  }

  #forget(page: number): void {
    this.#cleanBytes -= this.#clean.get(page)?.length ?? 0;
    this.#clean.delete(page);
  }

  /** A page number that is used again must not find the value that lay there before. */
  #dropClean(page: number, pages: number): void {
    for (let i = 0; i < pages && this.#clean.size > 0; i++) this.#forget(page + i);
  }

  #pagesOf(bytes: number): number {
    return Math.max(1, Math.ceil(bytes / this.#pager.pageBytes));
  }
}

function referenceTo(page: number, pages: number, sum: bigint, length: number): Uint8Array {
  const reference = new Uint8Array(OVERFLOW_REFERENCE.size);
  OVERFLOW_REFERENCE.write(reference, {
    page,
    pages,
    sum: u64Bytes(sum),
    algorithm: ChecksumAlgorithm.XXH64,
    reserved: new Uint8Array(7),
    length,
  });
  return reference;
}
