/**
 * Every bound of the page store with its arithmetic. Sizes are bytes unless the name says otherwise. What
 * concerns callers (keys) is in `limits` of `@authledger/types`; what is here bounds memory, files and walks.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

/** One page of the file, unless a store is created with another size. */
export const PAGE_BYTES_DEFAULT: number = 4 * KiB;
/** A superblock uses the first 512 bytes of its page. Small pages make deep trees: for tests. */
export const PAGE_BYTES_MIN: number = 512;
/** `upper` of a page header counts bytes in 16 bits. */
export const PAGE_BYTES_MAX: number = 32 * KiB;
/** Pages 0 to 15 belong to the superblocks; four are in use. */
export const FIRST_DATA_PAGE: number = 16;
/** Page numbers are 48 bits on disk; 2^31 - 1 of them (8 TiB of 4 KiB pages) fit a small integer in memory. */
export const PAGE_NUMBER_MAX: number = 2 ** 31 - 1;
/** Height of a tree: 2^31 pages, and every branch has at least two children. */
export const LEVELS_MAX: number = 32;

/** One value: 2,048 pages of 4 KiB, 16,384 of 512 bytes; a pointer counts pages in 16 bits. */
export const STORE_VALUE_BYTES_MAX: number = 8 * MiB;
/** Tables of one store; `state` has 16. The catalog of so many is 20 pages. */
export const TABLES_MAX: number = 1_024;
/** Table ids are 16 bits in a page header, and 0 marks pages of no table. */
export const TABLE_ID_MAX: number = 0xffff;
export const TABLE_NAME_BYTES_MAX: number = 40;

/** Frames are allocated in slabs: a Buffer per page would cost more than the page. */
export const SLAB_BYTES: number = 1 * MiB;
/** The smallest cache: a few operations of the deepest tree. */
export const CACHE_PAGES_MIN: number = 256;
/**
 * The last so many page reads are never evicted, so a view survives at least 128 further point reads
 * (LEVELS_MAX pages each; some 1,000 in a real tree), and an operation never loses a page under its feet.
 */
export const RECENT_READS_MAX: number = 4_096;
/** Part of the cache budget that clean overflow values may use: an eighth. */
export const VALUE_CACHE_DIVISOR: number = 8;

/** Readers between two turns of the event loop; more is a leak or an overload. */
export const READER_PINS_MAX: number = 64;
/** A reader that holds its view longer is cut off, so that one stuck iterator cannot grow the file. */
export const READER_PIN_MS_MAX: number = 10_000;
/** One snapshot for a replica and one export for a person. */
export const EXPORT_PINS_MAX: number = 2;
/** Pages of the file that export pins may keep from reuse; then the oldest export pin ends. */
export const EXPORT_PIN_BYTES_MAX: number = 1_024 * MiB;
/** Part of the cache budget that replaced young pages may fill for pins; then the oldest pin ends: a quarter. */
export const HELD_CACHE_DIVISOR: number = 4;

/** Stretch of a flush without letting others run. */
export const FLUSH_SLICE_MS: number = 5;
/**
 * Where the others take long for their turns (an entry of 1,000 operations: 30 to 100 ms), a stretch is this part
 * of what they took, so that a flush beside an import ends before twice as much is dirty; at most so long.
 */
export const FLUSH_SHARE = 0.25;
export const FLUSH_SLICE_MS_MAX: number = 20;
/** Pages sealed between two looks at the clock: 64 of them take 40 us. */
export const FLUSH_SEAL_STEP: number = 64;
/** One write: neighbouring pages, 256 of 4 KiB. */
export const FLUSH_WRITE_BYTES_MAX: number = 1 * MiB;
/**
 * Writes handed to the disk at once, and their bytes. While entries are applied the loop turns once an entry
 * (some 30 ms), and scattered pages are a write each: at 16 in flight a flush of 50,000 pages took 10 s. A sync
 * of the log waits behind them for a few milliseconds at most.
 */
export const FLUSH_WRITES_IN_FLIGHT_MAX: number = 1_024;
export const FLUSH_BYTES_IN_FLIGHT_MAX: number = 16 * MiB;

/** Words of the free map looked at for a run of free pages before the file grows: 2 Mi pages, about 100 us. */
export const RUN_SEARCH_WORDS_MAX: number = 65_536;
/** One step of a compaction, and leaves looked at between two looks at the clock (some 10 us each when in memory). */
export const COMPACT_SLICE_MS: number = 3;
export const COMPACT_SLICE_LEAVES: number = 16;
/** Changed pages between two flushes of a compaction; less where the cache is small. */
export const COMPACT_DIRTY_BYTES: number = 16 * MiB;
export const COMPACT_DIRTY_CACHE_DIVISOR: number = 4;
/** Two leaves are joined when they fill at most this part of a page: the next insert must not split it again. */
export const COMPACT_JOINED_FILL_MAX = 0.9;
/**
 * A pass ends when the pages that it let go are free (two flushes) and both slots end before them (two more). A
 * chain that took the last page while they were not free yet takes as many again.
 */
export const COMPACT_TAIL_FLUSHES: number = 4;
export const COMPACT_TAIL_FLUSHES_MAX: number = 8;
/** Pages let go by one flush are free after the next one. */
export const COMPACT_STARVED_FLUSHES_MAX: number = 3;
/** A pass that shortens the file by less than this part of it, 1 / 8, is the last one; there are so many at most. */
export const COMPACT_PASSES_MAX: number = 8;
/**
 * With no more free pages a pass moves nothing. Moving a leaf copies the branches above it, and what a flush lets go is free
 * only two flushes later: a pass that wants the last holes filled makes as many as it fills, each time it is run.
 */
export const COMPACT_FREE_PAGES_KEPT: number = 16;
/** Leaves that one step of the page scrub reads: 0.2 ms from the page cache of the system, 3 ms from an SSD. */
export const SCRUB_PAGES_STEP: number = 32;
/** Problems that a check of a file lists; the rest are counted. */
export const PROBLEMS_MAX: number = 1_000;
