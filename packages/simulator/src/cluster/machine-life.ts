/**
 * One life of a process on a simulated machine: from its start to its crash. Whatever the process waits for is an event of
 * its life. When the life ends its events never happen, so its promises wait for ever and nothing it still holds can
 * touch the world again; while it is paused (SIGSTOP) they happen when it goes on.
 *
 *   INV-SIM-20  After a life has ended nothing of it happens: no write, no sync, no message, no answer.
 */
import type { EventLoop } from "./event-loop.js";

export class MachineLife {
  readonly #loop: EventLoop;
  #isOver = false;
  #pausedUntil = 0;

  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get isPaused(): boolean {
    return this.#pausedUntil > this.#loop.now;
  }

  end(): void {
    this.#isOver = true;
  }

  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#loop.now + ms);
  }

  /** Calls `run` after a while, later if the process is paused then, never if its life is over. */
  after(delayMs: number, run: () => void): () => void {
    return this.#loop.time.after(delayMs, () => this.#run(run));
  }

  #run(run: () => void): void {
    if (this.#isOver) return;
    const left = this.#pausedUntil - this.#loop.now;
    if (left > 0) {
      this.#loop.time.after(left, () => this.#run(run));
      return;
    }
    try {
      run();
    } catch (error) {
      this.#loop.fail(error);
    }
  }
}
