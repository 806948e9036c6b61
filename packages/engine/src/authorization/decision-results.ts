/**
 * Results of checks that brought nothing along, by the state they were found in (INV-ACTIVE-5). Of a vault only those of the
 * height and model that was asked last are kept, so a write makes all of them unreachable at once.
 */
import type { Tuple } from "@authledger/types";
import { DECISION_RESULTS_MAX } from "../limits.js";

/** A state, as far as decisions depend on it. */
export interface DecidedState {
  readonly vault: number;
  readonly height: number;
  /** Hash of the active model; empty without one. */
  readonly model: string;
}

/** A decision, and when it holds: from the time it was found at until the first of the tuples it read expires. */
export interface DecisionResult {
  readonly allowed: boolean;
  /** What it cost to find; told again, so that equal questions have equal answers. */
  readonly cost: number;
  readonly fromMs: number;
  readonly untilMs: number;
}

interface OfVault extends DecidedState {
  readonly results: Map<string, DecisionResult>;
}

export class DecisionResults {
  readonly #max: number;
  readonly #vaults = new Map<number, OfVault>();
  #size = 0;

  constructor(max: number = DECISION_RESULTS_MAX) {
    this.#max = max;
  }

  get size(): number {
    return this.#size;
  }

  get(state: DecidedState, tuple: Tuple, timeMs: number): DecisionResult | undefined {
    const known = this.#vaults.get(state.vault);
    if (known === undefined || !isSame(known, state)) return undefined;
    const result = known.results.get(keyOf(tuple));
    const holds = result !== undefined && timeMs >= result.fromMs && timeMs < result.untilMs;
    return holds ? result : undefined;
  }

  set(state: DecidedState, tuple: Tuple, result: DecisionResult): void {
    if (this.#size >= this.#max) this.clear();
    const known = this.#vaults.get(state.vault);
    const { results } = known !== undefined && isSame(known, state) ? known : this.#begin(state);
    const key = keyOf(tuple);
    if (!results.has(key)) this.#size++;
    results.set(key, result);
  }

  clear(): void {
    this.#vaults.clear();
    this.#size = 0;
  }

  #begin(state: DecidedState): OfVault {
    this.#size -= this.#vaults.get(state.vault)?.results.size ?? 0;
    const begun = { ...state, results: new Map<string, DecisionResult>() };
    this.#vaults.set(state.vault, begun);
    return begun;
  }
}

function isSame(a: DecidedState, b: DecidedState): boolean {
  return a.height === b.height && a.model === b.model;
}

/** None of the parts holds a space. */
function keyOf({ resource, relation, subject }: Tuple): string {
  return `${resource} ${relation} ${subject}`;
}
