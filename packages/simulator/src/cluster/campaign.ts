/** Many seeds of whole nodes, one line for each, and the sums: what was simulated, which faults struck, what happened sometimes. */
import { type ClusterFault, drawSettings, type SettingsOptions } from "./cluster-settings.js";
import { type RunReport, runCluster } from "./run-cluster.js";
import { shrink } from "./shrink.js";
import { Sometimes } from "./sometimes.js";

export interface CampaignOptions extends SettingsOptions {
  readonly from: number;
  readonly seeds: number;
  /** No seed is begun after so many real seconds. */
  readonly secondsMax?: number | undefined;
  /** The first failure ends it. */
  readonly stopsAtFailure: boolean;
  /** Runs to spend on shrinking a failure; 0 = none. */
  readonly shrinkRuns: number;
  readonly print: (line: string) => void;
}

export interface CampaignReport {
  readonly seeds: number;
  readonly failedSeeds: readonly number[];
  readonly virtualMs: number;
  readonly seconds: number;
  readonly events: number;
  readonly operations: number;
  readonly faults: ReadonlyMap<ClusterFault, number>;
  readonly sometimes: Sometimes;
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { from, seeds, print, secondsMax = Number.POSITIVE_INFINITY } = options;
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const failedSeeds: number[] = [];
  const faults = new Map<ClusterFault, number>();
  const sometimes = new Sometimes();
  const sums = { seeds: 0, virtualMs: 0, events: 0, operations: 0 };
  for (let seed = from; seed < from + seeds && seconds() < secondsMax; seed++) {
    const before = seconds();
    const report = await runCluster(drawSettings(seed, options));
    print(describe(report, seconds() - before));
    sums.seeds++;
    sums.virtualMs += report.virtualMs;
    sums.events += report.events;
    sums.operations += report.history.operations.length;
    sometimes.addAll(report.sometimes);
    for (const [fault, times] of report.faults) faults.set(fault, (faults.get(fault) ?? 0) + times);
    if (report.failure === undefined) continue;
    failedSeeds.push(seed);
    for (const line of [...report.failure.newest, report.failure.what]) print(line);
    if (options.shrinkRuns > 0) await explain(seed, report, options);
    if (options.stopsAtFailure) break;
  }
  return { ...sums, failedSeeds, seconds: seconds(), faults, sometimes };
}

/** The sums of a campaign in words. */
export function summary(report: CampaignReport): string[] {
  const { seeds, failedSeeds, virtualMs, seconds, events, operations } = report;
  const hours = (virtualMs / 3_600_000).toFixed(2);
  const faults = [...report.faults].filter(([, times]) => times > 0);
  return [
    `${seeds} seeds, ${failedSeeds.length} failed${failedSeeds.length > 0 ? ` (${failedSeeds.join(", ")})` : ""}: ${hours} virtual hours in ${seconds.toFixed(0)} s, ${events} events (${Math.round(events / seconds)} a second), ${operations} operations of clients`,
    `faults: ${faults.map(([fault, times]) => `${fault} ${times}`).join(", ")}`,
    ...report.sometimes.counts().map(([what, times]) => `${String(times).padStart(8)}  ${what}`),
  ];
}

function describe(report: RunReport, seconds: number): string {
  const { seed, failure, hash, virtualMs, events, history, faults } = report;
  const struck = [...faults.values()].reduce((sum, times) => sum + times, 0);
  const state = failure === undefined ? "ok" : "FAILED";
  return `seed ${seed} ${state} ${hash} ${(virtualMs / 1000).toFixed(1)} s in ${seconds.toFixed(1)} s, ${events} events, ${history.operations.length} operations, ${struck} faults`;
}

/** Prints the faults that the failure needs. */
async function explain(seed: number, report: RunReport, options: CampaignOptions): Promise<void> {
  const fails = async (only: ReadonlySet<string>): Promise<boolean> =>
    (await runCluster(drawSettings(seed, options), { only })).failure !== undefined;
  const needed = await shrink(report.struck, fails, options.shrinkRuns);
  const how = `--seed ${seed} --only ${needed.join(",") || "none"}`;
  options.print(`${needed.length} of ${report.struck.length} faults are enough: ${how}`);
}
