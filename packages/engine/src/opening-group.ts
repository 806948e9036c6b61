/** Ties together what is needed while the log is replayed, before the engine exists. */
import type { Message } from "@authledger/raft";
import type { LedgerError, NodeId } from "@authledger/types";
import type { BlockFeed } from "./block-feed.js";
import type { SnapshotHooks } from "./cluster/snapshot-hooks.js";
import type { Flusher } from "./flusher.js";
import type { Proposer } from "./proposer.js";

/** What a group tells the node that it is part of; a message of before there is one is as lost as in the network. */
export interface GroupWatcher {
  send(message: Message): void;
  onRole(): void;
  onConfiguration(): void;
  onTransferFailed(to: NodeId): void;
  /** After each applied entry. */
  onApplied(): void;
  /** How much of the log may go, of what the node itself does not need any more. */
  releasable(floor: number): number;
  readonly snapshots: SnapshotHooks;
}

export class OpeningGroup {
  flusher: Flusher | undefined;
  proposer: Proposer | undefined;
  feed: BlockFeed | undefined;
  watcher: GroupWatcher | undefined;
  heads: { applied(): void } | undefined;
  onFatal: (error: LedgerError) => void;
  failure: LedgerError | undefined;

  constructor(onFatal: (error: LedgerError) => void) {
    this.onFatal = onFatal;
  }

  /** The first failure is the one that is reported. */
  die(error: LedgerError): void {
    if (this.failure !== undefined) return;
    this.failure = error;
    this.flusher?.stop();
    this.onFatal(error);
  }

  /** The dirty pages of a replay are bounded too; a disk without room for them is met again when there is more. */
  room(): Promise<void> | undefined {
    return this.flusher?.isStalled ? this.flusher.flush() : undefined;
  }

  /** Flushes when it is due, and lets writers wait while the disk is behind. */
  afterApply(): void {
    this.flusher?.tick();
    if (this.flusher?.isStalled) this.proposer?.pause("stalled");
    else this.proposer?.resume();
    this.heads?.applied();
  }
}
