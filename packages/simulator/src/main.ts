/**
 * The command of the simulator.
 *
 *   npm run simulate -- --seeds N [--from S] [--seconds T]   runs seeds on all processors; ends early after T seconds
 *   npm run simulate -- --seed X                             runs one seed again, and shrinks it where it fails
 *   npm run simulate -- --explore SECONDS                    searches all orders of events from the known starts
 *   npm run simulate -- --museum                             shows that every known bug is found
 *
 * `--nodes` takes whole nodes instead of the core alone; `--ledger` adds a line to docs/sim-ledger.jsonl, and continues
 * behind the seeds that it has of this commit; `--fresh` begins at a random seed.
 */
import { randomInt } from "node:crypto";
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { exploreAll, runCampaign } from "./campaign/campaign.js";
import {
  appendToLedger,
  currentCommit,
  ledgerLines,
  nextSeed,
  rounded,
  seedsLine,
} from "./campaign/ledger.js";
import type { ModeName } from "./campaign/mode.js";
import { runMuseum } from "./campaign/museum-tour.js";
import { neverHappened } from "./campaign/never-happened.js";
import { replayCore } from "./campaign/replay.js";
import type { Sums } from "./campaign/tally.js";

const HELP = "see packages/simulator/README.md\n";
const SEEDS_DEFAULT = 200;
const HOUR_MS = 3_600_000;

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string" },
    explore: { type: "string" },
    museum: { type: "boolean", default: false },
    nodes: { type: "boolean", default: false },
    ledger: { type: "boolean", default: false },
    fresh: { type: "boolean", default: false },
    workers: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const workers = Number(values.workers ?? availableParallelism());
const mode: ModeName = values.nodes ? "nodes" : "core";

process.exitCode = (await main()) ? 0 : 1;

async function main(): Promise<boolean> {
  if (values.help) {
    say(HELP);
    return true;
  }
  if (values.seed !== undefined) return replayCore(Number(values.seed), say);
  if (values.museum) return runMuseum(say);
  let ok = true;
  if (values.explore !== undefined) ok = await explore(Number(values.explore));
  if (values.seeds !== undefined || values.explore === undefined) ok = (await seeds()) && ok;
  return ok;
}

async function seeds(): Promise<boolean> {
  const commit = currentCommit();
  const resumed = values.ledger ? nextSeed(ledgerLines(), commit, mode) : 1;
  const from = values.fresh ? randomInt(2 ** 31) : Number(values.from ?? resumed);
  const to = from + Number(values.seeds ?? SEEDS_DEFAULT);
  const limit = Number(values.seconds ?? Number.MAX_SAFE_INTEGER);
  say(`${mode} at ${commit}: seeds ${from} to ${to - 1}, ${workers} workers\n`);
  const start = performance.now();
  const sums = await runCampaign({ mode, from, to, seconds: limit, workers });
  const seconds = (performance.now() - start) / 1_000;
  report(sums, seconds);
  const never = neverHappened(mode, sums).map((name) => ({ seed: 0, what: `never: ${name}` }));
  for (const { what } of never) say(`FAILED ${what}\n`);
  if (values.ledger) {
    const failures = [...sums.failures, ...never];
    appendToLedger(seedsLine({ commit, mode, from, seconds, sums: { ...sums, failures } }));
  }
  return sums.failures.length === 0 && never.length === 0;
}

async function explore(seconds: number): Promise<boolean> {
  const commit = currentCommit();
  say(`explorer at ${commit}: ${seconds} s, ${workers} workers\n`);
  const start = performance.now();
  let states = 0;
  let isClean = true;
  const failures: { seed: number; what: string }[] = [];
  await exploreAll({ seconds, workers }, (result) => {
    states += result.states;
    const end = result.isComplete ? "all of them" : `to depth ${result.depth}`;
    say(`${String(result.states).padStart(9)} states, ${end}: ${result.shape}\n`);
    if (result.broken === undefined) return;
    isClean = false;
    failures.push({ seed: 0, what: `${result.shape}: ${result.broken}` });
    say(`${result.story.join("\n")}\n`);
  });
  const took = (performance.now() - start) / 1_000;
  say(`${states} states, ${Math.round(states / took)} a second\n`);
  if (values.ledger) {
    const none = { virtualHours: 0, hash: 0, steps: 0, acknowledged: 0, faults: {}, sometimes: {} };
    const line = { commit, mode: "explorer", seeds: [0, 0], seedCount: 0, ...none } as const;
    appendToLedger({ ...line, seconds: rounded(took), states, failures });
  }
  return isClean;
}

function report(sums: Sums, seconds: number): void {
  const hours = sums.virtualMs / HOUR_MS;
  say(`${sums.seeds} seeds, ${rounded(hours)} simulated hours in ${rounded(seconds)} s: `);
  say(`${sums.steps} steps, ${Math.round(sums.steps / seconds)} a second; `);
  say(`${sums.acknowledged} writes acknowledged\n`);
  say(`faults: ${list(sums.faults)}\n`);
  say(`sometimes: ${list(sums.sometimes)}\n`);
  for (const { seed, what } of sums.failures.slice(0, 20)) say(`FAILED seed ${seed}: ${what}\n`);
  say(`${sums.failures.length} seeds failed, hash ${sums.hash}\n`);
}

function list(counts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return parts.join(", ");
}

function say(text: string): void {
  process.stdout.write(text);
}
