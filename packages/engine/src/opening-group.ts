/** Ties together what is needed while the log is replayed, before the engine exists. */
import type { LedgerError } from "@authledger/types";
import type { Flusher } from "./flusher.js";
import type { Proposer } from "./proposer.js";

export class OpeningGroup {
  flusher!: Flusher;
  proposer: Proposer | undefined;
  onFatal: (error: LedgerError) => void;
  failure: LedgerError | undefined;

  constructor(onFatal: (error: LedgerError) => void) {
    this.onFatal = onFatal;
  }

  die(error: LedgerError): void {
    this.failure ??= error;
    this.onFatal(error);
  }

  /** The dirty pages of a replay are bounded too; a disk without room for them is met again when there is more. */
  async room(): Promise<void> {
    if (this.flusher.isStalled) await this.flusher.flush();
  }

  /** Flushes when it is due, and lets writers wait while the disk is behind. */
  afterApply(): void {
    this.flusher.tick();
    if (this.flusher.isStalled) this.proposer?.pause("stalled");
    else this.proposer?.resume();
  }
}
