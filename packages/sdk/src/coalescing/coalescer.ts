/** The lanes of one kind of call: calls that ask under the same conditions share one. */
import { LedgerError } from "@authledger/types";
import { MACHINE } from "../transport/ports.js";
import { Lane, type LaneRules, type Member } from "./lane.js";

/** What one call brings along. */
export interface Caller {
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

export class Coalescer<Item, Result> {
  readonly #lanes = new Map<string, Lane<Item, Result>>();
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = 0;

  /**
   * Joins the calls of this tick.
   * @param conditions names what all calls of a request must have in common
   * @param rules of the lane, where there is none yet
   * @throws LedgerError CANCELLED, DEADLINE_EXCEEDED, what the request failed with
   */
  call(
    conditions: string,
    rules: () => LaneRules<Item, Result>,
    item: Item,
    { deadlineMs, signal }: Caller,
  ): Promise<Result> {
    if (signal?.aborted === true) {
      const message = `the caller gave up "${rules().name}"`;
      return Promise.reject(new LedgerError("CANCELLED", message, { cause: signal.reason }));
    }
    const deadlineAtMs = MACHINE.nowMs() + deadlineMs;
    this.#sweepAt(deadlineAtMs);
    return new Promise((resolve, reject) => {
      const [forget, failure] = [undefined, undefined];
      const about = { item, deadlineMs, deadlineAtMs, signal, isOver: false, failure, forget };
      this.#lane(conditions, rules).add({ ...about, resolve, reject } as Member<Item, Result>);
    });
  }

  #lane(conditions: string, rules: () => LaneRules<Item, Result>): Lane<Item, Result> {
    let lane = this.#lanes.get(conditions);
    if (lane === undefined) {
      lane = new Lane(rules(), () => this.#lanes.delete(conditions));
      this.#lanes.set(conditions, lane);
    }
    return lane;
  }

  /** One timer for the earliest deadline of all calls; it keeps no process alive, the requests do. */
  #sweepAt(atMs: number): void {
    if (this.#timer !== undefined && this.#timerAtMs <= atMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => this.#sweep(), Math.max(1, atMs - MACHINE.nowMs()));
    // In a browser a timer is a number, and keeps nothing alive.
    (this.#timer as Partial<NodeJS.Timeout>).unref?.();
  }

  #sweep(): void {
    this.#timer = undefined;
    const nowMs = MACHINE.nowMs();
    for (const lane of this.#lanes.values()) {
      const nextAtMs = lane.sweep(nowMs);
      if (nextAtMs !== undefined) this.#sweepAt(nextAtMs);
    }
  }
}
