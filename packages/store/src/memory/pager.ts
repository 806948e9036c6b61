/**
 * Pages of trees by number: read and verified, born, copied before an edit, let go.
 *
 *   INV-PAGER-1  A page on disk or in a running flush is never edited: `edit` copies it to a page of its own
 *                (copy-on-write; storage.md, flush protocol, rule 1).
 *   INV-PAGER-2  A young page is edited in place only if it was born after the newest live pin.
 *   INV-PAGER-3  What is read from the file matches the checksum that its parent holds, and names its own
 *                number and tree; else it is reported and never returned.
 */
import type { DiskFile } from "@authledger/io";
import { assert, LedgerError } from "@authledger/types";
import type { Checksum } from "../format/checksum.js";
import { isSealed, POINTER_SUM_AT } from "../format/pointer.js";
import type { Allocator } from "../space/allocator.js";
import { OverfullPage } from "../tree/overfull-page.js";
import { initPage, PAGE_AT, TREE_AT, TXID_AT } from "../tree/slotted-page.js";
import { FrameList } from "./frame-list.js";
import { FrameState, type PageCache, type Slab } from "./page-cache.js";

export class Pager {
  readonly cache: PageCache;
  readonly allocator: Allocator;
  readonly pageBytes: number;
  /** Where trees lay out pages anew. */
  readonly overfull: OverfullPage;
  readonly #file: DiskFile;
  readonly #checksum: Checksum;
  /** Frames of pages born since the last freeze. */
  readonly #young: FrameList;
  /** The generation that the next flush writes. */
  generation: number;
  /** The batch being written; pins are of batches before it. */
  batch = 1;
  /** Raised whenever a page that was editable may no longer be: remembered paths end. */
  epoch = 0;
  #newestPin = 0;

  constructor(
    file: DiskFile,
    cache: PageCache,
    allocator: Allocator,
    checksum: Checksum,
    generation: number,
  ) {
    this.#file = file;
    this.cache = cache;
    this.allocator = allocator;
    this.#checksum = checksum;
    this.pageBytes = cache.pageBytes;
    this.overfull = new OverfullPage(cache.pageBytes);
    this.generation = generation;
    this.#young = new FrameList(cache);
  }

  get youngFrames(): number {
    return this.#young.count;
  }

  /** Batch of the newest live pin, 0 without one. */
  get newestPin(): number {
    return this.#newestPin;
  }

  set newestPin(batch: number) {
    this.#newestPin = batch;
    this.epoch++;
  }

  /** The frame of a page whose checksum is `sum`; undefined only while it cannot be evicted. */
  node(page: number, sum: bigint | undefined, tree: number): number {
    const frame = this.cache.find(page);
    return frame >= 0 ? frame : this.#load(page, sum, tree);
  }

  /** The frame that a pointer at `at` of a branch's slab leads to. */
  child(slab: Slab, at: number, tree: number): number {
    const { view } = slab;
    const page = view.getUint32(at, true);
    const frame = this.cache.find(page);
    if (frame >= 0) return frame;
    const sum = isSealed(view, at) ? view.getBigUint64(at + POINTER_SUM_AT, true) : undefined;
    return this.#load(page, sum, tree);
  }

  /** A new, empty page. */
  birth(tree: number, level: number): number {
    const frame = this.#takeYoung(this.allocator.take());
    initPage(this.cache.slab(frame), this.cache.base(frame), this.pageBytes, {
      tree,
      level,
      prefixBytes: 0,
    });
    this.#number(frame);
    return frame;
  }

  /** A frame with the same content that may be edited: the same one, or a copy under another number. */
  edit(frame: number): number {
    const { cache } = this;
    if (cache.state[frame] === FrameState.YOUNG && cache.birth[frame]! > this.#newestPin) {
      return frame;
    }
    const from = cache.slab(frame).bytes;
    const fromBase = cache.base(frame);
    const page = cache.pageOf[frame]!;
    const copy = this.#takeYoung(this.allocator.take());
    const to = cache.slab(copy).bytes;
    to.set(from.subarray(fromBase, fromBase + this.pageBytes), cache.base(copy));
    this.#number(copy);
    this.free(page);
    return copy;
  }

