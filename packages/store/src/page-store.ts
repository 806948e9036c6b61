/**
 * The page store: many copy-on-write trees in one file, one synchronous writer, readers by pin, and a flush
 * in the background that makes everything written so far durable at once (storage.md, "The page store").
 *
 * Reading the source: format/ says what is on disk, memory/ how pages come into memory and are copied, tree/
 * the B+ tree, space/ which pages are free, flush.ts and open.ts the two ends of a generation's life.
 */
import type { Clock, Disk, DiskFile, Random, Timers } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { Compaction, type CompactionOptions, type StoreSize } from "./compaction/compaction.js";
import {
  type FlushDeps,
  type FlushedChains,
  type FrozenGeneration,
  freeze,
  seal,
  writeGeneration,
} from "./flush.js";
import { Checksum } from "./format/checksum.js";
import type { ChainRoot } from "./format/page-chain.js";
import { ChecksumAlgorithm } from "./format/pointer.js";
import { u64Bytes } from "./format/records.js";
import { encodeSuperblock, isPageSize } from "./format/superblock.js";
import {
  CACHE_PAGES_MIN,
  COMPACT_DIRTY_BYTES,
  COMPACT_DIRTY_CACHE_DIVISOR,
  COMPACT_TAIL_FLUSHES,
  EXPORT_PIN_BYTES_MAX,
  HELD_CACHE_DIVISOR,
  PAGE_BYTES_DEFAULT,
  TABLE_ID_MAX,
  TABLE_NAME_BYTES_MAX,
  TABLES_MAX,
  VALUE_CACHE_DIVISOR,
} from "./limits.js";
import { FrameState, PageCache } from "./memory/page-cache.js";
import { Pager } from "./memory/pager.js";
import { ValueStore } from "./memory/value-store.js";
import {
  chooseGeneration,
  createFile,
  epochTxid,
  isUnfinished,
  type OpenedGeneration,
  readSlots,
  type StoreIdentity,
  writeSlot,
} from "./open.js";
import { PageScrub } from "./page-scrub.js";
import { type Pin, type PinKind, PinSet } from "./pins.js";
import { Allocator } from "./space/allocator.js";
import { Tree } from "./tree/tree.js";
import type { TreeState } from "./tree/tree-state.js";

export interface StoreOptions extends StoreIdentity {
  /** The store's file; its directory exists. */
  readonly path: string;
  /** Size of a page of a new file: a power of two, 512 to 32,768 bytes. Default 4,096. */
  readonly pageBytes?: number;
  /** Changes nothing on disk: the file is another's, or is only looked at. `flush` is refused. Default false. */
  readonly readOnly?: boolean;
  /** Memory for pages, clean and dirty together. At least 256 pages. */
  readonly cacheBytes: number;
}

export interface StoreDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

/** Which log entry a generation holds everything up to. */
export interface AppliedState {
  readonly index: number;
  readonly term: number;
  readonly configIndex: number;
  readonly leaderTimeMs: number;
  /** Group digest, 32 bytes. */
  readonly digest: Uint8Array;
}

export interface StoreStats {
  readonly cacheBytes: number;
  readonly reads: number;
  readonly misses: number;
  readonly evictions: number;
  readonly dirtyBytes: number;
  readonly pageBytes: number;
  readonly filePages: number;
  readonly freePages: number;
  /** Those that the next write may take; the others wait for flushes and pins. */
  readonly readyPages: number;
  readonly pins: number;
  readonly flushes: number;
  readonly flushedPages: number;
  readonly generation: number;
}

/** What the older and the newer slot hold. */
interface SlotState {
  readonly txid: number;
  readonly appliedIndex: number;
  /** Its pages end here. */
  readonly highWater: number;
}

export class PageStore {
  readonly #options: StoreOptions;
  readonly #deps: FlushDeps;
  readonly #pager: Pager;
  readonly #values: ValueStore;
  readonly #pins: PinSet;
  readonly #uuid: Uint8Array;
  readonly #epoch: number;
  readonly #tables = new Map<number, Tree>();
  /** The trees as of the last endBatch, and their versions then. */
  #published = new Map<number, TreeState>();
  #publishedVersion = 0;
  #newer: SlotState;
  #older: SlotState;
  #applied: AppliedState;
  #chainPages: readonly number[];
  #flushing: Promise<void> | undefined;
  #failure: LedgerError | undefined;
  #closed = false;
  #flushes = 0;
  #flushedPages = 0;
  /** So many flushes more give every free page at the end of the file back. */
  #trims = 0;
  #compaction: Compaction | undefined;

