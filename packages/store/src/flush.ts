/**
 * One flush: everything young becomes a new generation on disk (storage.md, "Flush protocol").
 *
 *   1. freeze: the young pages and values, the roots, the free list. Synchronous; writers go on at once.
 *   2. seal: checksums from the leaves up, in slices.
 *   3. write pages, values and chains; sync.
 *   4. write both copies of the generation's slot; sync. Only now the generation exists.
 *
 *   INV-FLUSH-1  A superblock never points at something unsynced.
 *   INV-FLUSH-2  A flush that fails before step 4 leaves both slots as they were. One that failed in step 3
 *                because the disk was full may be tried again; every other failure ends the store.
 */
import type { Clock, DiskFile, Timers } from "@authledger/io";
import { assert } from "@authledger/types";
import type { Checksum } from "./format/checksum.js";
import { chainPages, type EncodedChain, encodeChain } from "./format/page-chain.js";
import { PageType } from "./format/page-header.js";
import { isSealed, sealPointer } from "./format/pointer.js";
import { CATALOG_RECORD, encodeCatalog, FREE_RECORD, writeFreeExtent } from "./format/records.js";
import {
  FLUSH_BYTES_IN_FLIGHT_MAX,
  FLUSH_SEAL_STEP,
  FLUSH_SHARE,
  FLUSH_SLICE_MS,
  FLUSH_SLICE_MS_MAX,
  FLUSH_WRITE_BYTES_MAX,
  FLUSH_WRITES_IN_FLIGHT_MAX,
} from "./limits.js";
import { FrameState } from "./memory/page-cache.js";
import type { Pager } from "./memory/pager.js";
import type { FrozenValue, ValueStore } from "./memory/value-store.js";
import type { Allocator } from "./space/allocator.js";
import { pointerAt } from "./tree/branch-page.js";
import { cellCount, levelOf } from "./tree/slotted-page.js";
import type { TreeState } from "./tree/tree-state.js";

/** A table as the flush writes it. */
export interface FrozenTable {
  readonly id: number;
  readonly name: string;
  readonly state: TreeState;
}

/** What a flush writes. */
export interface FrozenGeneration {
  readonly generation: number;
  readonly frames: readonly number[];
  readonly values: readonly FrozenValue[];
  readonly tables: readonly FrozenTable[];
  readonly catalogPages: readonly number[];
  readonly freePages: readonly number[];
  readonly freeRecords: Uint8Array;
  readonly highWater: number;
}

export interface FlushDeps {
  readonly file: DiskFile;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly pager: Pager;
  readonly values: ValueStore;
  readonly checksum: Checksum;
}

/** Step 1. `retired` are the chain pages of the generation before. */
export function freeze(
  deps: FlushDeps,
  tables: readonly FrozenTable[],
  retired: readonly number[],
): FrozenGeneration {
  const { pager, values } = deps;
  const { allocator, generation, pageBytes } = pager;
  for (const page of retired) allocator.letGo(page, 1, generation);
  const frames = pager.freeze();
  const frozenValues = values.freeze();
  const catalog = chainPages(tables.length, CATALOG_RECORD.size, pageBytes);
  const catalogPages = Array.from({ length: catalog }, () => allocator.take());
  const { pages: freePages, records: freeRecords } = freezeFreeList(pager);
  allocator.close(generation, pager.batch - 1);
  pager.generation = generation + 1;
  return {
    generation,
    frames,
    values: frozenValues,
    tables,
    catalogPages,
    freePages,
    freeRecords,
    highWater: allocator.highWater,
  };
}

/** The free list takes pages of its own from what it lists, so its size settles in a few rounds. */
function freezeFreeList({ allocator, pageBytes }: Pager): {
  pages: number[];
  records: Uint8Array;
} {
  const pages: number[] = [];
  for (;;) {
    let extents = 0;
    allocator.forEachExtent(() => extents++);
    const needed = chainPages(extents, FREE_RECORD.size, pageBytes);
    if (needed <= pages.length) break;
    while (pages.length < needed) pages.push(allocator.take());
  }
  return { pages, records: encodeFreeList(allocator) };
}

