/**
 * How late the event loop is: everything of a node runs on one, so what holds it holds calls, heartbeats and syncs alike.
 *
 * Sampled by a timer, whose lateness is what a call that arrived meanwhile would have waited. Node's own monitor keeps no
 * counts that only grow, which is what Prometheus adds up.
 */
import { Gauge, Histogram, type Registry } from "prom-client";

const SAMPLE_MS = 20;
/** A third of the least election timeout is 100 ms; twice that is worth a line of the log, but not many of them. */
const HELD_MS = 200;
const TELL_EVERY_MS = 10_000;
const SECONDS_BUCKETS = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.6, 1, 5];

export class LoopDelay {
  readonly #timer: NodeJS.Timeout;
  readonly #onHeld: (ms: number) => void;
  #expectedMs: number;
  #maxMs = 0;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #histogram: Histogram | undefined;

  /** `onHeld` is told of delays that put the leadership at risk, once in ten seconds at most. */
  constructor(onHeld: (ms: number) => void) {
    this.#onHeld = onHeld;
    this.#expectedMs = performance.now() + SAMPLE_MS;
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  /** The longest delay since the start, in milliseconds. */
  get maxMs(): number {
    return this.#maxMs;
  }

  register(registry: Registry): void {
    this.#histogram = new Histogram({
      name: "authledger_event_loop_delay_seconds",
      help: "How late the event loop was, sampled 50 times a second.",
      buckets: SECONDS_BUCKETS,
      registers: [registry],
    });
    const worst = (): number => this.#maxMs / 1000;
    new Gauge({
      name: "authledger_event_loop_delay_max_seconds",
      help: "The longest delay of the event loop since the start.",
      registers: [registry],
      collect() {
        this.set(worst());
      },
    });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const nowMs = performance.now();
    const delayMs = Math.max(0, nowMs - this.#expectedMs);
    this.#expectedMs = nowMs + SAMPLE_MS;
    this.#maxMs = Math.max(this.#maxMs, delayMs);
    this.#histogram?.observe(delayMs / 1000);
    if (delayMs < HELD_MS || nowMs - this.#toldAtMs < TELL_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    this.#onHeld(delayMs);
  }
}
