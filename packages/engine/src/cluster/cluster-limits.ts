/** Every bound of a node's part in a cluster, with its arithmetic. */

/** Members of a group, learners included. Beyond 9 voters a majority costs more than it protects. */
export const MEMBERS_MAX = 16;
/** host:port: a DNS name of 253 bytes and a port. */
export const MEMBER_ADDRESS_BYTES_MAX = 260;
/** Payloads kept in memory from their append to their apply: as much as a leader takes before it is committed. */
export const RECENT_BYTES_MAX: number = 16 * 1024 * 1024;
/** One stretch of applying without letting others run; at least one entry. */
export const APPLY_SLICE_MS = 2;
export const APPLY_SLICE_ENTRIES = 500;
/** An entry with so much payload is a slice by itself, and a long one: from some 200 operations on, 10 ms and more. */
export const HEAVY_ENTRY_BYTES: number = 16 * 1024;
/** Unit of the core's time. */
export const TICK_MS = 25;
/** 75 ms, and 300 to 600 ms (raft.md, "Timing"). */
export const HEARTBEAT_TICKS = 3;
export const ELECTION_TICKS = 12;
/**
 * A leader steps down when it heard from no majority in so many election timeouts: in less, one follower whose loop is held
 * could end the leadership of a group that has lost another one. No follower waits longer than this before it stands.
 */
export const QUORUM_TIMEOUTS = 2;
/**
 * Who follows hears of a commit with the next entries or, when none leave, after so long: writes that come one after the
 * other cost half the messages, and a follower's state is hardly older.
 */
export const COMMIT_NOTICE_MS = 10;
/** After the log found no room, the core takes no part for so long: its log would refuse again. */
export const FULL_RETRY_MS = 1_000;
/**
 * How long those wait whose entry was on its way when the leadership was lost: a new leader is usually found within it, and
 * tells what became of the entry. After that nobody here may ever learn it.
 */
export const COMMIT_WAIT_MS = 1_000;
/** A read that no leader confirms fails after so long, or at its own deadline. */
export const READ_WAIT_MS = 5_000;
/** A read that allows an age waits so long for a younger state: the leader's word takes milliseconds, another node may have it. */
export const ANY_WAIT_MS = 500;
/** Reads that wait for a confirmation or an index. More are refused with OVERLOADED. */
export const READS_WAITING_MAX = 20_000;
/** A leader that is further from the median clock of its peers does not stamp (architecture.md, "Time"). */
export const CLOCK_SKEW_MAX_MS = 5_000;
/** What a peer has told of its clock counts for so long: ten times as long as it is told in. */
export const CLOCK_FRESH_MS = 10_000;
/** How often a node tells its clock, and looks after what it owes its cluster. */
export const CARE_INTERVAL_MS = 1_000;
/** A node that was told that it is removed goes on for so long, for what it has under way. */
export const REMOVAL_GRACE_MS = 500;
/** A node that closes gives its leadership away first, if that takes no longer. */
export const HAND_OVER_MS = 1_000;
/** A learner may become a voter when it lacks no more entries than this (dissertation 4.2.1). */
export const PROMOTE_LAG_MAX = 10;
/** How long `cluster_init` waits for each node to catch up. */
export const INIT_WAIT_MS = 60_000;
/** Writes of one entry whose traces go to the other nodes: 400 bytes beside the entry. */
export const TRACES_OF_ENTRY_MAX = 16;
/** Entries with traced writes that a node follows to their apply: 16 times as many as a leader has in flight. */
export const TRACED_ENTRIES_MAX = 64;
/** Members that were removed since the start, which are told so when they come again. */
export const REMOVED_KEPT_MAX = 64;
/** What a client waits before it asks for the leader again: an election takes some 300 ms. */
export const NO_LEADER_RETRY_MS = 100;
