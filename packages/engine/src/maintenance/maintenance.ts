/** What a node does for its own files: compaction and scrubbing, with their figures. */
import type { Clock, Timers } from "@authledger/io";
import type { GroupState, ScrubDifference } from "@authledger/state";
import type { Hasher, LedgerError } from "@authledger/types";
import type { StateHolder } from "../cluster/state-holder.js";
import type { Flusher } from "../flusher.js";
import type { EngineReply, EngineRequest, VaultHealth } from "../port.js";
import { type CompactionPolicy, Compactor, type CompactorStats } from "./compactor.js";
import { describeDifference, type IntegrityStatus, Scrubber } from "./scrubber.js";

/** What a node does by itself; nothing of what is left out. */
export interface MaintenanceOptions {
  /** When a compaction begins by itself. */
  readonly compaction?: CompactionPolicy | undefined;
  /** Time between the beginnings of two passes of the scrubber; 0 = never. */
  readonly scrubIntervalMs?: number | undefined;
}

export interface MaintenanceDeps {
  readonly holder: Pick<StateHolder, "store">;
  readonly state: GroupState;
  readonly flusher: Flusher;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly hasher: Hasher;
  readonly onAlarm: (alarm: string) => void;
  readonly onFatal: (error: LedgerError) => void;
  /** Why the node has stopped, if it has. */
  readonly failure: () => LedgerError | undefined;
}

export interface MaintenanceStats {
  readonly compaction: CompactorStats;
  readonly integrity: IntegrityStatus;
}

export class Maintenance {
  readonly #holder: Pick<StateHolder, "store">;
  readonly #compactor: Compactor;
  readonly #scrubber: Scrubber;
  readonly #flusher: Flusher;

  constructor(deps: MaintenanceDeps, options: MaintenanceOptions) {
    const { holder, flusher, timers, failure } = deps;
    const compactor = { clock: deps.clock, failure, yield: () => timers.yield() };
    this.#holder = holder;
    this.#flusher = flusher;
    this.#compactor = new Compactor(
      {
        ...compactor,
        flush: () => flusher.flush(),
        get store() {
          return holder.store;
        },
      },
      options.compaction,
    );
    const onAlarm = (found: ScrubDifference): void =>
      deps.onAlarm(`stored rows are damaged: ${describeDifference(found)}`);
    const { state, hasher, clock, onFatal } = deps;
    const scrubber = {
      ...{ state, hasher, clock, timers, onFatal, onAlarm },
      get store() {
        return holder.store;
      },
    };
    this.#scrubber = new Scrubber(scrubber, options.scrubIntervalMs ?? 0);
  }

  /** Time between the beginnings of two passes of the scrubber; 0 = never. */
  setScrubInterval(intervalMs: number): void {
    this.#scrubber.setInterval(intervalMs);
  }

  get stats(): MaintenanceStats {
    return { compaction: this.#compactor.stats, integrity: this.#scrubber.status };
  }

  /** Called from time to time. */
  tick(): void {
    this.#compactor.tick();
    this.#scrubber.tick();
  }

  healthOf(vault: number): VaultHealth {
    return this.#scrubber.isDiverged(vault) ? "diverged" : "healthy";
  }

  /** @throws LedgerError VAULT_DIVERGED (INV-SCRUB-3) */
  checkWritable(vault: number): void {
    this.#scrubber.checkWritable(vault);
  }

  async compact({ fillThreshold }: EngineRequest<"compact">): Promise<EngineReply<"compact">> {
    const { before, after, ...done } = await this.#compactor.run(fillThreshold);
    return { before, after, ...done };
  }

  async checkIntegrity(
    request: EngineRequest<"check_integrity">,
  ): Promise<EngineReply<"check_integrity">> {
    if (!request.follow) {
      // A page that has been changed since the last flush is read by a restart, and by no pass.
      await this.#flusher.flush();
      await this.#scrubber.hurry();
    }
    const { differences, counts, ...status } = await this.#scrubber.wait(request.waitMs);
    return {
      ...status,
      counts: {
        vaults: counts?.vaults ?? 0,
        leaves: counts?.leaves ?? 0,
        branches: counts?.branches ?? 0,
        blocks: counts?.blocks ?? 0,
        transactions: counts?.transactions ?? 0,
        indexRows: counts?.indexRows ?? 0,
        skipped: counts?.skipped ?? 0,
      },
      differences: differences.map((found) => {
        const { area, vault, bucket, path, height, what } = found;
        const { organization = 0n, slug = 0n } = vault ?? {};
        const place = { organization, vault: slug, bucket, path, height };
        return {
          area,
          isOfVault: vault !== undefined,
          ...place,
          what,
          text: describeDifference(found),
        };
      }),
    };
  }

  /** For node info. */
  info(): EngineReply<"get_node_info">["maintenance"] {
    const { compaction, integrity } = this.stats;
    const { bytes, pages, freePages } = this.#holder.store.size();
    return {
      fileBytes: bytes,
      filePages: pages,
      freePages,
      isCompacting: compaction.running,
      compactions: compaction.runs,
      pagesMoved: compaction.progress?.pagesMoved ?? 0,
      leavesJoined: compaction.progress?.leavesJoined ?? 0,
      isScrubbing: integrity.running,
      scrubPasses: integrity.passes,
      lastScrubEndedAtMs: integrity.endedAtMs,
      divergedVaults: integrity.divergedVaults,
      alarms: integrity.differences.map(describeDifference),
    };
  }

  /**
   * Runs what puts another state in the place of this one, checked as a whole: ends what runs before, begins nothing
   * meanwhile, and forgets what was found in the old one when it is there no more.
   */
  async around(replace: () => Promise<void>): Promise<void> {
    try {
      await Promise.all([this.#compactor.hold(), this.#scrubber.hold()]);
      await replace();
      this.#scrubber.forget();
    } finally {
      this.#compactor.release();
      this.#scrubber.release();
    }
  }

  /** Ends what runs, and waits for it. */
  async stop(): Promise<void> {
    await Promise.all([this.#compactor.stop(), this.#scrubber.stop()]);
  }
}
