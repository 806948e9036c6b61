/** The way to one node over gRPC: the library's channel behind the border of `wire.ts`. */
import { STATUS_DETAILS_KEY } from "@authledger/proto";
import { assert, limits } from "@authledger/types";
import {
  type ChannelOptions,
  Client,
  connectivityState,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import { MACHINE } from "../ports.js";
import {
  asBuffer,
  type WireCall,
  type WireChannel,
  WireError,
  type WireMetadata,
} from "../wire.js";
import type { GrpcSecurity } from "./grpc-tls.js";

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": limits.MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": limits.MESSAGE_BYTES_MAX,
  // A node that restarts is back in a second or two: do not wait longer than that to look again.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
};

export class GrpcChannel implements WireChannel {
  readonly #client: Client;
  /** Cancels what runs. */
  readonly #running: Set<() => void> = new Set();
  #isClosed = false;

  constructor(address: string, { credentials, channelOptions }: GrpcSecurity) {
    this.#client = new Client(address, credentials, { ...CHANNEL_OPTIONS, ...channelOptions });
  }

  get isReady(): boolean {
    if (this.#isClosed) return false;
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  wake(): void {
    if (!this.#isClosed) this.#client.getChannel().getConnectivityState(true);
  }

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

  unary(call: WireCall): Promise<Uint8Array> {
    const { path, message, metadata, deadlineAtMs, signal, onTrailer } = call;
    return new Promise((resolve, reject) => {
      const running = this.#client.makeUnaryRequest(
        path,
        asBuffer,
        asBytes,
        message,
        metadataOf(metadata),
        deadlineAtMs === undefined ? {} : { deadline: wallAt(deadlineAtMs) },
        (error, answer) => {
          signal?.removeEventListener("abort", cancel);
          this.#running.delete(cancel);
          if (error !== null) return reject(wireErrorOf(error));
          assert(answer !== undefined, "a unary call without an error has an answer");
          resolve(answer);
        },
      );
      const cancel = (): void => running.cancel();
      this.#running.add(cancel);
      signal?.addEventListener("abort", cancel, { once: true });
      if (signal?.aborted === true) cancel();
      if (onTrailer === undefined) return;
      running.on("status", ({ metadata: trailer }) => {
        onTrailer((name) => {
          const [value] = trailer.get(name);
          return typeof value === "string" ? value : undefined;
        });
      });
    });
  }

  async *serverStream(call: WireCall): AsyncGenerator<Uint8Array> {
    const { path, message, metadata, deadlineAtMs, signal } = call;
    const running = this.#client.makeServerStreamRequest(
      path,
      asBuffer,
      asBytes,
      message,
      metadataOf(metadata),
      deadlineAtMs === undefined ? {} : { deadline: wallAt(deadlineAtMs) },
    );
    const cancel = (): void => running.cancel();
    this.#running.add(cancel);
    // What a cancelled stream still reports concerns nobody.
    running.on("error", () => undefined);
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted === true) cancel();
    try {
      yield* running as AsyncIterable<Uint8Array>;
    } catch (thrown) {
      throw wireErrorOf(thrown as ServiceError);
    } finally {
      signal?.removeEventListener("abort", cancel);
      this.#running.delete(cancel);
      cancel();
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const cancel of [...this.#running]) cancel();
    this.#client.close();
  }

  async #connect(untilMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const channel = this.#client.getChannel();
    while (signal?.aborted !== true && !this.#isClosed) {
      const state = channel.getConnectivityState(true);
      if (state !== connectivityState.IDLE && state !== connectivityState.CONNECTING) return true;
      const isChanged = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(state, wallAt(untilMs), (error) =>
          resolve(error === undefined),
        );
      });
      if (!isChanged) return false;
    }
    return false;
  }
}

/** The library counts the time of the machine. */
function wallAt(atMs: number): number {
  return Math.ceil(MACHINE.wallMs() + (atMs - MACHINE.nowMs()));
}

function metadataOf(metadata: WireMetadata): Metadata {
  const made = new Metadata();
  for (const [name, value] of Object.entries(metadata)) made.set(name, value);
  return made;
}

function wireErrorOf(error: ServiceError): WireError {
  const [bytes] = error.metadata?.get(STATUS_DETAILS_KEY) ?? [];
  const statusDetails = bytes instanceof Uint8Array ? bytes : undefined;
  return new WireError(error.code, error.details || error.message, { statusDetails, cause: error });
}

/** Messages are decoded above. */
function asBytes(bytes: Buffer): Uint8Array {
  return bytes;
}
