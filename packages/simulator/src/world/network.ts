/**
 * A network that loses, doubles, delays, reorders and cuts, between nodes that are numbered from 0.
 *
 * It says when a message arrives, and how often; who carries it there is the caller's matter. Links have a direction:
 * a cut of one way leaves the other open. Cuts are counted, so that one that heals does not open what another closed.
 *
 *   INV-SIM-3  Nothing arrives over a link that is cut when it is sent; without the reordering fault a link keeps order.
 */
import type { SeededRandom } from "@authledger/io";
import type { FaultPlan } from "./fault-plan.js";

/** How a network behaves for a whole run. Probabilities are per message. */
export interface NetworkSettings {
  readonly latencyMsMin: number;
  readonly latencyMsMax: number;
  readonly loss: number;
  readonly duplicate: number;
  /** A second copy that arrives `LATE_FACTOR` times later. */
  readonly lateDuplicate: number;
  /** Overtaken by what was sent later. */
  readonly reorder: number;
}

export type NetworkFault = (typeof networkFaults)[number];
/** The kinds of fault a network has chances for; the first in the list of a plan that is given to it. */
export const networkFaults = ["loss", "duplicate", "late-duplicate", "reorder"] as const;

const LOSS = 0;
const DUPLICATE = 1;
const LATE_DUPLICATE = 2;
const REORDER = 3;

/** How much later than usual a late copy arrives (simulation.md, "Network"). */
const LATE_FACTOR = 40;
const REORDER_FACTOR = 8;

export class Network {
  readonly #size: number;
  readonly #settings: NetworkSettings;
  readonly #random: SeededRandom;
  readonly #plan: FaultPlan<string>;
  readonly #cuts: Int32Array;
  readonly #cloggedUntil: Float64Array;
  readonly #lastArrival: Float64Array;
  readonly #delays: number[] = [];
  #isCalm = false;

  /** `plan` begins with `networkFaults`; `random` draws the latencies. */
  constructor(
    size: number,
    settings: NetworkSettings,
    deps: { readonly random: SeededRandom; readonly plan: FaultPlan<string> },
  ) {
    this.#size = size;
    this.#settings = settings;
    this.#random = deps.random;
    this.#plan = deps.plan;
    this.#cuts = new Int32Array(size * size);
    this.#cloggedUntil = new Float64Array(size * size);
    this.#lastArrival = new Float64Array(size * size);
  }

  /**
   * After how many milliseconds each copy of a message that is sent now arrives; empty when it is lost. The array is
   * used again by the next call.
   */
  route(from: number, to: number, now: number): readonly number[] {
    const delays = this.#delays;
    delays.length = 0;
    const link = from * this.#size + to;
    if (this.#cuts[link]! > 0) return delays;
    const { loss, duplicate, lateDuplicate, reorder } = this.#settings;
    const plan = this.#plan;
    let delay = this.#latency();
    if (!this.#isCalm) {
      if (loss > 0 && plan.strikes(LOSS, loss)) return delays;
      if (duplicate > 0 && plan.strikes(DUPLICATE, duplicate)) delays.push(this.#latency());
      if (lateDuplicate > 0 && plan.strikes(LATE_DUPLICATE, lateDuplicate)) {
        delays.push(delay * LATE_FACTOR);
      }
      if (reorder > 0 && plan.strikes(REORDER, reorder)) {
        delays.push(delay * (1 + plan.value() * REORDER_FACTOR));
        return delays;
      }
    }
    const clog = this.#cloggedUntil[link]! - now;
    if (clog > delay) delay = clog;
    // What was sent before on this link arrives before.
    const arrival = Math.max(now + delay, this.#lastArrival[link]!);
    this.#lastArrival[link] = arrival;
    delays.push(arrival - now);
    return delays;
  }

  /** Nothing of what is sent from here to there arrives, until `join` was called as often. */
  cut(from: number, to: number): void {
    this.#cuts[from * this.#size + to]!++;
  }

  join(from: number, to: number): void {
    const link = from * this.#size + to;
    this.#cuts[link] = Math.max(0, this.#cuts[link]! - 1);
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts[from * this.#size + to]! > 0;
  }

  /** What is sent from here to there arrives at `until` at the earliest. */
  clog(from: number, to: number, until: number): void {
    this.#cloggedUntil[from * this.#size + to] = until;
  }

  /** Ends all cuts and clogs, and the faults by chance for good. */
  heal(): void {
    this.#isCalm = true;
    this.#cuts.fill(0);
    this.#cloggedUntil.fill(0);
  }

  #latency(): number {
    const { latencyMsMin, latencyMsMax } = this.#settings;
    return latencyMsMin + (this.#random.u32() / 0x1_0000_0000) * (latencyMsMax - latencyMsMin);
  }
}

/** The links that a partition cuts: from every node of one side to those of another; `sides[node]` names its side. */
export function linksAcross(sides: readonly number[]): [from: number, to: number][] {
  return sides.flatMap((side, from) =>
    sides.flatMap((other, to): [number, number][] => (other === side ? [] : [[from, to]])),
  );
}
