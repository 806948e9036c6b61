/** Campaigns over whole nodes: engine, log, state and store. */
import { drawSettings } from "../cluster/cluster-settings.js";
import { type RunReport, runCluster } from "../cluster/run-cluster.js";
import { type Mode, recordOf, type SeedReport } from "./mode.js";

export const mode: Mode = { run: async (seed) => seedReport(await runCluster(drawSettings(seed))) };

/** What a campaign keeps of a run. A failure is named by its first line: the seed tells the rest again. */
export function seedReport(report: RunReport): SeedReport {
  return {
    seed: report.seed,
    failure: report.failure?.what.split("\n", 1)[0],
    hash: Number.parseInt(report.hash, 16),
    virtualMs: report.virtualMs,
    steps: report.events,
    acknowledged: report.history.operations.filter(({ ok }) => ok === true).length,
    faults: recordOf(report.faults),
    sometimes: recordOf(report.sometimes.counts()),
  };
}
