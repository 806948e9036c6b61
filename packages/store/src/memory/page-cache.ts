/**
 * Frames of page size in slabs of 1 MiB, with CLOCK replacement (Corbato 1968) and a byte budget.
 *
 *   INV-CACHE-1  A page has at most one frame.
 *   INV-CACHE-2  Only clean frames are evicted: everything else is not on disk yet, or not any more.
 *   INV-CACHE-3  None of the last `recentReads` frames touched is evicted or filled with another page, so an
 *                operation, and a caller with a view, keep the bytes they look at.
 *   INV-CACHE-4  Slabs take no more than the budget, unless frames that cannot be evicted do, unwritten and
 *                recent ones: then one slab more than these. A flush gives slabs over the budget back, from the
 *                last one down, once nothing unwritten is in them. Who writes watches `dirtyFrames`.
 *
 * Metadata is in flat arrays, one element a frame. What is read into a frame is verified by the pager.
 */
import { assert } from "@authledger/types";
import { RECENT_READS_MAX, SLAB_BYTES } from "../limits.js";
import { PageTable } from "./page-table.js";

/** Bytes of many frames. `view` reads integers: V8 turns its methods into single loads. */
export interface Slab {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Bytes of their own with their view. */
export function slabOf(length: number): Slab {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** What a frame holds. */
export const FrameState = {
  /** Nothing. */
  EMPTY: 0,
  /** A page as it is on disk. */
  CLEAN: 1,
  /** A page born since the last freeze; the next flush writes it. */
  YOUNG: 2,
  /** A page that the running flush writes. */
  FROZEN: 3,
  /** A page that was replaced before any flush wrote it; pins still see it. */
  HELD: 4,
} as const;
export type FrameState = (typeof FrameState)[keyof typeof FrameState];

export interface PageCacheStats {
  readonly budgetBytes: number;
  /** All slabs. */
  readonly bytes: number;
  readonly reads: number;
  readonly misses: number;
  readonly evictions: number;
}

export class PageCache {
  readonly pageBytes: number;
  /** `frame >> slabShift` is the slab, `(frame & slabMask) << pageShift` the place in it. */
  readonly slabShift: number;
  readonly slabMask: number;
  readonly pageShift: number;
  readonly slabs: Slab[] = [];
  readonly #table = new PageTable();
  readonly #budgetFrames: number;
  readonly #recentReads: number;
  pageOf: Int32Array = new Int32Array(0);
  state: Uint8Array = new Uint8Array(0);
  /** Batch in which the page of a dirty frame was born. */
  birth: Float64Array = new Float64Array(0);
  /** Checksum of a sealed frame. */
  sum: BigUint64Array = new BigUint64Array(0);
  /** Position in the one frame list that the frame is in. */
  position: Int32Array = new Int32Array(0);
  #used: Uint8Array = new Uint8Array(0);
  #stamp: Int32Array = new Int32Array(0);
  #hand = 0;
  /** Touches so far; the low 32 bits are what a frame is stamped with. */
  #reads = 0;
  #misses = 0;
  #evictions = 0;
  /** Frames that hold nothing, in the order in which they became so. */
  #empty: number[] = [];
  #emptyHead = 0;
  /** Frames of new slabs that never held anything, the next one last: nobody can have a view of them. */
  #fresh: number[] = [];
  #cleanFrames = 0;
  #dirtyFrames = 0;

  constructor(pageBytes: number, budgetBytes: number) {
    this.pageBytes = pageBytes;
    this.pageShift = Math.log2(pageBytes);
    const frames = Math.floor(budgetBytes / pageBytes);
    const slabFrames = Math.min(SLAB_BYTES / pageBytes, floorPowerOfTwo(frames / 4));
    this.#budgetFrames = frames - (frames % slabFrames);
    this.slabShift = Math.log2(slabFrames);
    this.slabMask = slabFrames - 1;
    this.#recentReads = Math.min(RECENT_READS_MAX, this.#budgetFrames >> 1);
  }

  get stats(): PageCacheStats {
    return {
      budgetBytes: this.#budgetFrames * this.pageBytes,
      bytes: this.frames * this.pageBytes,
      reads: this.#reads,
      misses: this.#misses,
      evictions: this.#evictions,
    };
  }

  /** Frames that no eviction can free: young, frozen and held. */
  get dirtyFrames(): number {
    return this.#dirtyFrames;
  }

  /** Frames of all slabs. */
  get frames(): number {
    return this.slabs.length << this.slabShift;
  }

  /** The slab of a frame. */
  slab(frame: number): Slab {
    return this.slabs[frame >> this.slabShift]!;
  }

  /** Where a frame begins in its slab. */
  base(frame: number): number {
    return (frame & this.slabMask) << this.pageShift;
  }

  /** The bytes of a frame. */
  bytes(frame: number): Uint8Array {
    const base = this.base(frame);
    return this.slab(frame).bytes.subarray(base, base + this.pageBytes);
  }

  /** The frame of a page, touched; -1 when it is not in memory. */
  find(page: number): number {
    const frame = this.#table.get(page);
    if (frame >= 0) this.touch(frame);
    return frame;
  }

  /** The frame of a page without counting it as a read; -1 when it is not in memory. */
  peek(page: number): number {
    return this.#table.get(page);
  }

  /** Does the frame still hold the page? If so it counts as read. */
  holds(frame: number, page: number): boolean {
    if (this.pageOf[frame] !== page) return false;
    this.touch(frame);
    return true;
  }

  touch(frame: number): void {
    this.#stamp[frame] = ++this.#reads;
    this.#used[frame] = 1;
  }

  /** A frame for a page; its bytes are whatever was there. A frame that held the page before is dropped. */
  take(page: number, state: FrameState): number {
    const stale = this.#table.get(page);
    if (stale >= 0) this.drop(stale);
    const frame = this.#vacant();
    this.pageOf[frame] = page;
    this.#table.set(page, frame);
    this.setState(frame, state);
    this.touch(frame);
    if (state === FrameState.CLEAN) this.#misses++;
    return frame;
  }

  /** Forgets what a frame holds. */
  drop(frame: number): void {
    const page = this.pageOf[frame]!;
    assert(this.#table.get(page) === frame, "INV-CACHE-1: a page has one frame", { page, frame });
    this.#table.delete(page);
    this.pageOf[frame] = 0;
    this.setState(frame, FrameState.EMPTY);
    this.#stamp[frame] = this.#reads;
    this.#empty.push(frame);
  }

  setState(frame: number, state: FrameState): void {
    const before = this.state[frame]!;
    if (before === FrameState.CLEAN) this.#cleanFrames--;
    else if (before !== FrameState.EMPTY) this.#dirtyFrames--;
    if (state === FrameState.CLEAN) this.#cleanFrames++;
    else if (state !== FrameState.EMPTY) this.#dirtyFrames++;
    this.state[frame] = state;
  }

  /**
   * Gives back slabs over the budget, as far as nothing unwritten is in them. Called after a flush, in a turn of
   * its own: no view is alive then, so recent frames go too. A large load leaves them in the last slabs.
   */
  shrink(): void {
    const keep = Math.max(1, Math.ceil(this.#budgetFrames / (this.slabMask + 1)));
    let dropped = false;
    while (this.slabs.length > keep && this.#isSlabClean(this.slabs.length - 1)) {
      this.#dropSlab();
      dropped = true;
    }
    if (!dropped) return;
    const frames = this.frames;
    this.#empty = this.#empty.slice(this.#emptyHead).filter((frame) => frame < frames);
    this.#emptyHead = 0;
    this.#fresh = this.#fresh.filter((frame) => frame < frames);
    this.#hand = 0;
  }

  #isRecent(frame: number): boolean {
    return touchesSince(this.#reads, this.#stamp[frame]!) < this.#recentReads;
  }

  /** An empty frame: one that never held anything or has been empty for a while, a new one within the budget, an evicted one. */
  #vacant(): number {
    const fresh = this.#fresh.pop();
    if (fresh !== undefined) return fresh;
    const waiting = this.#oldestEmpty();
    if (waiting >= 0) return waiting;
    if (this.frames < this.#budgetFrames) return this.#grow();
    const evicted = this.#evict();
    return evicted >= 0 ? evicted : this.#grow();
  }

  #oldestEmpty(): number {
    if (this.#emptyHead >= this.#empty.length) return -1;
    const frame = this.#empty[this.#emptyHead]!;
    if (this.#isRecent(frame)) return -1;
    this.#emptyHead++;
    if (this.#emptyHead > 1_024 && this.#emptyHead * 2 > this.#empty.length) {
      this.#empty = this.#empty.slice(this.#emptyHead);
      this.#emptyHead = 0;
    }
    return frame;
  }

  /** Two rounds of the hand at most: the first takes away the mark of use, the second finds. */
  #evict(): number {
    if (this.#cleanFrames <= this.#recentReads) return -1;
    const frames = this.frames;
    for (let step = 0; step < 2 * frames; step++) {
      const frame = this.#hand;
      this.#hand = frame + 1 === frames ? 0 : frame + 1;
      if (this.state[frame] !== FrameState.CLEAN || this.#isRecent(frame)) continue;
      if (this.#used[frame] === 0) return this.#vacate(frame);
      this.#used[frame] = 0;
    }
    return -1;
  }

  #vacate(frame: number): number {
    this.#table.delete(this.pageOf[frame]!);
    this.pageOf[frame] = 0;
    this.setState(frame, FrameState.EMPTY);
    this.#evictions++;
    return frame;
  }

  /** Adds a slab and returns its first frame. */
  #grow(): number {
    const first = this.frames;
    const count = this.slabMask + 1;
    const bytes = new Uint8Array(count * this.pageBytes);
    this.slabs.push({ bytes, view: new DataView(bytes.buffer) });
    if (first + count > this.pageOf.length) this.#growMetadata(first + count);
    for (let i = count - 1; i > 0; i--) this.#fresh.push(first + i);
    return first;
  }

  #growMetadata(frames: number): void {
    const capacity = Math.max(frames, this.pageOf.length * 2);
    this.pageOf = grown(this.pageOf, new Int32Array(capacity));
    this.state = grown(this.state, new Uint8Array(capacity));
    this.birth = grown(this.birth, new Float64Array(capacity));
    this.position = grown(this.position, new Int32Array(capacity));
    this.#used = grown(this.#used, new Uint8Array(capacity));
    this.#stamp = grown(this.#stamp, new Int32Array(capacity));
    const sum = new BigUint64Array(capacity);
    sum.set(this.sum);
    this.sum = sum;
  }

  #isSlabClean(slab: number): boolean {
    const first = slab << this.slabShift;
    for (let frame = first; frame <= first + this.slabMask; frame++) {
      const state = this.state[frame];
      if (state !== FrameState.EMPTY && state !== FrameState.CLEAN) return false;
    }
    return true;
  }

  #dropSlab(): void {
    const first = (this.slabs.length - 1) << this.slabShift;
    for (let frame = first; frame <= first + this.slabMask; frame++) {
      if (this.state[frame] === FrameState.CLEAN) this.#vacate(frame);
    }
    this.slabs.pop();
  }
}

/** Touches since a stamp, modulo 2^32: an old frame must not look new after 2^31 touches (36 min at 1 M/s). */
export function touchesSince(reads: number, stamp: number): number {
  return (reads - stamp) >>> 0;
}

function grown<T extends Int32Array | Uint8Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

function floorPowerOfTwo(n: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, n)));
}
