/**
 * Tells this node's caches that the system vault has moved, so that what they keep of it is looked at again.
 *
 *   INV-AUTHN-2  What was read of the system vault before its newest applied block is taken for good by no cache for
 *                longer than the engine's word takes to arrive: the next turn of the loop, and 250 ms after a failure.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { EnginePort } from "@authledger/engine";
import { SYSTEM_VAULT } from "./system-vault.js";

/** How long the engine is asked to wait; a quiet vault costs nothing meanwhile. */
const WAIT_MS = 30_000;
/** After a refusal, which is taken for a move. */
const FAILED_MS = 250;

export class SystemMoves {
  readonly #engine: EnginePort;
  readonly #listeners: (() => void)[] = [];
  readonly #stopped = new AbortController();
  #generation = 1;

  constructor(engine: EnginePort) {
    this.#engine = engine;
  }

  /** Larger after each move: what was read at this generation holds while it is the same. */
  get generation(): number {
    return this.#generation;
  }

  /** Called behind each move, and after each failure to hear of them. */
  onMove(listener: () => void): void {
    this.#listeners.push(listener);
  }

  start(): void {
    void this.#follow();
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopped;
    let after: number | undefined;
    while (!signal.aborted) {
      const since = after === undefined ? {} : { after };
      const question = { ...since, vault: SYSTEM_VAULT, waitMs: WAIT_MS };
      try {
        const moved = await this.#engine.call("wait_blocks", question);
        // The first answer only names the index from which on it is told of everything.
        const isFirst = after === undefined;
        after = moved.index;
        if (isFirst || !moved.isComplete || moved.vaults.includes(SYSTEM_VAULT)) this.#moved();
      } catch {
        this.#moved();
        await sleep(FAILED_MS, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  #moved(): void {
    if (this.#stopped.signal.aborted) return;
    this.#generation++;
    for (const listener of this.#listeners) listener();
  }
}
