/** Every bound of the engine with its arithmetic. */
const MiB = 1024 * 1024;

/** Operations of one entry, unless a single transaction has more: some 20 ms of apply. */
export const ENTRY_OPERATIONS_MAX = 1_000;
/** ... and transactions: one costs twice what an operation does. */
export const ENTRY_TRANSACTIONS_MAX = 256;
/** Entries on their way to the disk; one is being synced while the next ones gather. */
export const ENTRIES_IN_FLIGHT_MAX = 4;
/** Requests waiting to be proposed, and what they hold of memory: some 8 s of work. More are refused with OVERLOADED. */
export const WRITES_WAITING_MAX = 10_000;
export const WRITE_BYTES_WAITING_MAX: number = 64 * MiB;
/** Of each operation that waits, beside its texts and values: measured, as decoded message and as what is made of it. */
export const OPERATION_HELD_BYTES = 400;
/** What a refused client is told to wait. */
export const OVERLOAD_RETRY_MS = 250;
/** Flush when so much is dirty (hashed paths scatter: small flushes write a page per key), */
export const FLUSH_DIRTY_BYTES: number = 192 * MiB;
/** ... but never more than this part of the cache. */
export const FLUSH_DIRTY_CACHE_PART = 0.75;
/**
 * ... or when doing it again after a crash would take so much work (leaves changed, 8 for each block and 4 for each
 * entry), 1 to 2 s: a node that dies just before a flush ends has this and what came while the flush ran to apply again.
 */
export const FLUSH_WORK = 40_000;
/** ... or after so long, or so much log. */
export const FLUSH_INTERVAL_MS = 30_000;
/** Between flushes that are due only because much is in memory that nobody needs. */
export const FLUSH_CROWDED_MS = 1_000;
export const FLUSH_LOG_BYTES: number = 256 * MiB;
/** Writers wait when dirty pages take so much more than the flush threshold. */
export const DIRTY_STALL_FACTOR = 2;
/** After a flush found no room. */
export const FLUSH_RETRY_MS = 5_000;
/** A head that moved is signed after so long, asked for or not. */
export const SIGN_INTERVAL_MS = 1_000;
/** A signed head of an unmoved vault is given out again within the same span of so long, which is what its time is told in. */
export const CHECKPOINT_REUSE_MS = 1_000;
/** Vaults signed in one round. */
export const SIGN_ROUND_MAX = 1_000;
/** Signed heads kept to be given out again. */
export const CHECKPOINTS_KEPT_MAX = 4_096;
/** Vaults whose retention is looked at in one second. */
export const RETENTION_VAULTS_PER_TICK = 256;
/** How often is looked for what has expired: it is collected within a second of its time, unless much is due at once. */
export const EXPIRY_INTERVAL_MS = 500;
/** Rows of the expiry index that one round looks at: some 10 ms. */
export const EXPIRY_ROWS_MAX = 10_000;
/** Operations and vaults of one round: four full entries, and vaults whose opening takes some 10 ms together. */
export const EXPIRY_OPERATIONS_MAX = 4_000;
export const EXPIRY_VAULTS_MAX = 100;
/** Blocks of which a waiter learns one by one; 2 MiB. One that was away for longer looks at all vaults. */
export const FEED_MOVES_MAX = 32_768;
/** The front has one. */
export const FEED_WAITERS_MAX = 64;
/** One part of a snapshot: about 5 ms of reading. */
export const EXPORT_CHUNK_BYTES: number = 256 * 1024;
/** An export whose parts nobody takes for so long ends, so that its pages can be used again. */
export const EXPORT_IDLE_MS = 60_000;
/** Stretch of a scrub without letting others run; a part of a pass (a bucket, 1,000 blocks) is a few of them. */
export const SCRUB_SLICE_MS = 3;
/** Part of one processor that a scrub in the background takes: 1M tuples in about 40 minutes. */
export const SCRUB_SHARE = 0.02;
/** Differences that are kept and told; a damaged disk has millions. */
export const SCRUB_DIFFERENCES_MAX = 100;
/** Rows of a deleted vault that one entry removes: some 10 ms. */
export const SWEEP_ROWS = 4_000;
/** When removing them could not go on, as on a full disk. */
export const SWEEP_RETRY_MS = 1_000;
/** Tuples that one decision reads and looks up: some 50 ms at the most, as is 2 to 3 us for each. */
export const DECISION_COST_MAX = 20_000;
/** Rows that it looks at to find them, where a list is filtered: 0.3 us for each. */
export const DECISION_ROWS_MAX = 100_000;
/** Relations on one path (authz.md, 6). */
export const DECISION_DEPTH_MAX = 25;
/** What all questions of one call may cost. */
export const DECISIONS_COST_MAX = 40_000;
/** Results of checks kept: some 4 MB. */
export const DECISION_RESULTS_MAX = 16_384;
/** Cheaper ones are not worth their place: to find them again costs what keeping them does. */
export const DECISION_RESULT_COST_MIN = 3;
/** Models kept compiled: a few MB each at the largest. */
export const COMPILED_MODELS_MAX = 64;
/** Vaults of which is known which model is active; all are forgotten when there are more. */
export const ACTIVE_MODELS_KEPT_MAX = 65_536;
/** A dry run looks at so many places of the vault, and so many rows at each: one in two is a tuple by resource. */
export const DRY_RUN_PLACES = 64;
export const DRY_RUN_ROWS_PER_PLACE = 8;
