/** Adds up what the seeds of a campaign report. */
import { mix } from "../world/fault-plan.js";
import type { SeedReport } from "./mode.js";

export interface Failure {
  readonly seed: number;
  readonly what: string;
}

export interface Sums {
  readonly seeds: number;
  /** Over the hashes of all seeds, whoever ran them and in which order. */
  readonly hash: number;
  readonly virtualMs: number;
  readonly steps: number;
  readonly acknowledged: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly sometimes: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
}

export class Tally {
  #seeds = 0;
  #hash = 0;
  #virtualMs = 0;
  #steps = 0;
  #acknowledged = 0;
  readonly #faults: Map<string, number> = new Map();
  readonly #sometimes: Map<string, number> = new Map();
  readonly #failures: Failure[] = [];

  add(report: SeedReport): void {
    const { seed, failure } = report;
    this.#seeds++;
    this.#hash ^= mix(mix(seed) ^ report.hash);
    this.#virtualMs += report.virtualMs;
    this.#steps += report.steps;
    this.#acknowledged += report.acknowledged;
    sumInto(this.#faults, report.faults);
    sumInto(this.#sometimes, report.sometimes);
    if (failure !== undefined) this.#failures.push({ seed, what: failure });
  }

  addSums(sums: Sums): void {
    this.#seeds += sums.seeds;
    this.#hash ^= sums.hash;
    this.#virtualMs += sums.virtualMs;
    this.#steps += sums.steps;
    this.#acknowledged += sums.acknowledged;
    sumInto(this.#faults, sums.faults);
    sumInto(this.#sometimes, sums.sometimes);
    this.#failures.push(...sums.failures);
  }

  get sums(): Sums {
    return {
      seeds: this.#seeds,
      hash: this.#hash >>> 0,
      virtualMs: Math.round(this.#virtualMs),
      steps: this.#steps,
      acknowledged: this.#acknowledged,
      faults: sorted(this.#faults),
      sometimes: sorted(this.#sometimes),
      failures: this.#failures.toSorted((a, b) => a.seed - b.seed),
    };
  }
}

function sumInto(counts: Map<string, number>, added: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(added)) {
    counts.set(name, (counts.get(name) ?? 0) + count);
  }
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
