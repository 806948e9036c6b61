/**
 * Watches what a node does by itself: a job that is at work and comes no further for longer than its limit is stuck, and a node
 * with a stuck job is not alive (L-158), so that whoever runs it starts it again.
 *
 *   INV-WATCHDOG-1  A node is alive exactly while every job that is at work has come further within its limit, in time that the
 *                   node itself has run: what stops the whole process, as a suspended machine does, makes no job stuck.
 *
 * What a job waits for from outside, such as other nodes or space on the disk, is no work: starting the node again would not help.
 */
import { Gauge, type Registry } from "prom-client";

/** Between two looks. */
const LOOK_MS = 1_000;

export interface Job {
  readonly name: string;
  /** For how long it may come no further, in milliseconds. */
  readonly limitMs: number;
  /** How far it has come, which changes with every step; undefined while there is nothing to do. */
  readonly progress: () => string | number | undefined;
}

export interface WatchdogDeps {
  /** On the monotonic clock. */
  readonly nowMs: () => number;
  /** Told once each time a job is stuck. */
  readonly onStuck: (job: string, stillMs: number) => void;
  /** ... and when it goes on after all. */
  readonly onGoesOn: (job: string) => void;
}

interface Watched {
  readonly job: Job;
  seen: string | number | undefined;
  stillMs: number;
  isStuck: boolean;
}

export class Watchdog {
  readonly #deps: WatchdogDeps;
  readonly #watched: Watched[] = [];
  #lookedAtMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: WatchdogDeps) {
    this.#deps = deps;
    this.#lookedAtMs = deps.nowMs();
  }

  /** The names of what is stuck; undefined when nothing is. */
  get problem(): string | undefined {
    const names = this.#watched.filter(({ isStuck }) => isStuck).map(({ job }) => job.name);
    return names.length === 0 ? undefined : `stuck: ${names.join(", ")}`;
  }

  watch(job: Job): void {
    this.#watched.push({ job, seen: undefined, stillMs: 0, isStuck: false });
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  look(): void {
    const nowMs = this.#deps.nowMs();
    // A look that comes late says that nothing could run, not that a job did not.
    const ranMs = Math.min(nowMs - this.#lookedAtMs, 2 * LOOK_MS);
    this.#lookedAtMs = nowMs;
    for (const watched of this.#watched) this.#lookAt(watched, ranMs);
  }

  register(registry: Registry): void {
    const count = (): number => this.#watched.filter(({ isStuck }) => isStuck).length;
    new Gauge({
      name: "authledger_jobs_stuck",
      help: "Jobs of the node that are at work and come no further; the log names them.",
      registers: [registry],
      collect() {
        this.set(count());
      },
    });
  }

  #lookAt(watched: Watched, ranMs: number): void {
    const { job, seen } = watched;
    const progress = job.progress();
    const isStill = progress !== undefined && progress === seen;
    watched.seen = progress;
    watched.stillMs = isStill ? watched.stillMs + ranMs : 0;
    const isStuck = watched.stillMs > job.limitMs;
    if (isStuck === watched.isStuck) return;
    watched.isStuck = isStuck;
    if (isStuck) this.#deps.onStuck(job.name, watched.stillMs);
    else this.#deps.onGoesOn(job.name);
  }
}
