/** Waits until a vault has so many blocks here: what a leader has applied reaches the others a little later. */

import type { Timers } from "@authledger/io";
import type { GroupState } from "@authledger/state";

interface Waiter {
  readonly vault: number;
  readonly size: number;
  readonly done: (hasGrown: boolean) => void;
}

export class VaultGrowth {
  readonly #state: Pick<GroupState, "vault">;
  readonly #timers: Timers;
  readonly #waiters = new Set<Waiter>();

  constructor(state: Pick<GroupState, "vault">, timers: Timers) {
    this.#state = state;
    this.#timers = timers;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** True when the vault has the size; false when it has not after so long. */
  until(vault: number, size: number, waitMs: number): Promise<boolean> {
    if (this.#has(vault, size)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const stop = this.#timers.after(waitMs, () => waiter.done(false));
      const done = (hasGrown: boolean): void => {
        stop();
        this.#waiters.delete(waiter);
        resolve(hasGrown);
      };
      const waiter: Waiter = { vault, size, done };
      this.#waiters.add(waiter);
    });
  }

  /** Called after entries were applied. */
  applied(): void {
    for (const { vault, size, done } of this.#waiters) if (this.#has(vault, size)) done(true);
  }

  /** Nobody waits any longer. */
  stop(): void {
    for (const { done } of this.#waiters) done(false);
  }

  #has(vault: number, size: number): boolean {
    return (this.#state.vault(vault)?.size ?? -1) >= size;
  }
}
