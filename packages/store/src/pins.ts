/**
 * Pins: read-only views of the whole store as of the end of a batch. Pages that a pin may see are neither
 * edited nor used again (pager.ts, allocator.ts), so every pin has an end.
 *
 *   INV-PIN-1  A reader's pin lives 10 s at most; export pins have no age, but there are at most two. The
 *              oldest pin ends when pins keep too many pages from being used again.
 */
import type { Clock } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { EXPORT_PINS_MAX, READER_PIN_MS_MAX, READER_PINS_MAX } from "./limits.js";
import type { Pager } from "./memory/pager.js";
import type { ValueStore } from "./memory/value-store.js";
import { Cursor } from "./tree/cursor.js";
import type { TreeState } from "./tree/tree-state.js";

export type PinKind = "reader" | "export";

/** A table as a pin sees it. */
export interface TableView {
  readonly count: number;
  get(key: Uint8Array): Uint8Array | undefined;
  has(key: Uint8Array): boolean;
  cursor(): Cursor;
}

/** Everything a pin needs of the store. */
export interface PinContext {
  readonly pager: Pager;
  readonly values: ValueStore;
  readonly clock: Clock;
}

export class Pin {
  readonly kind: PinKind;
  /** The last batch it sees. */
  readonly batch: number;
  readonly #context: PinContext;
  readonly #tables: ReadonlyMap<number, TreeState>;
  readonly #endsAtMs: number;
  readonly #onRelease: (pin: Pin) => void;
  #ended: "no" | "released" | "expired" = "no";

  constructor(
    kind: PinKind,
    batch: number,
    tables: ReadonlyMap<number, TreeState>,
    context: PinContext,
    onRelease: (pin: Pin) => void,
  ) {
    this.kind = kind;
    this.batch = batch;
    this.#tables = tables;
    this.#context = context;
    this.#onRelease = onRelease;
    const age = kind === "reader" ? READER_PIN_MS_MAX : Number.POSITIVE_INFINITY;
    this.#endsAtMs = context.clock.monotonicMs() + age;
  }

  /** @throws LedgerError PIN_EXPIRED on use when the pin has ended */
  table(id: number): TableView {
    this.#check();
    const state = this.#tables.get(id) ?? { root: undefined, levels: 0, count: 0 };
    const { pager, values } = this.#context;
    const check = (): void => this.#check();
    const source = {
      id,
      state,
      get version() {
        check();
        return 0;
      },
    };
    const cursor = (): Cursor => new Cursor(source, pager, values);
    return {
      count: state.count,
      cursor,
      get: (key) => {
        const at = cursor();
        return at.seek(key) && isEqual(at.key, key) ? at.value : undefined;
      },
      has: (key) => {
        const at = cursor();
        return at.seek(key) && isEqual(at.key, key);
      },
    };
  }

  /** Gives the view up; a second time is nothing. */
  release(): void {
    this.#end("released");
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** Ends the pin when its time is over. */
  expireIfDue(): void {
    if (this.#context.clock.monotonicMs() >= this.#endsAtMs) this.expire();
  }

  expire(): void {
    this.#end("expired");
  }

  #end(how: "released" | "expired"): void {
    if (this.#ended !== "no") return;
    this.#ended = how;
    this.#onRelease(this);
  }

  #check(): void {
    this.expireIfDue();
    if (this.#ended === "no") return;
    const why = this.#ended === "expired" ? "it was held for too long" : "it was released";
    throw new LedgerError("PIN_EXPIRED", `the view of batch ${this.batch} has ended: ${why}`);
  }
}

/** The live pins of a store. */
export class PinSet {
  readonly #pins = new Set<Pin>();
  readonly #pager: Pager;

  constructor(pager: Pager) {
    this.#pager = pager;
  }

  get count(): number {
    return this.#pins.size;
  }

  /** Batch of the oldest live pin, Infinity without one. */
  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { batch } of this.#pins) oldest = Math.min(oldest, batch);
    return oldest;
  }

  /** @throws LedgerError PIN_LIMIT */
  add(kind: PinKind, tables: ReadonlyMap<number, TreeState>, context: PinContext): Pin {
    this.expireDue();
    const max = kind === "reader" ? READER_PINS_MAX : EXPORT_PINS_MAX;
    let live = 0;
    for (const pin of this.#pins) if (pin.kind === kind) live++;
    if (live >= max) {
      throw new LedgerError("PIN_LIMIT", `${live} ${kind} views are open, the limit is ${max}`);
    }
    const pin = new Pin(kind, this.#pager.batch - 1, tables, context, (ended) => this.#drop(ended));
    this.#pins.add(pin);
    this.#note();
    return pin;
  }

  expireDue(): void {
    for (const pin of this.#pins) pin.expireIfDue();
  }

  /** Ends the oldest pin, of whatever kind; false without one. */
  expireOldest(): boolean {
    const [oldest] = this.#pins;
    oldest?.expire();
    return oldest !== undefined;
  }

  expireAll(): void {
    for (const pin of this.#pins) pin.expire();
  }

  #drop(pin: Pin): void {
    this.#pins.delete(pin);
    this.#note();
  }

  #note(): void {
    let newest = 0;
    for (const { batch } of this.#pins) newest = Math.max(newest, batch);
    if (newest !== this.#pager.newestPin) this.#pager.newestPin = newest;
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
