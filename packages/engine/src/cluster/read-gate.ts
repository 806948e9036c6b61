/**
 * When a read may be answered from the state of this node (architecture.md, "A read").
 *
 *   INV-GROUP-6  A linearizable read sees everything that was acknowledged before it began: it waits for an index that the
 *               leader has confirmed after that, and runs in the very turn in which the state reached it. All reads that
 *               arrive in one turn share one confirmation.
 *
 * A single voter confirms itself: its reads pass at once, without a promise.
 */
import type { Clock, Timers } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { OVERLOAD_RETRY_MS } from "../limits.js";
import { READ_WAIT_MS, READS_WAITING_MAX } from "./cluster-limits.js";

export interface ReadGateDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly appliedIndex: () => number;
  /** Asks the group for a confirmation; ends in `ready` or `dropped` of the context. */
  readonly ask: (context: number) => void;
  /** Why nobody confirms. */
  readonly noLeader: () => LedgerError;
}

interface Waiter {
  run(): void;
  fail(error: LedgerError): void;
  readonly deadlineAtMs: number;
}

interface Batch {
  readonly context: number;
  readonly waiters: Waiter[];
}

interface IndexWaiter extends Waiter {
  readonly index: number;
  /** Too late for it to be answered. */
  readonly late: () => LedgerError;
}

export class ReadGate {
  readonly #deps: ReadGateDeps;
  #lastContext = 0;
  /** Gathers the reads of this turn. */
  #gathering: Batch | undefined;
  readonly #asked = new Map<number, Batch>();
  /** Nobody could confirm: asked again when there is a leader. */
  #dropped: Waiter[] = [];
  /** Confirmed, in the order of their indexes; or waiting for an index that somebody was told. */
  #waiting: IndexWaiter[] = [];
  #count = 0;
  #cancelSweep: (() => void) | undefined;
  #failure: LedgerError | undefined;

  constructor(deps: ReadGateDeps) {
    this.#deps = deps;
  }

  /** Reads that wait. */
  get size(): number {
    return this.#count;
  }

  /** Runs `read` when the group has confirmed that this node's state is recent enough. */
  linearizable<T>(read: () => T | Promise<T>, deadlineAtMs: number | undefined): Promise<T> {
    return this.#wait(read, deadlineAtMs, (waiter) => this.#gather(waiter));
  }

  /** Runs `read` when the state has reached an index. */
  atLeast<T>(
    read: () => T | Promise<T>,
    index: number,
    deadlineAtMs: number | undefined,
    late: () => LedgerError,
  ): Promise<T> {
    return this.#wait(read, deadlineAtMs, (waiter) => this.#await({ ...waiter, index, late }));
  }

  /** The group has confirmed a context. */
  ready(context: number, index: number): void {
    const batch = this.#asked.get(context);
    if (batch === undefined) return;
    this.#asked.delete(context);
    const late = this.#deps.noLeader;
    for (const waiter of batch.waiters) this.#await({ ...waiter, index, late });
    this.applied(this.#deps.appliedIndex());
  }

  dropped(context: number): void {
    const batch = this.#asked.get(context);
    this.#asked.delete(context);
    if (batch !== undefined) this.#dropped.push(...batch.waiters);
  }

  /** What was asked for is not answered any more. */
  dropAll(): void {
    for (const context of [...this.#asked.keys()]) this.dropped(context);
  }

  /** There is a leader, perhaps another one: what nobody confirmed is asked again. */
  retry(): void {
    for (const waiter of this.#dropped.splice(0)) this.#gather(waiter);
  }

  /** The state has reached an index. */
  applied(index: number): void {
    let done = 0;
    while (done < this.#waiting.length && this.#waiting[done]!.index <= index) done++;
    if (done === 0) return;
    for (const waiter of this.#waiting.splice(0, done)) {
      this.#count--;
      waiter.run();
    }
  }

  /** Nothing is confirmed any more. */
  stop(error: LedgerError): void {
    this.#failure = error;
    this.#cancelSweep?.();
    const all = this.#all;
    this.#gathering = undefined;
    this.#asked.clear();
    this.#dropped = [];
    this.#waiting = [];
    this.#count = 0;
    for (const waiter of all) waiter.fail(error);
  }

  get #all(): Waiter[] {
    const batches = [...this.#asked.values()];
    if (this.#gathering !== undefined) batches.push(this.#gathering);
    return [...batches.flatMap(({ waiters }) => waiters), ...this.#dropped, ...this.#waiting];
  }

  #wait<T>(
    read: () => T | Promise<T>,
    deadlineAtMs: number | undefined,
    begin: (waiter: Waiter) => void,
  ): Promise<T> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#count >= READS_WAITING_MAX) {
      const message = `${this.#count} reads wait for the leader already`;
      return Promise.reject(
        new LedgerError("OVERLOADED", message, { retryAfterMs: OVERLOAD_RETRY_MS }),
      );
    }
    const endMs = this.#deps.clock.monotonicMs() + READ_WAIT_MS;
    return new Promise<T>((resolve, reject) => {
      this.#count++;
      begin({
        deadlineAtMs: Math.min(deadlineAtMs ?? endMs, endMs),
        fail: reject,
        run: () => {
          try {
            resolve(read());
          } catch (error) {
            reject(error);
          }
        },
      });
      this.#cancelSweep ??= this.#deps.timers.after(SWEEP_MS, () => this.#sweep());
    });
  }

  #gather(waiter: Waiter): void {
    if (this.#gathering === undefined) {
      const batch: Batch = { context: ++this.#lastContext, waiters: [] };
      this.#gathering = batch;
      void this.#deps.timers.yield().then(() => this.#askFor(batch));
    }
    this.#gathering.waiters.push(waiter);
  }

  #askFor(batch: Batch): void {
    if (this.#gathering !== batch) return;
    this.#gathering = undefined;
    this.#asked.set(batch.context, batch);
    this.#deps.ask(batch.context);
  }

  #await(waiter: IndexWaiter): void {
    let at = this.#waiting.length;
    while (at > 0 && this.#waiting[at - 1]!.index > waiter.index) at--;
    this.#waiting.splice(at, 0, waiter);
  }

  /** Those whose time is over are told; the rest is looked at again. */
  #sweep(): void {
    this.#cancelSweep = undefined;
    const now = this.#deps.clock.monotonicMs();
    const isLate = (waiter: Waiter): boolean => waiter.deadlineAtMs <= now;
    const late = this.#all.filter(isLate);
    for (const batch of this.#asked.values()) removeAll(batch.waiters, isLate);
    if (this.#gathering !== undefined) removeAll(this.#gathering.waiters, isLate);
    removeAll(this.#dropped, isLate);
    removeAll(this.#waiting, isLate);
    this.#count -= late.length;
    for (const waiter of late) {
      waiter.fail("late" in waiter ? (waiter as IndexWaiter).late() : this.#deps.noLeader());
    }
    if (this.#count > 0) {
      this.#cancelSweep = this.#deps.timers.after(SWEEP_MS, () => this.#sweep());
    }
  }
}

/** How often is looked for reads whose time is over. */
const SWEEP_MS = 50;

function removeAll<T>(list: T[], matches: (item: T) => boolean): void {
  let kept = 0;
  for (const item of list) if (!matches(item)) list[kept++] = item;
  list.length = kept;
}