function encodeFreeList(allocator: Allocator): Uint8Array {
  let extents = 0;
  allocator.forEachExtent(() => extents++);
  const records = new Uint8Array(extents * FREE_RECORD.size);
  const view = new DataView(records.buffer);
  let at = 0;
  allocator.forEachExtent((page, pages, freedBy) => {
    writeFreeExtent(view, at, { page, pages, freedBy });
    at += FREE_RECORD.size;
  });
  return records;
}

/** Step 2: checksums bottom-up, then into every page in memory that points at a sealed one. */
export async function seal(deps: FlushDeps, frozen: FrozenGeneration): Promise<void> {
  const { cache } = deps.pager;
  const byLevel: number[][] = [];
  for (const frame of frozen.frames) {
    const level = levelOf(cache.slab(frame), cache.base(frame));
    byLevel[level] ??= [];
    byLevel[level].push(frame);
  }
  const slice = new Slice(deps);
  for (const [level, frames] of byLevel.entries()) {
    for (const frame of frames ?? []) {
      if (level > 0) sealChildren(deps.pager, frame, true);
      cache.sum[frame] = deps.checksum.of(cache.bytes(frame));
      if (slice.isStep()) await slice.pause();
    }
  }
  sealRoots(deps.pager, frozen.tables);
  sealParentsInMemory(deps.pager);
}

/** Young and held branches point at frozen pages, which may be evicted once they are on disk (INV-PTR-1). */
function sealParentsInMemory(pager: Pager): void {
  const { cache } = pager;
  for (let frame = 0; frame < cache.frames; frame++) {
    const state = cache.state[frame];
    if (state !== FrameState.YOUNG && state !== FrameState.HELD) continue;
    if (levelOf(cache.slab(frame), cache.base(frame)) > 0) sealChildren(pager, frame, false);
  }
}

function sealRoots({ cache }: Pager, tables: readonly FrozenTable[]): void {
  for (const { state, id } of tables) {
    const { root } = state;
    if (root === undefined || root.sum !== undefined) continue;
    const frame = cache.peek(root.page);
    assert(cache.state[frame] === FrameState.FROZEN, "INV-PTR-1: an unsealed root is frozen", {
      id,
    });
    root.sum = cache.sum[frame]!;
  }
}

/** Completes the pointers of a branch whose children are frozen; `all` says that every other one is an error. */
function sealChildren({ cache }: Pager, frame: number, all: boolean): void {
  const slab = cache.slab(frame);
  const base = cache.base(frame);
  const count = cellCount(slab, base);
  for (let i = 0; i < count; i++) {
    const at = pointerAt(slab, base, i);
    if (isSealed(slab.view, at)) continue;
    const child = cache.peek(slab.view.getUint32(at, true));
    const isFrozen = child >= 0 && cache.state[child] === FrameState.FROZEN;
    if (isFrozen) sealPointer(slab.view, at, cache.sum[child]!);
    else assert(!all, "INV-PTR-1: an unsealed pointer of a frozen page leads to a frozen page");
  }
}

/** Where the catalog and the free list of a generation begin. */
export interface FlushedChains {
  readonly catalog: EncodedChain;
  readonly free: EncodedChain;
}

/** Step 3 without its sync. */
export async function writeGeneration(
  deps: FlushDeps,
  frozen: FrozenGeneration,
): Promise<FlushedChains> {
  const chains = encodeChains(deps, frozen);
  const writer = new RunWriter(deps);
  const { cache } = deps.pager;
  const pages: { page: number; bytes: () => Uint8Array }[] = frozen.frames.map((frame) => ({
    page: cache.pageOf[frame]!,
    bytes: () => cache.bytes(frame),
  }));
  for (const { page, bytes } of [...chains.catalog.pages, ...chains.free.pages, ...frozen.values]) {
    pages.push({ page, bytes: () => bytes });
  }
  pages.sort((a, b) => a.page - b.page);
  const slice = new Slice(deps);
  for (const { page, bytes } of pages) {
    await writer.add(page, bytes());
    if (slice.isStep()) await slice.pause();
  }
  await writer.finish();
  return chains;
}

