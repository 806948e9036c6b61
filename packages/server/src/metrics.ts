/**
 * Metrics of a node, in Prometheus' format. Label values come from fixed sets (methods, status codes), so the
 * number of series is bounded. Counting is done in plain numbers; prom-client sees them when it is asked; metrics/node-metrics.ts puts all of a node together.
 */
import { GrpcStatus } from "@authledger/types";
import { Counter, Gauge, type Registry } from "prom-client";
import { CallHistogram } from "./metrics/call-histogram.js";

const SECONDS_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const CODE_NAMES: readonly string[] = Object.keys(GrpcStatus);

/** Measures one method. */
export class MethodMeter {
  readonly #onError: (error: unknown) => void;
  /** Calls by status code. */
  readonly counts: Float64Array = new Float64Array(CODE_NAMES.length);
  /** Calls by bucket of their duration; the last is everything longer. */
  readonly buckets: Float64Array = new Float64Array(SECONDS_BUCKETS.length + 1);
  sumSeconds = 0;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  observe(code: number, durationMs: number, error?: unknown): void {
    this.counts[code]!++;
    const seconds = durationMs / 1000;
    this.sumSeconds += seconds;
    let bucket = 0;
    while (bucket < SECONDS_BUCKETS.length && seconds > SECONDS_BUCKETS[bucket]!) bucket++;
    this.buckets[bucket]!++;
    if (error !== undefined) this.#onError(error);
  }
}

/** Measures the streams of one method, beside their calls. */
export class StreamMeter {
  open = 0;
  messages = 0;
  bytes = 0;
  /** How long streams waited for their clients, together. */
  pausedSeconds = 0;
}

/** The meters of all methods. */
export class RpcMeters {
  readonly #methods = new Map<string, MethodMeter>();
  readonly #streams = new Map<string, StreamMeter>();
  readonly #onError: (error: unknown) => void;

  /** `onError` sees every error that was answered, for the log. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  method(name: string): MethodMeter {
    let meter = this.#methods.get(name);
    if (meter === undefined) {
      meter = new MethodMeter(this.#onError);
      this.#methods.set(name, meter);
    }
    return meter;
  }

  entries(): IterableIterator<[string, MethodMeter]> {
    return this.#methods.entries();
  }

  stream(name: string): StreamMeter {
    let meter = this.#streams.get(name);
    if (meter === undefined) {
      meter = new StreamMeter();
      this.#streams.set(name, meter);
    }
    return meter;
  }

  streams(): IterableIterator<[string, StreamMeter]> {
    return this.#streams.entries();
  }
}

/** Calls and streams by method. */
export function addRpcMetrics(registry: Registry, meters: RpcMeters): void {
  rpcMetrics(registry, meters);
  streamMetrics(registry, meters);
}

function rpcMetrics(registry: Registry, meters: RpcMeters): void {
  new Counter({
    name: "authledger_rpc_total",
    help: "Calls by method and gRPC status code.",
    labelNames: ["method", "code"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [method, { counts }] of meters.entries()) {
        counts.forEach((count, code) => {
          if (count > 0) this.inc({ method, code: CODE_NAMES[code]! }, count);
        });
      }
    },
  });
  new CallHistogram({
    name: "authledger_rpc_seconds",
    help: "Time that calls took in the server, by method.",
    bounds: SECONDS_BUCKETS,
    label: "method",
    entries: () => meters.entries(),
  }).addTo(registry);
}

/** Calls of streaming methods are counted with all others when they end. */
function streamMetrics(registry: Registry, meters: RpcMeters): void {
  const figures: readonly [string, string, (meter: StreamMeter) => number][] = [
    ["open", "Streams that are open, by method.", (meter) => meter.open],
    ["messages_total", "Messages sent on streams, by method.", (meter) => meter.messages],
    ["bytes_total", "Bytes sent on streams, by method.", (meter) => meter.bytes],
    [
      "paused_seconds_total",
      "Time that streams waited for their clients, by method.",
      (meter) => meter.pausedSeconds,
    ],
  ];
  for (const [name, help, read] of figures) {
    new Gauge({
      name: `authledger_streams_${name}`,
      help,
      labelNames: ["method"],
      registers: [registry],
      collect() {
        for (const [method, meter] of meters.streams()) this.set({ method }, read(meter));
      },
    });
  }
}
