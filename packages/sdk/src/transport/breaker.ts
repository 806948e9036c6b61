/**
 * The circuit breaker of one endpoint.
 *
 *   INV-SDK-15  An endpoint that failed several times in a row gets no call for a while, then one at a time; the first
 *               that succeeds closes the circuit, and one that fails opens it for twice as long.
 *
 * It follows the connection: a circuit that opened because there was none is tried again as soon as there is one.
 */
import type { CircuitState } from "../hooks/metrics.js";
import type { Ports } from "./ports.js";

/** How often a node that is away is looked at, by calls that nobody can answer meanwhile. */
export const RECONNECT_POLL_MS = 25;

/** When an endpoint is given a rest. */
export interface BreakerRules {
  /** Failures in a row. */
  readonly failures: number;
  /** The first rest, in milliseconds; twice as long each time, up to `openMsMax`. */
  readonly openMs: number;
  readonly openMsMax: number;
}

export class Breaker {
  /** Undefined: it never opens. */
  readonly #rules: BreakerRules | undefined;
  readonly #ports: Pick<Ports, "nowMs" | "random">;
  readonly #onChange: (state: CircuitState) => void;
  #state: CircuitState = "closed";
  #failures = 0;
  /** In a row, without a success between. */
  #openings = 0;
  #untilMs = 0;
  #wasReady = false;
  #isProbing = false;

  constructor(
    rules: BreakerRules | undefined,
    ports: Pick<Ports, "nowMs" | "random">,
    onChange: (state: CircuitState) => void,
  ) {
    this.#rules = rules;
    this.#ports = ports;
    this.#onChange = onChange;
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** When it is tried again, in milliseconds from now. While one call tries it, the others look how that ends. */
  get waitMs(): number {
    if (this.#state !== "open") return RECONNECT_POLL_MS;
    return Math.max(1, this.#untilMs - this.#ports.nowMs());
  }

  /** May a call go there now? */
  allows(isReady: boolean): boolean {
    if (this.#state === "closed") return true;
    if (this.#state === "half-open") return !this.#isProbing;
    return this.#untilMs <= this.#ports.nowMs() || (isReady && !this.#wasReady);
  }

  /** A call goes there. */
  begin(): void {
    if (this.#state === "closed") return;
    this.#become("half-open");
    this.#isProbing = true;
  }

  succeeded(): void {
    this.#isProbing = false;
    this.#failures = 0;
    this.#openings = 0;
    this.#become("closed");
  }

  /** `isReady`: there is a connection, and still the node does not answer. */
  failed(isReady: boolean): void {
    this.#isProbing = false;
    this.#failures++;
    if (this.#rules === undefined) return;
    if (this.#state === "closed" && this.#failures < this.#rules.failures) return;
    if (this.#state === "open") return;
    const { openMs, openMsMax } = this.#rules;
    const periodMs = Math.min(openMsMax, openMs * 2 ** Math.min(this.#openings, 16));
    this.#openings++;
    // Clients that failed together do not come back together.
    this.#untilMs = this.#ports.nowMs() + periodMs * (0.75 + this.#ports.random() / 2);
    this.#wasReady = isReady;
    this.#become("open");
  }

  /** The call ended and says nothing of the endpoint: its caller gave it up. */
  released(): void {
    this.#isProbing = false;
  }

  #become(state: CircuitState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#onChange(state);
  }
}