  /** The tree being written does not reach a page any more. */
  free(page: number): void {
    const { cache, allocator } = this;
    const frame = cache.peek(page);
    if (frame < 0 || cache.state[frame] !== FrameState.YOUNG) {
      allocator.letGo(page, 1, this.generation);
      return;
    }
    this.#young.remove(frame);
    if (cache.birth[frame]! > this.#newestPin) {
      cache.drop(frame);
      allocator.giveBack(page);
    } else {
      cache.setState(frame, FrameState.HELD);
      allocator.hold(page, 1, this.batch);
    }
  }

  /** Takes all young pages for a flush; what is born from now on belongs to the next generation. */
  freeze(): number[] {
    const frames = this.#young.takeAll();
    for (const frame of frames) this.cache.setState(frame, FrameState.FROZEN);
    this.epoch++;
    return frames;
  }

  /** A flush failed: its pages are young again, except those in `gone`, which nothing reaches any more. */
  thaw(frames: readonly number[], gone: ReadonlySet<number>): void {
    const { cache } = this;
    for (const frame of frames) {
      if (gone.has(cache.pageOf[frame]!)) continue;
      cache.setState(frame, FrameState.YOUNG);
      this.#young.add(frame);
    }
    // What was born beside the failed flush belongs to the generation that is built again.
    for (let i = 0; i < this.#young.count; i++) this.#number(this.#young.at(i));
    this.epoch++;
  }

  /** A page of a failed flush that nothing but a pin reaches: it was never part of a slot. */
  discardThawed(page: number): void {
    const { cache, allocator } = this;
    const frame = cache.peek(page);
    assert(cache.state[frame] === FrameState.FROZEN, "a page of the failed flush", { page });
    if (cache.birth[frame]! > this.#newestPin) {
      cache.drop(frame);
      allocator.giveBack(page);
    } else {
      cache.setState(frame, FrameState.HELD);
      allocator.hold(page, 1, this.batch);
    }
  }

  #takeYoung(page: number): number {
    const frame = this.cache.take(page, FrameState.YOUNG);
    this.cache.birth[frame] = this.batch;
    this.#young.add(frame);
    return frame;
  }

  #number(frame: number): void {
    const { view } = this.cache.slab(frame);
    const base = this.cache.base(frame);
    view.setUint32(base + PAGE_AT, this.cache.pageOf[frame]!, true);
    view.setUint16(base + PAGE_AT + 4, 0, true);
    view.setUint32(base + TXID_AT, this.generation % 2 ** 32, true);
    view.setUint32(base + TXID_AT + 4, Math.floor(this.generation / 2 ** 32), true);
  }

  #load(page: number, sum: bigint | undefined, tree: number): number {
    assert(sum !== undefined, "INV-PTR-1: a page without a known checksum is in memory", { page });
    const frame = this.cache.take(page, FrameState.CLEAN);
    let why: string | undefined = "it was not read";
    try {
      why = this.#problem(this.cache.bytes(frame), page, sum, tree);
    } finally {
      if (why !== undefined) this.cache.drop(frame);
    }
    if (why === undefined) return frame;
    const message = `page ${page} of table ${tree} in ${this.#file.path}: ${why}`;
    throw new LedgerError("STORE_PAGE_CORRUPT", message, {
      details: { page, tree, file: this.#file.path },
    });
  }

  #problem(bytes: Uint8Array, page: number, sum: bigint, tree: number): string | undefined {
    const read = this.#file.readSync(bytes, page * this.pageBytes);
    if (read !== this.pageBytes) return "the file ends before it";
    if (this.#checksum.of(bytes) !== sum) return "its checksum does not match its parent's";
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(PAGE_AT, true) !== page) return "it is another page";
    if (view.getUint16(TREE_AT, true) !== tree) return "it belongs to another table";
    return undefined;
  }
}
