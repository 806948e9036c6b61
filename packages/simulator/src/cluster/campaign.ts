/** Many seeds of whole nodes, one line for each, and the sums: what was simulated, which faults struck, what happened sometimes. */
import { seedReport } from "../campaign/nodes-mode.js";
import { type Sums, Tally } from "../campaign/tally.js";
import { drawSettings, type SettingsOptions } from "./cluster-settings.js";
import { type RunReport, runCluster } from "./run-cluster.js";
import { shrink } from "./shrink.js";

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
  readonly sums: Sums;
  readonly seconds: number;
  /** What clients asked. */
  readonly operations: number;
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { from, seeds, print, secondsMax = Number.POSITIVE_INFINITY } = options;
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const tally = new Tally();
  let operations = 0;
  for (let seed = from; seed < from + seeds && seconds() < secondsMax; seed++) {
    const before = seconds();
    const report = await runCluster(drawSettings(seed, options));
    print(describe(report, seconds() - before));
    tally.add(seedReport(report));
    operations += report.history.operations.length;
    if (report.failure === undefined) continue;
    for (const line of [...report.failure.newest, report.failure.what]) print(line);
    if (options.shrinkRuns > 0) await explain(seed, report, options);
    if (options.stopsAtFailure) break;
  }
  return { sums: tally.sums, seconds: seconds(), operations };
}

/** The sums of a campaign in words. */
export function summary({ sums, seconds, operations }: CampaignReport): string[] {
  const { seeds, steps, failures } = sums;
  const hours = (sums.virtualMs / 3_600_000).toFixed(2);
  const failed = failures.length > 0 ? ` (${failures.map(({ seed }) => seed).join(", ")})` : "";
  const faults = Object.entries(sums.faults).map(([fault, times]) => `${fault} ${times}`);
  const sometimes = Object.entries(sums.sometimes);
  return [
    `${seeds} seeds, ${failures.length} failed${failed}: ${hours} virtual hours in ${seconds.toFixed(0)} s, ${steps} events (${Math.round(steps / seconds)} a second), ${operations} operations of clients, hash ${sums.hash}`,
    `faults: ${faults.join(", ")}`,
    ...sometimes.map(([what, times]) => `${String(times).padStart(8)}  ${what}`),
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
