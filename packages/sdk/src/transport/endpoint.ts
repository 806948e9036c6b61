/** One node as a client sees it: the way to it, and how it has done lately. */
import type { ClientOptions } from "../options.js";
import { backoffMs } from "./backoff.js";
import type { Breaker } from "./breaker.js";
import type { Ports } from "./ports.js";
import type { WireChannel } from "./wire.js";
import type { EndpointFailure } from "./wire-failure.js";

/** How long a node that failed is left alone, while others are there to ask. */
const REST = { firstMs: 200, maxMs: 5_000 } as const;
/** What the newest answer weighs in the average. */
const NEWEST = 0.2;

export class Endpoint {
  readonly address: string;
  /** Given by the caller, not learned from the cluster. */
  readonly isGiven: boolean;
  readonly breaker: Breaker;
  readonly #options: ClientOptions;
  readonly #ports: Ports;
  #channel: WireChannel | undefined;
  last: EndpointFailure | undefined;
  #failures = 0;
  #restsUntilMs = 0;
  #latencyMs: number | undefined;
  #inFlight = 0;

  constructor(
    address: string,
    isGiven: boolean,
    around: { readonly options: ClientOptions; readonly ports: Ports; readonly breaker: Breaker },
  ) {
    this.address = address;
    this.isGiven = isGiven;
    this.breaker = around.breaker;
    this.#options = around.options;
    this.#ports = around.ports;
  }

  /** @throws LedgerError INVALID_ARGUMENT for options that cannot be used */
  get channel(): WireChannel {
    this.#channel ??= this.#ports.dial(this.address, this.#options);
    return this.#channel;
  }

  get isReady(): boolean {
    return this.channel.isReady;
  }

  /** May a call go there now? */
  get isAllowed(): boolean {
    return this.breaker.state === "closed" || this.breaker.allows(this.isReady);
  }

  /** It failed a moment ago: others come first. */
  get isResting(): boolean {
    return this.#restsUntilMs > this.#ports.nowMs();
  }

  /** Of answers lately, in milliseconds; undefined before the first. */
  get latencyMs(): number | undefined {
    return this.#latencyMs;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** How long a call is likely to take there; less is better. */
  get load(): number {
    return (this.#latencyMs ?? 1) * (this.#inFlight + 1);
  }

  /** An attempt begins. Ends with exactly one of `succeeded`, `failed` and `released`, and with `left`. */
  begin(): void {
    this.#inFlight++;
    this.breaker.begin();
  }

  left(): void {
    this.#inFlight--;
  }

  succeeded(ms?: number): void {
    this.last = undefined;
    this.#failures = 0;
    this.#restsUntilMs = 0;
    this.breaker.succeeded();
    if (ms === undefined) return;
    this.#latencyMs =
      this.#latencyMs === undefined ? ms : this.#latencyMs * (1 - NEWEST) + ms * NEWEST;
  }

  failed(failure?: Omit<EndpointFailure, "endpoint">): void {
    if (failure !== undefined) this.last = { endpoint: this.address, ...failure };
    this.#failures++;
    const { nowMs, random } = this.#ports;
    this.#restsUntilMs = nowMs() + REST.firstMs / 2 + backoffMs(this.#failures, REST, random());
    this.breaker.failed(this.isReady);
  }

  close(): void {
    this.#channel?.close();
  }
}
