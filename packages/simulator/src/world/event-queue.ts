/**
 * What is to happen, in the order of its time. Two things of the same moment happen in the order in which they were
 * put in, so that a run depends on its seed alone.
 *
 *   INV-SIM-1  Things leave the queue by (time, order of insertion); time never goes back.
 *
 * A binary heap in parallel arrays: no object per element, no comparator call.
 */
import { assert } from "@authledger/types";

export class EventQueue<T> {
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #items: T[] = [];
  #order = 0;
  #now = 0;

  /** The time of what left last, in milliseconds. */
  get now(): number {
    return this.#now;
  }

  get size(): number {
    return this.#items.length;
  }

  /** When the next thing happens; infinity when nothing will. */
  get nextAt(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  /** Puts something in that happens at a time, which is not over. */
  push(time: number, item: T): void {
    assert(time >= this.#now, "INV-SIM-1: nothing happens in the past", { time, now: this.#now });
    const times = this.#times;
    const orders = this.#orders;
    const items = this.#items;
    const order = this.#order++;
    let hole = times.length;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      // An equal time was put in before, therefore stays above.
      if (times[parent]! <= time) break;
      times[hole] = times[parent]!;
      orders[hole] = orders[parent]!;
      items[hole] = items[parent]!;
      hole = parent;
    }
    times[hole] = time;
    orders[hole] = order;
    items[hole] = item;
  }

  /** Takes what is next out and moves the time to it. Undefined when nothing is left. */
  pop(): T | undefined {
    const count = this.#items.length;
    if (count === 0) return undefined;
    const item = this.#items[0]!;
    this.#now = this.#times[0]!;
    const time = this.#times.pop()!;
    const order = this.#orders.pop()!;
    const last = this.#items.pop()!;
    if (count > 1) this.#sink(time, order, last);
    return item;
  }

  #sink(time: number, order: number, item: T): void {
    const times = this.#times;
    const orders = this.#orders;
    const items = this.#items;
    const count = times.length;
    let hole = 0;
    for (let child = 1; child < count; child = 2 * hole + 1) {
      if (child + 1 < count && this.#isBefore(child + 1, times[child]!, orders[child]!)) child++;
      if (!this.#isBefore(child, time, order)) break;
      times[hole] = times[child]!;
      orders[hole] = orders[child]!;
      items[hole] = items[child]!;
      hole = child;
    }
    times[hole] = time;
    orders[hole] = order;
    items[hole] = item;
  }

  #isBefore(at: number, time: number, order: number): boolean {
    const other = this.#times[at]!;
    return other < time || (other === time && this.#orders[at]! < order);
  }
}
