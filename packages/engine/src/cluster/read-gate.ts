/**
 * When a read may be answered from the state of this node (architecture.md, "A read").
 *
 *   INV-GROUP-6  A linearizable read sees everything that was acknowledged before it began: it waits for an index that the
 *               leader has confirmed after that, and runs in the very turn in which the state reached it. All reads that
 *               arrive in one turn share one confirmation.
 *   INV-GROUP-9  A read that allows an age sees everything that was acknowledged so long before it: the age of a state is
 *               counted from the question of the last confirmation that it has reached.
 *
 * A single voter confirms itself: its reads pass at once, without a promise.
 */
import type { Clock, Timers } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { OVERLOAD_RETRY_MS } from "../limits.js";
import { ANY_WAIT_MS, READ_WAIT_MS, READS_WAITING_MAX } from "./cluster-limits.js";
import { Freshness } from "./freshness.js";

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
  /** Too late for it to be answered. */
  readonly late: () => LedgerError;
}

interface Batch {
  readonly context: number;
  readonly waiters: Waiter[];
  askedAtMs: number;
}

interface IndexWaiter extends Waiter {
  readonly index: number;
}

export class ReadGate {
  readonly #deps: ReadGateDeps;
  #lastContext = 0;
  /** Gathers the reads of this turn. */
  #gathering: Batch | undefined;
  readonly #asked = new Map<number, Batch>();
  readonly #freshness = new Freshness();
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
    const limits = { deadlineAtMs, late: this.#deps.noLeader };
    return this.#wait(read, limits, (waiter) => this.#gather(waiter));
  }

  /**
   * Runs `read` at once where the state is no older than so many milliseconds; else when the group has confirmed it, which makes
   * the state fresh for others. @throws LedgerError STALE_REPLICA (by rejection) when that takes too long
   */
  within<T>(
    maxMs: number,
    read: () => T | Promise<T>,
    deadlineAtMs: number | undefined,
  ): T | Promise<T> {
    const nowMs = this.#deps.clock.monotonicMs();
    const ageMs = this.#freshness.ageMs(nowMs, this.#deps.appliedIndex());
    if (ageMs !== undefined && ageMs <= maxMs) return read();
    const endMs = nowMs + ANY_WAIT_MS;
    const limits = {
      deadlineAtMs: Math.min(deadlineAtMs ?? endMs, endMs),
      late: () => this.#tooOld(maxMs),
    };
    return this.#wait(read, limits, (waiter) => this.#gather(waiter));
  }

  /** Runs `read` when the state has reached an index. */
  atLeast<T>(
    read: () => T | Promise<T>,
    index: number,
    deadlineAtMs: number | undefined,
    late: () => LedgerError,
  ): Promise<T> {
    return this.#wait(read, { deadlineAtMs, late }, (waiter) => this.#await({ ...waiter, index }));
  }

  /** The group has confirmed a context. */
  ready(context: number, index: number): void {
    const batch = this.#asked.get(context);
    if (batch === undefined) return;
    this.#asked.delete(context);
    const applied = this.#deps.appliedIndex();
    this.#freshness.confirmed(index, batch.askedAtMs, applied);
    for (const waiter of batch.waiters) this.#await({ ...waiter, index });
    this.applied(applied);
  }

  dropped(context: number): void {
    const batch = this.#asked.get(context);
    this.#asked.delete(context);
    if (batch !== undefined) this.#dropped.push(...batch.waiters);
  }

  /** Asks, though nobody waits for it: how old the state is, is known before somebody wants to know, and when nobody leads. */
  renewAge(): void {
    if (this.#failure === undefined) this.#nextBatch();
  }

  /** The state is being replaced, perhaps by an older one. */
  forgetAge(): void {
    this.#freshness.forget();
  }

  /** What was asked for is not answered any more. */
  dropAll(): void {
    this.forgetAge();
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
    { deadlineAtMs, late }: Pick<Waiter, "late"> & { readonly deadlineAtMs: number | undefined },
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
        late,
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

  #tooOld(maxMs: number): LedgerError {
    const { clock, appliedIndex } = this.#deps;
    const ageMs = this.#freshness.ageMs(clock.monotonicMs(), appliedIndex());
    const age = ageMs === undefined ? "of unknown age" : `${Math.ceil(ageMs)} ms old`;
    const message = `the state of this node is ${age}, the read allows ${maxMs} ms`;
    return new LedgerError("STALE_REPLICA", message, {
      retryAfterMs: 100,
      details: ageMs === undefined ? {} : { staleMs: Math.ceil(ageMs) },
    });
  }

  #gather(waiter: Waiter): void {
    this.#nextBatch().waiters.push(waiter);
  }

  /** What is asked for at the end of this turn. */
  #nextBatch(): Batch {
    if (this.#gathering !== undefined) return this.#gathering;
    const batch: Batch = { context: ++this.#lastContext, waiters: [], askedAtMs: 0 };
    this.#gathering = batch;
    void this.#deps.timers.yield().then(() => this.#askFor(batch));
    return batch;
  }

  #askFor(batch: Batch): void {
    if (this.#gathering !== batch) return;
    this.#gathering = undefined;
    this.#asked.set(batch.context, batch);
    batch.askedAtMs = this.#deps.clock.monotonicMs();
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
    for (const waiter of late) waiter.fail(waiter.late());
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
