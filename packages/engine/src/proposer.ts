/**
 * Writes on their way into the log: natural batching, stamping, a bounded pipeline (architecture.md, "A
 * write"). If nothing is in flight what has arrived goes at once; while entries are in flight, arriving
 * writes gather for the next one. No timer, no window.
 *
 *   INV-PROPOSE-1  Requests of one client are proposed in the order in which they came.
 *   INV-PROPOSE-2  Stamped times do not go back, and sequences of a client ascend.
 *   INV-PROPOSE-3  No entry is stamped by a clock that is far from its peers': each asks first, with the very time that was
 *                  read for it, and what waits is refused.
 */
import type { Clock } from "@authledger/io";
import {
  type EntryItem,
  encodeEntry,
  type Outcome,
  type SealedTransaction,
  sealedBytes,
} from "@authledger/state";
import { LedgerError, limits } from "@authledger/types";
import {
  ENTRIES_IN_FLIGHT_MAX,
  ENTRY_OPERATIONS_MAX,
  ENTRY_TRANSACTIONS_MAX,
  OPERATION_HELD_BYTES,
  OVERLOAD_RETRY_MS,
  WRITE_BYTES_WAITING_MAX,
  WRITES_WAITING_MAX,
} from "./limits.js";
import type { TracedWrite, WriteSpans } from "./tracer.js";

/** One item to be proposed: made when its turn comes, since only then its time and sequence are known. */
export interface Proposal {
  readonly operations: number;
  /** Of its texts and values, also those that it only compares with, near enough for limits. */
  readonly bytes: number;
  /** On the monotonic clock; refused when it has passed before its turn. */
  readonly deadlineAtMs: number | undefined;
  /** Reads the applied state while it is made, so that nothing may be in flight before it. */
  readonly needsCurrentState: boolean;
  /** Of a write that is traced. */
  readonly spans?: WriteSpans | undefined;
  make(timeMs: number): EntryItem;
  done(outcome: Outcome, index: number): void;
  failed(error: unknown): void;
}

/** An entry and whom to tell. */
export interface ProposedEntry {
  readonly payload: Uint8Array;
  readonly proposals: readonly Proposal[];
  readonly traced: readonly TracedWrite[];
}

export interface ProposerDeps {
  readonly clock: Clock;
  /** Time of the last entry, applied or in flight. */
  readonly lastTimeMs: () => number;
  /** Why nothing is made by this clock, which was just read, or by this state, if so. Asked before each entry. */
  readonly stampProblem: (nowMs: number) => LedgerError | undefined;
  /** Hands an entry to the log. */
  readonly submit: (entry: ProposedEntry) => void;
  readonly soon: (run: () => void) => void;
  /** Told before an entry is made while nothing is in flight: everything proposed so far has been applied. */
  readonly onCaughtUp: () => void;
}

export class Proposer {
  readonly #deps: ProposerDeps;
  #waiting: Proposal[] = [];
  #waitingBytes = 0;
  #inFlight = 0;
  #scheduled = false;
  #paused: LedgerError | "stalled" | undefined;
  #admission: "open" | "soon" | LedgerError = "open";
  #stopped = false;
  #stampedMs = 0;
  /** Who waits until nothing is left. */
  readonly #idlers: (() => void)[] = [];

  constructor(deps: ProposerDeps) {
    this.#deps = deps;
  }

  /** Since the start: what was proposed, and into how many entries it went. */
  readonly batching: { proposals: number; entries: number } = { proposals: 0, entries: 0 };

