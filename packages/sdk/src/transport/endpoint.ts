/** One node as a client sees it: the way to it, and how it has done lately. */
import type { ClientOptions } from "../options.js";
import { backoffMs } from "./backoff.js";
import type { Ports } from "./ports.js";
import type { WireChannel } from "./wire.js";
import type { EndpointFailure } from "./wire-failure.js";

/** How long a node that failed is left alone, while others are there to ask. */
const REST = { firstMs: 200, maxMs: 5_000 } as const;

export class Endpoint {
  readonly address: string;
  /** Given by the caller, not learned from the cluster. */
  readonly isGiven: boolean;
  readonly #options: ClientOptions;
  readonly #ports: Ports;
  #channel: WireChannel | undefined;
  last: EndpointFailure | undefined;
  #failures = 0;
  #restsUntilMs = 0;

  constructor(address: string, isGiven: boolean, options: ClientOptions, ports: Ports) {
    this.address = address;
    this.isGiven = isGiven;
    this.#options = options;
    this.#ports = ports;
  }

  /** @throws LedgerError INVALID_ARGUMENT for options that cannot be used */
  get channel(): WireChannel {
    this.#channel ??= this.#ports.dial(this.address, this.#options);
    return this.#channel;
  }

  get isReady(): boolean {
    return this.channel.isReady;
  }

  /** It failed a moment ago: others come first. */
  get isResting(): boolean {
    return this.#restsUntilMs > this.#ports.nowMs();
  }

  succeeded(): void {
    this.last = undefined;
    this.#failures = 0;
    this.#restsUntilMs = 0;
  }

  failed(failure?: Omit<EndpointFailure, "endpoint">): void {
    if (failure !== undefined) this.last = { endpoint: this.address, ...failure };
    this.#failures++;
    const { nowMs, random } = this.#ports;
    this.#restsUntilMs = nowMs() + REST.firstMs / 2 + backoffMs(this.#failures, REST, random());
  }

  close(): void {
    this.#channel?.close();
  }
}
