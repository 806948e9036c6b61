/**
 * docs/sim-ledger.jsonl: one line for each campaign that was asked to leave one. Campaigns over the same commit add up:
 * a later one begins where the seeds of the earlier ones end.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ModeName } from "./mode.js";
import type { Sums } from "./tally.js";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const HOUR_MS = 3_600_000;
const path = fileURLToPath(new URL("../../../../docs/sim-ledger.jsonl", import.meta.url));

export interface LedgerLine {
  readonly commit: string;
  readonly mode: ModeName | "explorer";
  /** Half-open. */
  readonly seeds: readonly [from: number, to: number];
  readonly seedCount: number;
  readonly virtualHours: number;
  readonly seconds: number;
  /** Over the hashes of all seeds; 0 for the explorer. */
  readonly hash: number;
  readonly steps: number;
  readonly states: number;
  readonly acknowledged: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly sometimes: Readonly<Record<string, number>>;
  readonly failures: Sums["failures"];
}

/** The commit that is built, with a mark where files differ from it. */
export function currentCommit(): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();
  const isChanged = git("status", "--porcelain", "--", "packages").length > 0;
  return `${git("rev-parse", "--short=12", "HEAD")}${isChanged ? "-changed" : ""}`;
}

export function ledgerLines(): LedgerLine[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as LedgerLine);
}

export function appendToLedger(line: LedgerLine): void {
  appendFileSync(path, `${JSON.stringify(line)}\n`);
}

/** The line of a campaign over seeds. */
export function seedsLine(campaign: {
  readonly commit: string;
  readonly mode: ModeName;
  readonly from: number;
  readonly seconds: number;
  readonly sums: Sums;
}): LedgerLine {
  const { commit, mode, from, seconds, sums } = campaign;
  const { seeds, virtualMs, hash, steps, acknowledged, faults, sometimes, failures } = sums;
  return {
    commit,
    mode,
    seeds: [from, from + seeds],
    seedCount: seeds,
    virtualHours: rounded(virtualMs / HOUR_MS),
    seconds: rounded(seconds),
    hash,
    steps,
    states: 0,
    acknowledged,
    faults,
    sometimes,
    failures,
  };
}

/** To hundredths, as hours and seconds are told. */
export function rounded(number: number): number {
  return Math.round(number * 100) / 100;
}

/** The first seed that no campaign over this commit has run. */
export function nextSeed(lines: readonly LedgerLine[], commit: string, mode: ModeName): number {
  const ends = lines
    .filter((line) => line.commit === commit && line.mode === mode)
    .map((line) => line.seeds[1]);
  return Math.max(1, ...ends);
}