  get waiting(): number {
    return this.#waiting.length;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** @throws LedgerError OVERLOADED, or what writes are refused for */
  add(proposal: Proposal): void {
    if (this.#paused instanceof LedgerError) throw this.#paused;
    if (this.#admission instanceof LedgerError) throw this.#admission;
    const isFull =
      this.#waiting.length >= WRITES_WAITING_MAX ||
      this.#waitingBytes + heldBytes(proposal) > WRITE_BYTES_WAITING_MAX;
    if (isFull && this.#waiting.length > 0) {
      const message = `${this.#waiting.length} writes of ${this.#waitingBytes} bytes are waiting`;
      throw new LedgerError("OVERLOADED", message, { retryAfterMs: OVERLOAD_RETRY_MS });
    }
    this.#waiting.push(proposal);
    this.#waitingBytes += heldBytes(proposal);
    this.#schedule();
  }

  /** An entry has been applied or has failed. */
  settled(): void {
    this.#inFlight--;
    this.#schedule();
    this.#wakeIdlers();
  }

  /** Resolves when nothing waits and nothing is in flight, or when the node stops. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idlers.push(resolve);
      this.#wakeIdlers();
    });
  }

  /** Refuses writes with an error, lets them wait, or takes them again. */
  pause(why: LedgerError | "stalled" | undefined): void {
    if (this.#stopped || (why === "stalled" && this.#paused instanceof LedgerError)) return;
    this.#paused = why;
    if (why instanceof LedgerError) this.#failAll(why);
    else this.#schedule();
  }

  /** Another node leads, this one soon will, or does: writes are refused, wait, or are taken. */
  admit(admission: "open" | "soon" | LedgerError): void {
    if (this.#stopped) return;
    this.#admission = admission;
    if (admission instanceof LedgerError) this.#failAll(admission);
    else this.#schedule();
  }

  /** Ends a stall; a refusal stays until it is taken back. */
  resume(): void {
    if (this.#paused === "stalled") this.pause(undefined);
  }

  /** Refuses all writes from now on. */
  stop(error: LedgerError): void {
    this.pause(error);
    this.#stopped = true;
    this.#wakeIdlers();
  }

  #wakeIdlers(): void {
    if (!this.#stopped && this.#waiting.length + this.#inFlight > 0) return;
    for (const wake of this.#idlers.splice(0)) wake();
  }

  #failAll(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const proposal of waiting) proposal.failed(error);
    this.#wakeIdlers();
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    this.#deps.soon(() => {
      this.#scheduled = false;
      this.#propose();
      this.#wakeIdlers();
    });
  }

  #propose(): void {
    while (
      this.#paused === undefined &&
      this.#admission === "open" &&
      this.#waiting.length > 0 &&
      this.#inFlight < ENTRIES_IN_FLIGHT_MAX
    ) {
      if (this.#waiting[0]!.needsCurrentState && this.#inFlight > 0) return;
      if (this.#inFlight === 0) this.#deps.onCaughtUp();
      const entry = this.#nextEntry();
      if (entry === undefined) continue;
      this.#inFlight++;
      this.#deps.submit(entry);
      // What arrives while this entry is synced makes the next one; a full entry need not wait for it.
      if (this.#waiting.length < ENTRY_OPERATIONS_MAX / 10) return;
    }
  }

  #nextEntry(): ProposedEntry | undefined {
    const nowMs = this.#deps.clock.nowMs();
    const problem = this.#deps.stampProblem(nowMs);
    if (problem !== undefined) {
      this.#failAll(problem);
      return undefined;
    }
    const timeMs = Math.max(this.#stampedMs, this.#deps.lastTimeMs(), nowMs);
    const proposals: Proposal[] = [];
    const items: EntryItem[] = [];
    const traced: TracedWrite[] = [];
    let operations = 0;
    let bytes = 0;
    let taken = 0;
    for (const proposal of this.#waiting) {
      const isFull =
        items.length >= ENTRY_TRANSACTIONS_MAX ||
        operations + proposal.operations > ENTRY_OPERATIONS_MAX ||
        bytes + proposal.bytes > limits.ENTRY_BYTES_MAX / 2;
      if (items.length > 0 && (isFull || proposal.needsCurrentState)) break;
      taken++;
      const item = this.#make(proposal, timeMs);
      if (item === undefined) continue;
      proposals.push(proposal);
      if (proposal.spans !== undefined) traced.push(proposal.spans.proposed());
      items.push(item);
      operations += proposal.operations;
      bytes += itemBytes(item);
    }
    // Proposals leave the queue once nothing can fail any more: what is in it is told when the node stops.
    const payload = items.length > 0 ? encodeEntry({ timeMs, items }) : undefined;
    for (const left of this.#waiting.splice(0, taken)) this.#waitingBytes -= heldBytes(left);
    if (payload === undefined) return undefined;
    this.#stampedMs = timeMs;
    this.batching.entries++;
    this.batching.proposals += proposals.length;
    return { payload, proposals, traced };
  }

  #make(proposal: Proposal, timeMs: number): EntryItem | undefined {
    try {
      const { deadlineAtMs } = proposal;
      if (deadlineAtMs !== undefined && deadlineAtMs <= this.#deps.clock.monotonicMs()) {
        const message = "the deadline passed before the write was proposed; nothing was written";
        throw new LedgerError("DEADLINE_EXCEEDED", message);
      }
      return proposal.make(timeMs);
    } catch (error) {
      proposal.failed(error);
      return undefined;
    }
  }
}

/** What a proposal takes of memory while it waits. */
function heldBytes({ bytes, operations }: Proposal): number {
  return bytes + operations * OPERATION_HELD_BYTES;
}

function itemBytes(item: EntryItem): number {
  return partsOf(item).reduce((sum, part) => sum + sealedBytes(part), 0);
}

function partsOf(item: EntryItem): readonly SealedTransaction[] {
  switch (item.kind) {
    case "transaction":
      return [item.transaction];
    case "create_vault":
      return [item.registration, item.genesis];
    case "init":
      return [item.genesis];
    case "set_status":
    case "erase":
      return [item.registration];
    case "policy_change":
      return [item.transaction];
    case "policy_bundle":
    case "sweep":
    case "prune":
      return [];
  }
}
