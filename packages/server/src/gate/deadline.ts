/** The deadline of a call, on the clock that never jumps. */
import { LedgerError } from "@authledger/types";
import type { GateStep } from "./gate.js";
import type { GatedCall } from "./gated-call.js";

export class DeadlineStep implements GateStep {
  /** @throws LedgerError DEADLINE_EXCEEDED when it has passed already */
  enter(call: GatedCall): void {
    const deadline = call.wire.getDeadline();
    const atMs = deadline instanceof Date ? deadline.getTime() : deadline;
    if (!Number.isFinite(atMs)) return;
    const leftMs = atMs - Date.now();
    if (leftMs <= 0) {
      throw new LedgerError("DEADLINE_EXCEEDED", "the deadline passed before the call began");
    }
    call.deadlineAtMs = performance.now() + leftMs;
  }
}
