/**
 * Applies committed entries in slices, so that nobody waits longer than for one of them.
 *
 *   INV-GROUP-1  An entry is applied only after it is committed, and in order; of the log's end nothing is that is not
 *               known to be committed (museum row 23).
 *   INV-GROUP-3  After an entry could not be applied none is any more, and everybody who waits is told.
 */

import type { Clock } from "@authledger/io";
import {
  type ConfigurationChange,
  decodeConfigurationChange,
  type Entry,
  isConfigurationChange,
} from "@authledger/raft";
import type { AppliedBlock, GroupState, Outcome } from "@authledger/state";
import { APPLY_SLICE_ENTRIES, APPLY_SLICE_MS, HEAVY_ENTRY_BYTES } from "./cluster-limits.js";
import type { CoreLog } from "./core-log.js";
import type { EntryTraces } from "./entry-traces.js";

export interface ApplierDeps {
  readonly state: GroupState;
  readonly log: CoreLog;
  readonly clock: Clock;
  readonly traces?: EntryTraces | undefined;
  /** The configuration that follows from a change, in the bytes that the state keeps. */
  readonly configurationAfter: (index: number, change: ConfigurationChange) => Uint8Array;
  /** Told after each entry. */
  readonly onApplied: (
    entry: Entry,
    outcomes: readonly Outcome[],
    blocks: readonly AppliedBlock[],
  ) => void;
}

export class Applier {
  readonly #deps: ApplierDeps;
  #committed: number;
  #sliceMs = 0;

  constructor(deps: ApplierDeps) {
    this.#deps = deps;
    this.#committed = deps.state.applied.index;
  }

  /** Entries up to `index` are committed and durable. */
  commit(index: number): void {
    if (index > this.#committed) this.#committed = index;
  }

  /** The state has become another one, or the core begins anew. */
  reset(): void {
    this.#committed = this.#deps.state.applied.index;
  }

  get isBehind(): boolean {
    return this.#committed > this.#deps.state.applied.index;
  }

  /** The next entry alone holds the loop for longer than a slice. */
  get isNextHeavy(): boolean {
    const { state, log } = this.#deps;
    return this.isBehind && log.payloadBytes(state.applied.index + 1) >= HEAVY_ENTRY_BYTES;
  }

  /** How long the newest slice took. */
  get sliceMs(): number {
    return this.#sliceMs;
  }

  /** Applies at least one entry, and as many as fit a slice; the index reached. */
  slice(): number {
    const { state, clock } = this.#deps;
    const beganMs = clock.monotonicMs();
    for (let count = 0; this.isBehind && count < APPLY_SLICE_ENTRIES; count++) {
      if (count > 0 && this.isNextHeavy) break;
      this.#apply(this.#deps.log.take(state.applied.index + 1));
      this.#sliceMs = clock.monotonicMs() - beganMs;
      if (this.#sliceMs >= APPLY_SLICE_MS) break;
    }
    return state.applied.index;
  }

  #apply(entry: Entry): void {
    const { state, traces, configurationAfter, onApplied } = this.#deps;
    const { index, term, payload } = entry;
    if (payload.length > 0 && isConfigurationChange(payload)) {
      const bytes = configurationAfter(index, decodeConfigurationChange(payload));
      state.applyConfiguration(index, term, bytes);
      onApplied(entry, [], []);
      return;
    }
    traces?.applying(entry);
    const { outcomes, blocks } = state.apply(index, term, payload);
    traces?.applied(entry);
    onApplied(entry, outcomes, blocks);
  }
}
