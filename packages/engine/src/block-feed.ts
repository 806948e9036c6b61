/**
 * Tells who waits which vaults have new blocks. One waiter follows all vaults, so thousands of idle watches cost
 * the engine nothing; the front hands on what concerns each of them.
 *
 *   INV-FEED-1  A waiter that asks behind the index of its last reply learns of every vault that has moved since,
 *               or that it may have missed some.
 *
 * A state that replaces this one may be of an earlier entry. What waiters are given therefore never goes back: behind such
 * a state it is the entry's index and a distance, so that what was given before is known to be of before.
 */
import type { Timers } from "@authledger/io";
import type { AppliedBlock } from "@authledger/state";
import { LedgerError } from "@authledger/types";
import { FEED_MOVES_MAX, FEED_WAITERS_MAX } from "./limits.js";
import type { EngineReply, EngineRequest } from "./port.js";

interface Move {
  /** As waiters are given it. */
  readonly index: number;
  readonly vault: number;
}

interface Waiter {
  readonly after: number;
  /** The only vault that it waits for; undefined: any. */
  readonly vault: number | undefined;
  readonly cancel: () => void;
  readonly resolve: (reply: EngineReply<"wait_blocks">) => void;
  readonly reject: (error: LedgerError) => void;
}

export class BlockFeed {
  readonly #timers: Timers;
  /** The newest moves in the order of their entries. */
  #moves: Move[] = [];
  /** Moves up to here are forgotten. */
  #forgotten: number;
  /** The last one that is applied, as waiters are given it. */
  #index: number;
  /** What is given is so far ahead of the index of the entry. */
  #distance = 0;
  readonly #waiters = new Set<Waiter>();
  #failure: LedgerError | undefined;

  /** @param index the last entry that is applied */
  constructor(index: number, timers: Timers) {
    this.#index = index;
    this.#forgotten = index;
    this.#timers = timers;
  }

  /** After each applied entry. */
  note(applied: number, blocks: readonly AppliedBlock[]): void {
    const index = applied + this.#distance;
    this.#index = index;
    if (blocks.length === 0) return;
    for (const { vault } of blocks) this.#moves.push({ index, vault });
    if (this.#moves.length > 2 * FEED_MOVES_MAX) {
      const dropped = this.#moves.splice(0, this.#moves.length - FEED_MOVES_MAX);
      this.#forgotten = dropped.at(-1)!.index;
    }
    for (const waiter of [...this.#waiters]) {
      if (isAbout(blocks, waiter.vault)) this.#settle(waiter);
    }
  }

  /** The state has become that of an entry without what lies between having been applied here. */
  skipTo(applied: number): void {
    this.#distance = Math.max(this.#distance, this.#index + 1 - applied);
    this.#index = applied + this.#distance;
    this.#forgotten = this.#index;
    this.#moves = [];
    for (const waiter of [...this.#waiters]) this.#settle(waiter);
  }

  /** Who waits is told why nothing comes any more. */
  stop(error: LedgerError): void {
    this.#failure = error;
    for (const waiter of this.#waiters) {
      waiter.cancel();
      waiter.reject(error);
    }
    this.#waiters.clear();
  }

  /** @throws LedgerError OVERLOADED */
  wait({
    after,
    vault,
    waitMs,
  }: EngineRequest<"wait_blocks">):
    | EngineReply<"wait_blocks">
    | Promise<EngineReply<"wait_blocks">> {
    if (this.#failure !== undefined) throw this.#failure;
    if (after === undefined || this.#hasNews(after, vault)) {
      return this.#reply(after ?? this.#index, vault);
    }
    if (this.#waiters.size >= FEED_WAITERS_MAX) {
      throw new LedgerError("OVERLOADED", `${this.#waiters.size} wait for blocks already`);
    }
    return new Promise((resolve, reject) => {
      const cancel = this.#timers.after(waitMs, () => this.#settle(waiter));
      const waiter: Waiter = { after, vault, cancel, resolve, reject };
      this.#waiters.add(waiter);
    });
  }

  #settle(waiter: Waiter): void {
    waiter.cancel();
    this.#waiters.delete(waiter);
    waiter.resolve(this.#reply(waiter.after, waiter.vault));
  }

  #hasNews(after: number, vault: number | undefined): boolean {
    if (vault === undefined) return after < this.#index;
    return after < this.#forgotten || isAbout(this.#movesAfter(after), vault);
  }

  #reply(after: number, wanted: number | undefined): EngineReply<"wait_blocks"> {
    const moved = new Set(this.#movesAfter(after).map(({ vault }) => vault));
    const vaults = wanted === undefined ? [...moved] : moved.has(wanted) ? [wanted] : [];
    return { index: this.#index, vaults, isComplete: after >= this.#forgotten };
  }

  #movesAfter(after: number): readonly Move[] {
    let first = this.#moves.length;
    while (first > 0 && this.#moves[first - 1]!.index > after) first--;
    return this.#moves.slice(first);
  }
}

function isAbout(moves: readonly { readonly vault: number }[], vault: number | undefined): boolean {
  return vault === undefined || moves.some((move) => move.vault === vault);
}
