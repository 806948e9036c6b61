/** Campaigns over whole nodes: engine, log, state and store. */
import { drawSettings } from "../cluster/cluster-settings.js";
import { runCluster } from "../cluster/run-cluster.js";
import { type Mode, recordOf } from "./mode.js";

export const mode: Mode = {
  run: async (seed) => {
    const report = await runCluster(drawSettings(seed));
    return {
      seed,
      failure: report.failure?.what,
      hash: Number.parseInt(report.hash, 16),
      virtualMs: report.virtualMs,
      steps: report.events,
      acknowledged: report.history.operations.filter(({ ok }) => ok === true).length,
      faults: recordOf(report.faults),
      sometimes: recordOf(report.sometimes.counts()),
    };
  },
};
