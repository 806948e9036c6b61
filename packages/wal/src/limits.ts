/**
 * Every bound of the log with its arithmetic. Sizes are bytes. What concerns clients (an entry, a batch) is in
 * `limits` of `@authledger/types`; what is here bounds memory, files and walks.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

/** Batches and headers start at multiples of this: a synced block is never written again. */
export const BLOCK_BYTES: number = 4 * KiB;

/** One segment file. 64 MiB hold 16,384 of the smallest batches: about 2 s at 8,000 syncs a second. */
export const SEGMENT_BYTES_DEFAULT: number = 64 * MiB;
/** Header, one batch, one carried batch, one end mark. For tests and simulation. */
export const SEGMENT_BYTES_MIN: number = 4 * BLOCK_BYTES;
/** Offsets in a segment are u32 and blocks of a segment are counted in 18 bits. */
export const SEGMENT_BYTES_MAX: number = 1024 * MiB;

/** A log's first lsn is random below this; 2^47 more are left, of which 8,000 a second use one in 500 years. */
export const FIRST_LSN_MAX: number = 2 ** 47;

/** Records of one batch: its header counts them in 16 bits. 1 MiB of the smallest records are 49,932. */
export const BATCH_RECORDS_MAX: number = 0xffff;

/** Appends that wait for their batch: what a process may hold uncommitted. */
export const QUEUE_BYTES_MAX: number = 64 * MiB;

/** Spare segments kept for reuse; as many as a flush usually releases at once (256 MiB of log). */
export const POOL_SEGMENTS_MAX: number = 4;
/** One write of zeros while a segment is filled ahead of use; a sync of the log waits for at most one. */
export const FILL_SLICE_BYTES: number = 1 * MiB;
/** After a full disk the next segment is tried again only this many milliseconds later. */
export const FULL_RETRY_MS: number = 1_000;

/** Batches kept in memory for readers: the last few milliseconds of a busy log. */
export const CACHE_BYTES_MAX: number = 16 * MiB;
/** Idle batch buffers kept for the next batch; a batch is at most 1 MiB and one entry. */
export const SPARE_BUFFER_BYTES_MAX: number = 16 * MiB;

/** Whole segments at the end of the log that hold less than this are gathered into the new one at open. */
export const GATHER_BYTES_MAX: number = 4 * MiB;
/** One read while the log is scanned at open. */
export const SCAN_READ_BYTES: number = 1 * MiB;

/** Groups of one node. Their carried records are 4,096 * 60 bytes = 240 KiB, well inside a segment's reserve. */
export const GROUPS_MAX: number = 4_096;
/** Membership in a snapshot record: some tens of members at 40 bytes. */
export const CONFIGURATION_BYTES_MAX: number = 2 * KiB;

/** Sync times that the percentiles of the statistics look at (storage.md, "Disk health"). */
export const SYNC_SAMPLES: number = 100;
