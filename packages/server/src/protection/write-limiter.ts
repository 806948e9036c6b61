/**
 * How many writes may be on their way at once, and whether a write still has the time it needs.
 *
 *   INV-OVER-4  At most `limit` writes are on their way, IN_FLIGHT_MIN <= limit <= IN_FLIGHT_MAX; more are refused at once.
 *
 * The limit follows what writes take (additive increase, multiplicative decrease, as TCP's): above the wait that is
 * configured it shrinks, below it grows where it is used up. Writes share entries and syncs, so many at once are cheap, and
 * the least bound is one that a single busy client does not meet.
 */
import { LedgerError } from "@authledger/types";
import type { CallObserver, GateStep } from "../gate/gate.js";
import type { GatedCall } from "../gate/gated-call.js";
import type { ProtectionSettings } from "./protection-config.js";
import type { Refusals } from "./refusals.js";

const IN_FLIGHT_MIN = 1_024;
/** What the engine lets wait. */
const IN_FLIGHT_MAX = 10_000;
const WINDOW_MS = 200;
const DECREASE = 0.8;
const INCREASE = 64;
/** From this part of the limit on writes wait for each other. */
const BUSY_PART = 0.5;

export interface WriteLimiterDeps {
  readonly settings: () => ProtectionSettings;
  readonly refusals: Refusals;
}

export class WriteLimiter implements GateStep, CallObserver {
  readonly #deps: WriteLimiterDeps;
  #limit = 4 * IN_FLIGHT_MIN;
  #inFlight = 0;
  #inFlightMost = 0;
  #windowBeganMs = 0;
  #sumMs = 0;
  #count = 0;
  /** What writes took in the last window. */
  #meanMs = 0;

  constructor(deps: WriteLimiterDeps) {
    this.#deps = deps;
  }

  get limit(): number {
    return this.#limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** @throws LedgerError OVERLOADED, DEADLINE_TOO_SHORT */
  enter(call: GatedCall): void {
    const { charge, deadlineAtMs } = call;
    if (charge === undefined || charge.isReserved || call.method.isStream) return;
    const { deadlineWrites, deadlineMax, overloadWriteWait } = this.#deps.settings();
    const latestMs = call.startedAtMs + deadlineMax;
    if (deadlineAtMs === undefined || deadlineAtMs > latestMs) call.deadlineAtMs = latestMs;
    if (charge.kind === "read") return;
    if (deadlineAtMs !== undefined) this.#requireTime(deadlineAtMs, deadlineWrites);
    if (overloadWriteWait > 0 && this.#inFlight >= this.#limit) this.#refuse();
    call.isLimitedWrite = true;
    this.#inFlight++;
    this.#inFlightMost = Math.max(this.#inFlightMost, this.#inFlight);
  }

  ended(call: GatedCall, durationMs: number): void {
    if (!call.isLimitedWrite) return;
    this.#inFlight--;
    if (call.status === 0) {
      this.#sumMs += durationMs;
      this.#count++;
    }
    const nowMs = call.startedAtMs + durationMs;
    if (nowMs - this.#windowBeganMs >= WINDOW_MS && this.#count > 0) this.#endWindow(nowMs);
  }

  #endWindow(nowMs: number): void {
    this.#meanMs = this.#sumMs / this.#count;
    const isUsedUp = this.#inFlightMost >= this.#limit * DECREASE;
    if (this.#meanMs > this.#deps.settings().overloadWriteWait) {
      this.#limit = Math.max(IN_FLIGHT_MIN, Math.floor(this.#limit * DECREASE));
    } else if (isUsedUp) {
      this.#limit = Math.min(IN_FLIGHT_MAX, this.#limit + INCREASE);
    }
    this.#windowBeganMs = nowMs;
    this.#sumMs = 0;
    this.#count = 0;
    this.#inFlightMost = this.#inFlight;
  }

  /** Nothing is begun for who will not wait for its end. */
  #requireTime(deadlineAtMs: number, leastMs: number): void {
    const leftMs = Math.floor(deadlineAtMs - performance.now());
    const isBusy = this.#inFlight > this.#limit * BUSY_PART;
    const neededMs = Math.ceil(Math.max(leastMs, isBusy ? this.#meanMs / 2 : 0));
    if (leftMs >= neededMs) return;
    this.#deps.refusals.count("deadline_short");
    const message = `${leftMs} ms are left of the deadline, and a write needs ${neededMs} ms now`;
    throw new LedgerError("DEADLINE_TOO_SHORT", message, { details: { leftMs, neededMs } });
  }

  #refuse(): never {
    this.#deps.refusals.count("overload_writes");
    const message = `${this.#inFlight} writes are on their way`;
    const retryAfterMs = Math.max(50, Math.ceil(this.#meanMs));
    throw new LedgerError("OVERLOADED", message, { retryAfterMs });
  }
}
