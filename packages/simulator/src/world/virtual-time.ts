/** Virtual time for code that is called back: a queue of functions, and one clock for each node that may run wrong. */
import { EventQueue } from "./event-queue.js";

export class VirtualTime {
  readonly #queue: EventQueue<() => void> = new EventQueue();

  /** Milliseconds since the run began. */
  get now(): number {
    return this.#queue.now;
  }

  /** When the next callback runs; infinity when none waits. */
  get nextAt(): number {
    return this.#queue.nextAt;
  }

  /** Calls `run` once after a while; the returned function cancels that. */
  after(delayMs: number, run: () => void): () => void {
    let isCancelled = false;
    this.#queue.push(this.now + Math.max(0, delayMs), () => {
      if (!isCancelled) run();
    });
    return () => {
      isCancelled = true;
    };
  }

  /** Runs the next callback. False when none waits. */
  step(): boolean {
    const run = this.#queue.pop();
    run?.();
    return run !== undefined;
  }

  /** Runs all that is due up to a time. */
  runUntil(timeMs: number): void {
    while (this.nextAt <= timeMs) this.step();
  }
}

/**
 * The clock of one machine: it may run fast or slow, and its wall time may jump. Its monotonic time never goes back.
 */
export class NodeClock {
  readonly #time: { readonly now: number };
  #rate = 1;
  #since = 0;
  #monotonic = 0;
  #wallOffset: number;

  /** @param time what the true time is read from; `wallMs`: the wall time when it was 0 */
  constructor(time: { readonly now: number }, wallMs: number) {
    this.#time = time;
    this.#wallOffset = wallMs;
  }

  /** Local milliseconds per true millisecond. */
  get rate(): number {
    return this.#rate;
  }

  setRate(rate: number): void {
    this.#monotonic = this.monotonicMs();
    this.#since = this.#time.now;
    this.#rate = rate;
  }

  /** Moves the wall time; the monotonic time stays. */
  jump(byMs: number): void {
    this.#wallOffset += byMs;
  }

  /** As somebody sets a clock who knows the time; the monotonic time stays. */
  set(wallMs: number): void {
    this.#wallOffset = wallMs - this.monotonicMs();
  }

  monotonicMs(): number {
    return this.#monotonic + (this.#time.now - this.#since) * this.#rate;
  }

  nowMs(): number {
    return Math.floor(this.#wallOffset + this.monotonicMs());
  }

  /** How long a local delay truly takes. */
  trueDelay(localMs: number): number {
    return localMs / this.#rate;
  }
}
