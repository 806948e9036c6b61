/**
 * The state of a group and the page store that it stands on. Both can be replaced by those of a snapshot while the
 * node runs: the state object stays the same one, so that all who hold it work on the new one from then on; the store
 * is asked for here each time.
 *
 *   INV-REPLICA-8  No flush runs while the store is replaced, and the old one is closed when its last view has ended.
 */
import type { Clock, Disk, Random, Timers } from "@authledger/io";
import type { GroupState } from "@authledger/state";
import { PageStore, type StoreOptions } from "@authledger/store";
import { LedgerError } from "@authledger/types";
import { pastReturn } from "./state-switch.js";

export interface StateHolderDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly onFatal: (error: LedgerError) => void;
}

/** How often is looked whether anybody still reads from a store that was replaced. */
const RETIRED_LOOK_MS = 1_000;

export class StateHolder {
  readonly state: GroupState;
  readonly #options: StoreOptions;
  readonly #deps: StateHolderDeps;
  #store: PageStore;
  readonly #retired = new Set<PageStore>();
  #cancelLook: (() => void) | undefined;

  constructor(store: PageStore, state: GroupState, options: StoreOptions, deps: StateHolderDeps) {
    this.#store = store;
    this.state = state;
    this.#options = options;
    this.#deps = deps;
  }

  /** Stores that were replaced and that somebody may still read from. */
  get retired(): number {
    return this.#retired.size;
  }

  /** The store in use; another one after each `replace`. */
  get store(): PageStore {
    return this.#store;
  }

  /**
   * Runs `switchFiles`, which puts another file in the place of the store's, and works on that one. Nothing may be
   * applied and nothing flushed meanwhile. @throws what `switchFiles` throws, of which DISK_FULL and NOT_READY have changed
   * nothing, and what keeps a store from opening
   */
  async replace(switchFiles: () => Promise<void>): Promise<void> {
    const before = this.#store;
    await switchFiles();
    const { disk, clock, timers, random } = this.#deps;
    const deps = { disk, clock, timers, random };
    const store = await pastReturn(() => PageStore.open(this.#options, deps));
    this.#store = store;
    this.state.reopen(store);
    this.#retired.add(before);
    this.#look();
  }

  /** Closes the stores that were replaced, and the present one. */
  async close(): Promise<void> {
    this.#cancelLook?.();
    for (const store of this.#retired) await store.close();
    await this.#store.close();
  }

  /** Views of readers end by themselves; those without a limit have been ended by who gave them out. */
  #look(): void {
    this.#cancelLook?.();
    if (this.#retired.size === 0) return;
    this.#cancelLook = this.#deps.timers.after(RETIRED_LOOK_MS, () => {
      this.#cancelLook = undefined;
      for (const store of this.#retired) {
        if (store.stats().pins > 0) continue;
        this.#retired.delete(store);
        store.close().catch((error: unknown) => this.#deps.onFatal(LedgerError.from(error)));
      }
      this.#look();
    });
  }
}
