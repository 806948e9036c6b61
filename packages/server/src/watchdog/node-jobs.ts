/** The jobs of a node that its watchdog looks at, by figures that are there anyway. */
import type { ClusterStatus, EngineStats } from "@authledger/engine";
import type { Job } from "./watchdog.js";

/** One sync of the log, or one entry: some milliseconds where all is well. */
const STEP_MS_MAX = 60_000;
/** A slice of a compaction is small; what it may wait for is a flush. */
const COMPACTION_MS_MAX = 600_000;

interface EngineFigures {
  readonly stats: () => EngineStats;
  /** The newest look; undefined before the first. */
  readonly status: () => ClusterStatus | undefined;
}

/**
 * What the engine does, but for what waits for other nodes (expiry, deletion), for space on the disk (flushes) or for quiet (the
 * scrubber).
 */
export function engineJobs({ stats, status }: EngineFigures): readonly Job[] {
  return [
    {
      ...{ name: "log sync", limitMs: STEP_MS_MAX },
      progress: () => {
        const { syncs } = stats().wal;
        return syncs.runningMs === undefined ? undefined : syncs.count;
      },
    },
    {
      ...{ name: "apply", limitMs: STEP_MS_MAX },
      progress: () => {
        const { commitIndex = 0 } = status() ?? {};
        const { appliedIndex } = stats();
        return commitIndex > appliedIndex ? appliedIndex : undefined;
      },
    },
    {
      ...{ name: "compaction", limitMs: COMPACTION_MS_MAX },
      progress: () => {
        const { running, runs, progress } = stats().maintenance.compaction;
        return running ? `${runs} ${JSON.stringify(progress)}` : undefined;
      },
    },
  ];
}

/** Work that begins again and again, each time with an end. */
export class Rounds {
  #begun = 0;
  #ended = 0;

  /** Runs one of them. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    this.#begun++;
    try {
      return await work();
    } finally {
      this.#ended++;
    }
  }

  /** As a job: a round must end within `limitMs`. */
  job(name: string, limitMs: number = STEP_MS_MAX): Job {
    return {
      ...{ name, limitMs },
      progress: () => (this.#begun === this.#ended ? undefined : this.#ended),
    };
  }
}
