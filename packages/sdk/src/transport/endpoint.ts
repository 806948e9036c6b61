/** One node as a client sees it: its channel, and how it has done lately. */
import { limits } from "@authledger/types";
import { Client, connectivityState, credentials as grpcCredentials } from "@grpc/grpc-js";
import type { ClientOptions } from "../options.js";
import { backoffMs } from "./backoff.js";
import type { EndpointFailure } from "./grpc-error.js";

/** How long a node that failed is left alone, while others are there to ask. */
const REST = { firstMs: 200, maxMs: 5_000 } as const;

const CHANNEL_OPTIONS = {
  "grpc.max_receive_message_length": limits.MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": limits.MESSAGE_BYTES_MAX,
  // A node that restarts is back in a second or two: do not wait longer than that to look again.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
} as const;

export class Endpoint {
  readonly address: string;
  readonly client: Client;
  /** Given by the caller, not learned from the cluster. */
  readonly isGiven: boolean;
  last: EndpointFailure | undefined;
  #failures = 0;
  #restsUntilMs = 0;

  constructor(address: string, isGiven: boolean, options: ClientOptions) {
    this.address = address;
    this.isGiven = isGiven;
    const credentials = options.credentials ?? grpcCredentials.createInsecure();
    this.client = new Client(address, credentials, CHANNEL_OPTIONS);
  }

  get isReady(): boolean {
    return this.client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** It failed a moment ago: others come first. */
  get isResting(): boolean {
    return this.#restsUntilMs > Date.now();
  }

  succeeded(): void {
    this.last = undefined;
    this.#failures = 0;
    this.#restsUntilMs = 0;
  }

  failed(failure?: Omit<EndpointFailure, "endpoint">): void {
    if (failure !== undefined) this.last = { endpoint: this.address, ...failure };
    this.#failures++;
    this.#restsUntilMs = Date.now() + REST.firstMs / 2 + backoffMs(this.#failures, REST);
  }

  /** Begins to connect, and waits for nothing. */
  wake(): void {
    this.client.getChannel().getConnectivityState(true);
  }

  /**
   * False when there is no connection by then, or the caller gives up; true as soon as a call will succeed or fail at
   * once.
   */
  async connect(untilMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (signal === undefined) return this.#connect(untilMs, signal);
    let stop = (): void => undefined;
    const given = new Promise<boolean>((resolve) => {
      stop = () => resolve(false);
    });
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([given, this.#connect(untilMs, signal)]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async #connect(untilMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const channel = this.client.getChannel();
    while (signal?.aborted !== true) {
      const state = channel.getConnectivityState(true);
      if (state !== connectivityState.IDLE && state !== connectivityState.CONNECTING) return true;
      const isChanged = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(state, untilMs, (error) => resolve(error === undefined));
      });
      if (!isChanged) return false;
    }
    return false;
  }
}
