/** What a group asks of those who carry whole states between replicas. */
import type { SnapshotMeta } from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import type { WalRecord } from "@authledger/wal";

export interface SnapshotHooks {
  /** A follower needs a state of at least this index, since the log begins behind what it has. Ends in `RaftGroup.snapshotSent`. */
  send(to: NodeId, index: number): void;
  /**
   * Makes a received and verified state this group's own, for good: when it resolves, a crash finds the new state, and
   * `GroupState` is it. Nothing is applied meanwhile. Resolves with what the log must say of it.
   * @param configuration for that record
   */
  install(snapshot: SnapshotMeta, configuration: Uint8Array): Promise<WalRecord>;
  /** That record is durable. */
  installed(): void;
}