function encodeChains({ checksum, pager }: FlushDeps, frozen: FrozenGeneration): FlushedChains {
  const { pageBytes } = pager;
  const entries = frozen.tables.map(({ id, name, state }) => ({
    id,
    name,
    levels: state.levels,
    count: state.count,
    root: state.root && { page: state.root.page, sum: state.root.sum! },
  }));
  const common = { pageBytes, txid: frozen.generation };
  const catalog = {
    ...common,
    type: PageType.CATALOG,
    records: encodeCatalog(entries),
    recordBytes: CATALOG_RECORD.size,
    pages: frozen.catalogPages,
  };
  const free = {
    ...common,
    type: PageType.FREE_LIST,
    records: frozen.freeRecords,
    recordBytes: FREE_RECORD.size,
    pages: frozen.freePages,
  };
  return { catalog: encodeChain(catalog, checksum), free: encodeChain(free, checksum) };
}

/** Joins neighbouring pages into one write and keeps several writes in flight. */
class RunWriter {
  readonly #file: DiskFile;
  readonly #pageBytes: number;
  #first = 0;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #writesInFlight = 0;
  #bytesInFlight = 0;
  /** Resolves whoever waits for a write to end. */
  #onWritten: (() => void) | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor({ file, pager }: FlushDeps) {
    this.#file = file;
    this.#pageBytes = pager.pageBytes;
  }

  async add(page: number, bytes: Uint8Array): Promise<void> {
    const end = this.#first * this.#pageBytes + this.#bytes;
    const follows = this.#parts.length > 0 && end === page * this.#pageBytes;
    if (!follows || this.#bytes + bytes.length > FLUSH_WRITE_BYTES_MAX) {
      this.#send();
      this.#first = page;
    }
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    while (this.#isFull) await this.#someWritten();
    // Writes in flight read frames and reach pages that a retry uses: they end before the failure is told.
    if (this.#failure !== undefined) await this.finish();
  }

  /** Resolves when everything is written. Waits for all writes also when one failed. */
  async finish(): Promise<void> {
    this.#send();
    while (this.#writesInFlight > 0) await this.#someWritten();
    this.#throwIfFailed();
  }

  get #isFull(): boolean {
    return (
      this.#writesInFlight >= FLUSH_WRITES_IN_FLIGHT_MAX ||
      this.#bytesInFlight >= FLUSH_BYTES_IN_FLIGHT_MAX
    );
  }

  #someWritten(): Promise<void> {
    return new Promise((resolve) => {
      this.#onWritten = resolve;
    });
  }

  #send(): void {
    if (this.#parts.length === 0) return;
    void this.#write(this.#parts, this.#first * this.#pageBytes, this.#bytes);
    this.#parts = [];
    this.#bytes = 0;
  }

  async #write(parts: readonly Uint8Array[], position: number, bytes: number): Promise<void> {
    this.#writesInFlight++;
    this.#bytesInFlight += bytes;
    try {
      await this.#file.write(parts, position);
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#writesInFlight--;
    this.#bytesInFlight -= bytes;
    this.#onWritten?.();
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** Cuts long work into pieces of a few milliseconds; longer ones where each turn of the others is long too. */
class Slice {
  readonly #deps: FlushDeps;
  #steps = 0;
  #startMs: number;
  #sliceMs = FLUSH_SLICE_MS;

  constructor(deps: FlushDeps) {
    this.#deps = deps;
    this.#startMs = deps.clock.monotonicMs();
  }

  /** Is it time to let others run? */
  isStep(): boolean {
    if (++this.#steps % FLUSH_SEAL_STEP !== 0) return false;
    return this.#deps.clock.monotonicMs() - this.#startMs >= this.#sliceMs;
  }

  async pause(): Promise<void> {
    const pausedMs = this.#deps.clock.monotonicMs();
    await this.#deps.timers.yield();
    this.#startMs = this.#deps.clock.monotonicMs();
    const share = (this.#startMs - pausedMs) * FLUSH_SHARE;
    this.#sliceMs = Math.min(Math.max(share, FLUSH_SLICE_MS), FLUSH_SLICE_MS_MAX);
  }
}
