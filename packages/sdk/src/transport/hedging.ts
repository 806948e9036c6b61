/**
 * Hedged reads: a read that takes longer than most is asked of a second node too, and the first answer counts (Dean and
 * Barroso, "The Tail at Scale", CACM 56/2, 2013).
 *
 *   INV-SDK-16  Only reads are hedged; second questions are at most a share of all reads (and ten), and the one that lost
 *               is cancelled.
 */
import type { Ports } from "./ports.js";

export interface HedgeRules {
  /** Undefined: when a read takes longer than 95 of the last 100 did. */
  readonly afterMs: number | undefined;
  readonly shareMax: number;
}

/** Latencies that are remembered. */
const RECENT = 100;
/** Before that nobody knows what is slow. */
const KNOWN_MIN = 20;
const CREDIT_MAX = 10;

export class Hedging {
  readonly #rules: HedgeRules;
  readonly #recent: number[] = [];
  #next = 0;
  #credit = 1;
  /** Worked out now and then: sorting for each read would cost more than it brings. */
  #p95Ms: number | undefined;

  constructor(rules: HedgeRules) {
    this.#rules = rules;
  }

  /** A read begins. Undefined: it is not hedged. */
  delayMs(): number | undefined {
    this.#credit = Math.min(CREDIT_MAX, this.#credit + this.#rules.shareMax);
    return this.#rules.afterMs ?? this.#p95Ms;
  }

  /** The time is up: may a second node be asked? */
  spend(): boolean {
    if (this.#credit < 1) return false;
    this.#credit--;
    return true;
  }

  note(ms: number): void {
    if (this.#rules.afterMs !== undefined) return;
    this.#recent[this.#next] = ms;
    this.#next = (this.#next + 1) % RECENT;
    if (this.#recent.length < KNOWN_MIN || this.#next % 10 !== 0) return;
    const sorted = [...this.#recent].sort((a, b) => a - b);
    this.#p95Ms = 1 + sorted[Math.ceil(sorted.length * 0.95) - 1]!;
  }
}

/** Asks one node; the signal ends it. */
export type Leg<T> = (signal: AbortSignal) => Promise<T>;

/**
 * The answer of whichever leg has one first.
 * @param second undefined where there is nobody else to ask, when the time has come
 * @throws what the first leg failed with, when the second has no answer either
 */
export function hedged<T>(
  first: Leg<T>,
  second: () => Leg<T> | undefined,
  { after, delayMs, signal }: Pick<Ports, "after"> & HedgeTiming,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stops = [new AbortController(), new AbortController()] as const;
    const onAbort = (): void => {
      for (const stop of stops) stop.abort(signal?.reason);
    };
    let failure: { readonly error: unknown } | undefined;
    let running = 1;
    const end = (): void => {
      forget();
      signal?.removeEventListener("abort", onAbort);
    };
    const run = (leg: Leg<T>, mine: AbortController, other: AbortController): void => {
      leg(mine.signal).then(
        (answer) => {
          end();
          other.abort();
          resolve(answer);
        },
        (error: unknown) => {
          running--;
          if (mine === stops[0] || failure === undefined) failure = { error };
          if (running > 0) return;
          end();
          reject(failure.error);
        },
      );
    };
    const forget = after(delayMs, () => {
      const leg = second();
      if (leg === undefined) return;
      running++;
      run(leg, stops[1], stops[0]);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    run(first, stops[0], stops[1]);
  });
}

interface HedgeTiming {
  readonly delayMs: number;
  readonly signal: AbortSignal | undefined;
}
