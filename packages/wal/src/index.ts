/** The log on disk of all groups: segments, batches, recovery, retention. */
export {
  checkWal,
  type WalBatch,
  type WalBatchRecord,
  type WalGroupReport,
  type WalReport,
  type WalSegmentReport,
} from "./check-wal.js";
export type {
  CommitHintRecord,
  EntryRecord,
  GroupRecord,
  HardStateRecord,
  RecoveredRecord,
  SignedRecord,
  SnapshotRecord,
  TruncateRecord,
  WalRecord,
} from "./format/record.js";
export type { GroupLog, LogEntry } from "./group-log.js";
export type { Voters } from "./recovery/log-end.js";
export type { LogEnding, WalRecovery } from "./recovery/open-log.js";
export type { HardState } from "./state/group-state.js";
export { Wal, type WalDeps, type WalOptions } from "./wal.js";
export type { WalStats } from "./wal-stats.js";
export type { AppendCounts } from "./write/appender.js";
export type { SyncTimes } from "./write/sync-meter.js";
