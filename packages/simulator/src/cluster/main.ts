/**
 * Runs seeds of whole nodes: a campaign, or with `--seed` one seed event by event. Exit code 0 = all were well. Code that asks for
 * the real time or real randomness while virtual time runs is stopped (real-time-trap.ts). `--ledger` adds a line to
 * docs/sim-ledger.jsonl, and continues behind the seeds that it has of this commit.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  appendToLedger,
  currentCommit,
  ledgerLines,
  nextSeed,
  seedsLine,
} from "../campaign/ledger.js";
import { formatHistory } from "../history/record.js";
import { runCampaign, summary } from "./campaign.js";
import { drawSettings } from "./cluster-settings.js";
import { runCluster } from "./run-cluster.js";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10" },
    from: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string" },
    only: { type: "string" },
    history: { type: "string" },
    calm: { type: "boolean", default: false },
    voters: { type: "string" },
    machines: { type: "string" },
    "storm-ms": { type: "string" },
    "keep-log": { type: "boolean", default: false },
    "shrink-runs": { type: "string", default: "60" },
    "stop-at-failure": { type: "boolean", default: false },
    ledger: { type: "boolean", default: false },
  },
});

process.on("unhandledRejection", (error) => {
  print(`unhandled rejection: ${error instanceof Error ? error.stack : error}`);
  process.exit(1);
});
process.exitCode = await main();

async function main(): Promise<number> {
  const options = {
    calm: values.calm,
    keepLog: values["keep-log"],
    voters: numberOf(values.voters),
    machines: numberOf(values.machines),
    stormMs: numberOf(values["storm-ms"]),
  };
  const seed = numberOf(values.seed);
  if (seed !== undefined) {
    const only = values.only === undefined ? undefined : new Set(values.only.split(","));
    const report = await runCluster(drawSettings(seed, options), { only, print });
    if (values.history !== undefined) writeFileSync(values.history, formatHistory(report.history));
    print(report.failure?.what ?? `seed ${seed} ok ${report.hash}`);
    return report.failure === undefined ? 0 : 1;
  }
  const isChanged = Object.values(options).some((value) => value !== undefined && value !== false);
  if (values.ledger && isChanged) {
    print("--ledger counts seeds as they are drawn: leave out the options that change them");
    return 2;
  }
  const commit = values.ledger ? currentCommit() : undefined;
  const from = numberOf(values.from) ?? firstSeed(commit);
  const report = await runCampaign({
    ...options,
    print,
    from,
    seeds: Number(values.seeds),
    secondsMax: numberOf(values.seconds),
    stopsAtFailure: values["stop-at-failure"],
    shrinkRuns: Number(values["shrink-runs"]),
  });
  for (const line of summary(report)) print(line);
  const { sums, seconds } = report;
  if (commit !== undefined) {
    appendToLedger(seedsLine({ commit, mode: "nodes", from, seconds, sums }));
  }
  return sums.failures.length === 0 ? 0 : 1;
}

/** Where the ledger says that earlier campaigns over the commit ended; without a ledger, a seed that was hardly run before. */
function firstSeed(commit: string | undefined): number {
  if (commit === undefined) return Math.floor(Date.now() / 1000);
  return nextSeed(ledgerLines(), commit, "nodes");
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