  private constructor(
    options: StoreOptions,
    deps: StoreDeps,
    file: DiskFile,
    checksum: Checksum,
    opened: OpenedGeneration & { readonly txid: number; readonly epoch: number },
  ) {
    const { superblock, free, catalog } = opened;
    const allocator = new Allocator(superblock.highWater);
    for (const { page, pages, freedBy } of [...free].sort((a, b) => a.freedBy - b.freedBy)) {
      if (freedBy <= superblock.txid) allocator.giveBack(page, pages);
      else allocator.letGo(page, pages, freedBy);
    }
    const { pageBytes } = superblock;
    const cacheBytes = Math.max(options.cacheBytes, CACHE_PAGES_MIN * pageBytes);
    const valueBytes = Math.floor(cacheBytes / VALUE_CACHE_DIVISOR);
    const cache = new PageCache(pageBytes, cacheBytes - valueBytes);
    this.#pager = new Pager(file, cache, allocator, checksum, opened.txid + 1);
    this.#values = new ValueStore(this.#pager, file, checksum, valueBytes);
    this.#pins = new PinSet(this.#pager);
    this.#options = { ...options, cacheBytes };
    const { clock, timers } = deps;
    this.#deps = { file, clock, timers, pager: this.#pager, values: this.#values, checksum };
    this.#uuid = superblock.uuid;
    this.#epoch = opened.epoch;
    const { appliedIndex, highWater } = superblock;
    this.#newer = { txid: opened.txid, appliedIndex, highWater };
    this.#older = { txid: superblock.txid, appliedIndex, highWater };
    this.#chainPages = opened.chainPages;
    this.#applied = {
      index: superblock.appliedIndex,
      term: superblock.appliedTerm,
      configIndex: superblock.configIndex,
      leaderTimeMs: superblock.leaderTimeMs,
      digest: superblock.digest,
    };
    for (const { id, name, levels, count, root } of catalog) {
      const state = { root: root && { ...root }, levels, count };
      this.#tables.set(id, new Tree(id, name, this.#pager, this.#values, state));
    }
    this.#publish();
  }

  /**
   * Opens a store, or creates it when there is no file.
   * @throws LedgerError STORE_NO_VALID_SLOT, FORMAT_NEWER, DATA_DIR_INVALID
   */
  static async open(options: StoreOptions, deps: StoreDeps): Promise<PageStore> {
    const checksum = await Checksum.load();
    const file = await deps.disk.open(options.path, { create: options.readOnly !== true });
    try {
      return await PageStore.#openFile(options, deps, file, checksum);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  static async #openFile(
    options: StoreOptions,
    deps: StoreDeps,
    file: DiskFile,
    checksum: Checksum,
  ): Promise<PageStore> {
    const wanted = options.pageBytes ?? PAGE_BYTES_DEFAULT;
    if (!isPageSize(wanted)) {
      throw new LedgerError("STORE_INTERNAL", `pages of ${wanted} bytes; 512 to 32768 is possible`);
    }
    let slots = readSlots(file, checksum);
    if (options.readOnly === true) {
      const opened = chooseGeneration(file, slots, options, checksum);
      const { txid, openEpoch: epoch } = opened.superblock;
      return new PageStore(options, deps, file, checksum, { ...opened, txid, epoch });
    }
    if (isUnfinished(file, slots, wanted)) {
      const { groupId, incarnation } = options;
      const { disk, random } = deps;
      await createFile(
        disk,
        file,
        { groupId, incarnation, pageBytes: wanted },
        { random, checksum },
      );
      slots = readSlots(file, checksum);
    }
    const opened = chooseGeneration(file, slots, options, checksum);
    const epoch = 1 + Math.max(...slots.newestFirst.map(({ openEpoch }) => openEpoch));
    const txid = epochTxid(slots, opened.superblock);
    const raised = encodeSuperblock({ ...opened.superblock, txid, openEpoch: epoch }, checksum);
    await writeSlot(file, raised, txid, slots.pageBytes);
    await file.datasync();
    return new PageStore(options, deps, file, checksum, { ...opened, txid, epoch });
  }

  /** What the newest durable generation holds. */
  get applied(): AppliedState {
    return this.#applied;
  }

  /** Names the file for as long as it is there, 16 bytes; another file of the same group has another one. */
  get uuid(): Uint8Array {
    return this.#uuid;
  }

  /** Every table that there is, in the order of their ids. */
  get tables(): readonly Tree[] {
    return [...this.#tables.values()].sort((a, b) => a.id - b.id);
  }

  /** Both slots hold everything up to this log index; the log may be cut behind it. */
  get appliedFloor(): number {
    return Math.min(this.#newer.appliedIndex, this.#older.appliedIndex);
  }

  /** Bytes that only memory holds. The engine flushes before they fill the cache. */
  get dirtyBytes(): number {
    const { cache } = this.#pager;
    return cache.dirtyFrames * cache.pageBytes + this.#values.youngBytes + this.#values.frozenBytes;
  }

  get isFlushing(): boolean {
    return this.#flushing !== undefined;
  }

  /**
   * The table with this id; made when there is none.
   * @throws LedgerError STORE_INTERNAL when the id has another name, or an id, name or number is over its limit
   */
  table(id: number, name: string): Tree {
    const known = this.#tables.get(id);
    if (known !== undefined) {
      if (known.name === name) return known;
      throw new LedgerError("STORE_INTERNAL", `table ${id} is ${known.name}, not ${name}`);
    }
    const nameBytes = new TextEncoder().encode(name).length;
    const fits = id >= 1 && id <= TABLE_ID_MAX && nameBytes >= 1;
    if (!fits || nameBytes > TABLE_NAME_BYTES_MAX || this.#tables.size >= TABLES_MAX) {
      throw new LedgerError("STORE_INTERNAL", `table ${id} "${name}" is over the limits of tables`);
    }
    const tree = new Tree(id, name, this.#pager, this.#values);
    this.#tables.set(id, tree);
    return tree;
  }

  /** Publishes what was written since the last one: new pins see it. */
  endBatch(): void {
    this.#publish();
    this.#pager.batch++;
    this.#pins.expireDue();
    this.#boundRetained();
    if (this.#pager.allocator.heldPages > 0) this.#promote();
  }

  /**
   * A view of the store as of the last endBatch. Taken between batches.
   * @throws LedgerError PIN_LIMIT, STORE_CLOSED
   */
  pin(kind: PinKind): Pin {
    this.#checkOpen();
    if (this.#publishedVersion !== this.#version()) this.endBatch();
    const { clock } = this.#deps;
    return this.#pins.add(kind, this.#published, {
      pager: this.#pager,
      values: this.#values,
      clock,
    });
  }

  /**
   * Makes everything written so far durable, as the state after `applied`. What is written while it runs
   * belongs to the next flush.
   * @throws LedgerError DISK_FULL: nothing is lost and a later flush may succeed; anything else ends the store
   */
  flush(applied: AppliedState): Promise<void> {
    this.#checkOpen();
    if (this.#options.readOnly === true) {
      throw new LedgerError("STORE_INTERNAL", "the store was opened for reading only");
    }
    if (this.#flushing !== undefined) {
      throw new LedgerError("STORE_INTERNAL", "a flush is running; there is one at a time");
    }
    if (this.#publishedVersion !== this.#version()) this.endBatch();
    const tables = [...this.#tables.values()]
      .map(({ id, name, state }) => ({ id, name, state }))
      .sort((a, b) => a.id - b.id);
    this.#pins.expireDue();
    this.#promote();
    this.#trim();
    const frozen = freeze(this.#deps, tables, this.#chainPages);
    this.#chainPages = [];
    this.#flushing = this.#finish(frozen, applied).finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  /**
   * Begins to make the file smaller; the caller steps and flushes (`compactStore`).
   * @throws LedgerError STORE_CLOSED
   */
  compact(options: CompactionOptions): Compaction {
    this.#checkOpen();
    const budget = this.#options.cacheBytes / COMPACT_DIRTY_CACHE_DIVISOR;
    const compaction = new Compaction(
      {
        pager: this.#pager,
        clock: this.#deps.clock,
        tables: () => [...this.#tables.values()],
        size: () => this.size(),
        generation: () => this.#newer.txid,
        isFlushing: () => this.isFlushing,
        dirtyBytes: () => this.dirtyBytes,
        dirtyBytesMax: Math.min(COMPACT_DIRTY_BYTES, budget),
      },
      options,
    );
    this.#compaction = compaction;
    return compaction;
  }

  /** Begins to read every page of the newest state from the file; the caller steps, between two batches. */
  scrubPages(): PageScrub {
    this.#checkOpen();
    const { file, checksum } = this.#deps;
    return new PageScrub({
      pager: this.#pager,
      file,
      checksum,
      tables: [...this.#tables.values()],
    });
  }

  /** How long the file is, and how much of it is free. */
  size(): StoreSize {
    const { filePages: pages, freePages } = this.stats();
    return { pages, freePages, bytes: this.#deps.file.size() };
  }

  stats(): StoreStats {
    const cache = this.#pager.cache.stats;
    const space = this.#pager.allocator.stats;
    return {
      cacheBytes: cache.bytes + this.#values.cleanBytes,
      reads: cache.reads,
      misses: cache.misses,
      evictions: cache.evictions,
      dirtyBytes: this.dirtyBytes,
      pageBytes: this.#pager.pageBytes,
      filePages: space.highWater,
      freePages: space.readyPages + space.pendingPages + space.heldPages,
      readyPages: space.readyPages,
      pins: this.#pins.count,
      flushes: this.#flushes,
      flushedPages: this.#flushedPages,
      generation: this.#newer.txid,
    };
  }

  /** Waits for a running flush and closes the file. What was not flushed is not on disk. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#flushing?.catch(() => undefined);
    this.#pins.expireAll();
    await this.#deps.file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #finish(frozen: FrozenGeneration, applied: AppliedState): Promise<void> {
    let chains: FlushedChains;
    try {
      await seal(this.#deps, frozen);
      chains = await writeGeneration(this.#deps, frozen);
    } catch (error) {
      throw this.#undo(frozen, error);
    }
    try {
      await this.#deps.file.datasync();
      await this.#checkEpoch();
      await this.#writeSuperblock(frozen, chains, applied);
      await this.#deps.file.datasync();
    } catch (error) {
      throw this.#die(error);
    }
    this.#settle(frozen, applied);
    await this.#cutFile();
  }

  /**
   * Gives the free end of the file back: in a compaction, and after it until what pins kept is free too. Not at
   * other times: a busy file would be cut and grow again with every flush.
   */
  #trim(): void {
    if (this.#compaction?.isRunning) this.#trims = COMPACT_TAIL_FLUSHES;
    if (this.#trims === 0) return;
    this.#pager.allocator.trim();
    if (this.#pins.count === 0) this.#trims--;
  }

  /** INV-COMPACT-2: what lies behind both slots is nobody's. */
  async #cutFile(): Promise<void> {
    const end = Math.max(this.#newer.highWater, this.#older.highWater) * this.#pager.pageBytes;
    const { file } = this.#deps;
    try {
      if (file.size() > end) await file.truncate(end);
    } catch (error) {
      const failure = LedgerError.from(error);
      // A file system that copies on write needs room to free some; the next flush tries again.
      if (failure.code !== "DISK_FULL") throw this.#die(failure);
    }
  }

  /** Another process that opened the file has raised the epoch. */
  async #checkEpoch(): Promise<void> {
    const { newestFirst } = readSlots(this.#deps.file, this.#deps.checksum);
    const foreign = newestFirst.find(({ openEpoch }) => openEpoch > this.#epoch);
    if (foreign === undefined) return;
    const message = `${this.#options.path} was opened by another process (epoch ${foreign.openEpoch}, ours is ${this.#epoch})`;
    throw new LedgerError("STORE_FENCED", message, { details: { file: this.#options.path } });
  }

  async #writeSuperblock(
    frozen: FrozenGeneration,
    chains: FlushedChains,
    applied: AppliedState,
  ): Promise<void> {
    const { pageBytes } = this.#pager;
    const catalog = chainFields(chains.catalog.root);
    const free = chainFields(chains.free.root);
    const bytes = encodeSuperblock(
      {
        pageBytes,
        uuid: this.#uuid,
        incarnation: this.#options.incarnation,
        group: this.#options.groupId,
        openEpoch: this.#epoch,
        txid: frozen.generation,
        appliedIndex: applied.index,
        appliedTerm: applied.term,
        configIndex: applied.configIndex,
        catalogPage: catalog.page,
        catalogSum: catalog.sum,
        catalogAlgorithm: catalog.algorithm,
        freeListPage: free.page,
        freeListSum: free.sum,
        freeListAlgorithm: free.algorithm,
        highWater: frozen.highWater,
        leaderTimeMs: applied.leaderTimeMs,
        digest: applied.digest,
      },
      this.#deps.checksum,
    );
    await writeSlot(this.#deps.file, bytes, frozen.generation, pageBytes);
  }

  #settle(frozen: FrozenGeneration, applied: AppliedState): void {
    const { cache } = this.#pager;
    for (const frame of frozen.frames) {
      if (cache.state[frame] === FrameState.FROZEN) cache.setState(frame, FrameState.CLEAN);
    }
    this.#values.settle();
    this.#older = this.#newer;
    const { generation: txid, highWater } = frozen;
    this.#newer = { txid, appliedIndex: applied.index, highWater };
    this.#applied = applied;
    this.#chainPages = [...frozen.catalogPages, ...frozen.freePages];
    this.#flushes++;
    this.#flushedPages += frozen.frames.length;
    this.#promote();
    cache.shrink();
  }

  /** A flush failed before its slot was touched (INV-FLUSH-2). */
  #undo(frozen: FrozenGeneration, error: unknown): LedgerError {
    const failure = LedgerError.from(error);
    if (failure.code !== "DISK_FULL") return this.#die(failure);
    const { allocator, cache } = this.#pager;
    const own = new Set(frozen.frames.map((frame) => cache.pageOf[frame]!));
    const since = allocator.reopen(frozen.generation);
    this.#pager.generation = frozen.generation;
    const gone = new Set<number>();
    for (const { page, pages } of since) {
      if (own.has(page) || this.#values.isFrozen(page)) gone.add(page);
      else allocator.letGo(page, pages, frozen.generation);
    }
    for (const page of gone) if (own.has(page)) this.#pager.discardThawed(page);
    this.#pager.thaw(
      frozen.frames.filter((frame) => cache.state[frame] === FrameState.FROZEN),
      gone,
    );
    this.#values.thaw(gone);
    for (const page of [...frozen.catalogPages, ...frozen.freePages]) allocator.giveBack(page);
    for (const tree of this.#tables.values()) tree.forgetPath();
    return failure;
  }

  /** What ends the store is no error that can be waited out: behind the pages a full disk is one that failed. */
  #die(error: unknown): LedgerError {
    const cause = LedgerError.from(error);
    const { message, details } = cause;
    const isFull = cause.code === "DISK_FULL";
    const failure = isFull
      ? new LedgerError("IO_WRITE_FAILED", message, { cause, details })
      : cause;
    this.#failure ??= failure;
    return failure;
  }

  #publish(): void {
    this.#published = new Map([...this.#tables].map(([id, tree]) => [id, tree.state]));
    this.#publishedVersion = this.#version();
  }

  #version(): number {
    let sum = 0;
    for (const { version } of this.#tables.values()) sum += version;
    return sum;
  }

  #promote(): void {
    const { cache, allocator } = this.#pager;
    allocator.promote(this.#older.txid, this.#pins.oldest, (page) => {
      if (!this.#values.release(page)) cache.drop(cache.peek(page));
    });
  }

  /** INV-PIN-1: pins that keep too much end, the oldest first. */
  #boundRetained(): void {
    const { allocator, cache, pageBytes } = this.#pager;
    if (this.#pins.count === 0) return;
    const retained = (): number => allocator.retainedPages(this.#older.txid) * pageBytes;
    const held = (): number => allocator.heldPages * pageBytes * HELD_CACHE_DIVISOR;
    while (retained() > EXPORT_PIN_BYTES_MAX || held() > cache.stats.budgetBytes) {
      if (!this.#pins.expireOldest()) return;
      this.#promote();
    }
  }

  #checkOpen(): void {
    if (this.#failure === undefined && !this.#closed) return;
    const why = this.#failure ? `after: ${this.#failure.message}` : "it was closed";
    throw new LedgerError("STORE_CLOSED", `the store ${this.#options.path} is closed, ${why}`, {
      cause: this.#failure,
    });
  }
}

function chainFields(root: ChainRoot | undefined): {
  page: number;
  sum: Uint8Array;
  algorithm: number;
} {
  return {
    page: root?.page ?? 0,
    sum: u64Bytes(root?.sum ?? 0n),
    algorithm: root ? ChecksumAlgorithm.XXH64 : ChecksumAlgorithm.UNKNOWN,
  };
}
