/**
 * What every call passes between the wire and its handler: a list of steps, each a small module of this folder that lets
 * a call pass, notes in it what it found, or refuses it; and observers, which see every call that has ended.
 *
 *   INV-GATE-1  A handler runs only when every step let its call pass; a step that comes after a refusal does not run.
 *   INV-GATE-2  Every call that began is shown to each observer once, however it ended.
 *   INV-GATE-3  A call that stays open, such as a watch, ends when a step would not let it pass any more.
 *
 * Every check passes here, so a step that knows its answer gives it at once and allocates nothing.
 */
import { GatedCall, type WireCall } from "./gated-call.js";
import type { MethodInfo } from "./method.js";
import { OpenCalls } from "./open-calls.js";

export interface GateStep {
  /** @throws LedgerError (or rejects with it) when the call may not pass */
  enter(call: GatedCall): void | Promise<void>;
  /** The same of a call that passed and is still open. Absent: what was found then holds for ever. */
  again?(call: GatedCall): void | Promise<void>;
}

export interface CallObserver {
  /** @param durationMs since the call arrived */
  ended(call: GatedCall, durationMs: number): void;
}

export class Gate {
  readonly #steps: readonly GateStep[];
  readonly #observers: readonly CallObserver[];
  /** Those that stay open are asked about again. */
  readonly open: OpenCalls = new OpenCalls((call) => this.#again(call));

  constructor(steps: readonly GateStep[], observers: readonly CallObserver[] = []) {
    this.#steps = steps;
    this.#observers = observers;
  }

  begin(method: MethodInfo, wire: WireCall): GatedCall {
    return new GatedCall(method, wire, performance.now());
  }

  /** Waits only where a step does. @throws LedgerError, or rejects with it */
  enter(call: GatedCall): void | Promise<void> {
    for (let step = 0; step < this.#steps.length; step++) {
      const passed = this.#steps[step]!.enter(call);
      if (passed !== undefined) return this.#enterRest(call, step + 1, passed);
    }
  }

  end(call: GatedCall, status: number, error?: unknown): void {
    call.status = status;
    call.error = error;
    const durationMs = performance.now() - call.startedAtMs;
    for (const observer of this.#observers) observer.ended(call, durationMs);
  }

  async #again(call: GatedCall): Promise<void> {
    for (const step of this.#steps) await step.again?.(call);
  }

  async #enterRest(call: GatedCall, from: number, passed: Promise<void>): Promise<void> {
    await passed;
    for (let step = from; step < this.#steps.length; step++) await this.#steps[step]!.enter(call);
  }
}
