/** Every bound of giving and taking snapshots, with its arithmetic. */
const KiB = 1024;
const MiB = 1024 * KiB;

/** One part of a stream: 5 ms at 100 MB/s; a link's other frames wait behind one at most. */
export const SNAPSHOT_CHUNK_BYTES: number = 512 * KiB;
/** Parts on their way to one follower: 4 MiB, what 400 MB/s need at a round trip of 10 ms. */
export const SNAPSHOT_WINDOW_CHUNKS = 8;
/** Followers that are given snapshots at once; more wait for their turn. */
export const SNAPSHOTS_OUTGOING_MAX = 2;
/** Without an answer for so long the sender asks how far the follower is. */
export const SNAPSHOT_RETRY_MS = 500;
/** A sender that was not heard for so long, ten times as long as it waits to ask, is gone: another one may take its place. */
export const SNAPSHOT_SILENT_MS = 5_000;
/** Without progress for so long it gives up, and Raft may ask again. */
export const SNAPSHOT_GIVE_UP_MS = 30_000;
/** Bytes received between two syncs: what a crash of the machine may cost to send again. */
export const SNAPSHOT_SYNC_BYTES: number = 8 * MiB;
/** The longest stream that is taken: a state of some 100 million tuples. */
export const SNAPSHOT_BYTES_MAX: number = 64 * 1024 * MiB;
/** Words of a refusal. */
export const SNAPSHOT_REASON_BYTES_MAX = 1_000;
/** Page cache of a state that is being loaded; the node's own one stays as large as it was meanwhile. */
export const SNAPSHOT_LOAD_CACHE_BYTES: number = 64 * MiB;
/** Piece of a file that is read at once while it is loaded. */
export const SNAPSHOT_READ_BYTES: number = 256 * KiB;
/** Stretch of loading or building without letting others run. */
export const SNAPSHOT_SLICE_MS = 5;
/** Where the others take long for their turns, a stretch is this part of what they took; at most so long. */
export const SNAPSHOT_SHARE = 0.25;
export const SNAPSHOT_SLICE_MS_MAX = 25;
/** A built file that nobody took for so long is removed. */
export const SNAPSHOT_IDLE_MS = 600_000;
