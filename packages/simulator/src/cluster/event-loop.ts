/**
 * Runs code that is written with promises under virtual time. One thing happens at a time; before the next one everything
 * that it woke has run, since promises are settled in the order of their making and nothing in a simulated node waits for
 * anything real (simulation.md, "What breaks determinism in Node").
 */
import { VirtualTime } from "../world/virtual-time.js";

/** Taken before anybody may forbid it: its callback runs when all promises that can go on have gone on. */
const realImmediate = setImmediate;

export class EventLoop {
  readonly time: VirtualTime = new VirtualTime();
  #failure: { readonly error: unknown } | undefined;

  get now(): number {
    return this.time.now;
  }

  /** The run ends with this error. The first one counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Runs everything that is due until a time, or until `isDone`. @throws what `fail` was given */
  async runUntil(timeMs: number, isDone: () => boolean = () => false): Promise<void> {
    while (this.time.nextAt <= timeMs && !isDone()) {
      this.time.step();
      await settled();
      if (this.#failure !== undefined) throw this.#failure.error;
    }
  }

  /** Runs until a piece of work is done. @throws what it throws, or an error when it takes too long */
  async finish<T>(work: Promise<T>, what: string, withinMs: number): Promise<T> {
    let isDone = false;
    const settle = (): void => {
      isDone = true;
    };
    work.then(settle, settle);
    await this.runUntil(this.now + withinMs, () => isDone);
    if (!isDone) throw new Error(`${what}: not within ${withinMs} ms`);
    return work;
  }

  /** A promise of virtual time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.time.after(ms, resolve);
    });
  }
}

/** Everything that was woken has run. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    realImmediate(resolve);
  });
}
