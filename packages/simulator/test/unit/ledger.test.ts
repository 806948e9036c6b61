/** What campaigns leave in docs/sim-ledger.jsonl. */
import { describe, expect, it } from "vitest";
import { testSeed } from "../../../../test/support.js";
import { nextSeed, seedsLine } from "../../src/campaign/ledger.js";
import { seedReport } from "../../src/campaign/nodes-mode.js";
import { Tally } from "../../src/campaign/tally.js";
import { runCampaign, summary } from "../../src/cluster/campaign.js";
import { drawSettings } from "../../src/cluster/cluster-settings.js";
import { runCluster } from "../../src/cluster/run-cluster.js";

const COMMIT = "0123456789ab";
const SHORT = { stormMs: 500, calm: true };

describe("the ledger of campaigns", () => {
  it("a campaign goes on behind the seeds of its own commit and mode", () => {
    const line = (from: number, about: { commit?: string; mode?: "core" | "nodes" } = {}) => {
      const { commit = COMMIT, mode = "nodes" } = about;
      const sums = { ...new Tally().sums, seeds: 10 };
      return seedsLine({ commit, mode, from, seconds: 1, sums });
    };
    const lines = [line(1), line(500), line(900, { commit: "ffffffffffff" })];
    expect(nextSeed(lines, COMMIT, "nodes")).toBe(510);
    expect(nextSeed([...lines, line(700, { mode: "core" })], COMMIT, "nodes")).toBe(510);
    expect(nextSeed(lines, COMMIT, "core")).toBe(1);
    // What ended early is gone on with where it ended.
    expect(line(500).seeds).toEqual([500, 510]);
  });

  it("whole nodes leave the same sums whether the command or a worker has run them", async () => {
    const from = testSeed("ledger of nodes");
    const lines: string[] = [];
    const print = (text: string): void => void lines.push(text);
    const report = await runCampaign({
      ...{ from, seeds: 2, stopsAtFailure: false, shrinkRuns: 0, print },
      ...SHORT,
    });
    const tally = new Tally();
    // In another order, as workers may.
    for (const seed of [from + 1, from]) {
      tally.add(seedReport(await runCluster(drawSettings(seed, SHORT))));
    }
    expect(report.sums).toEqual(tally.sums);
    expect(report.sums.acknowledged).toBeGreaterThan(0);
    const { sums, seconds } = report;
    const line = seedsLine({ commit: COMMIT, mode: "nodes", from, seconds, sums });
    expect(line).toMatchObject({ seedCount: 2, hash: sums.hash, failures: sums.failures });
    expect(lines).toHaveLength(2);
    expect(summary(report)[0]).toContain(`2 seeds, 0 failed: `);
  });

  it("a run that failed is named by its seed and its first line, and none is lost", () => {
    const tally = new Tally();
    const failed = { seed: 7, hash: "00ff", events: 3, virtualMs: 5, struck: [] };
    const failure = { what: "INV-SIM-25: the cluster heals\n  n1: leader", newest: [] };
    const nothing = { operations: [], writes: [], blocks: [] };
    const counts = { faults: new Map(), sometimes: { counts: () => [] } };
    const report = { ...failed, failure, ...counts, history: nothing };
    tally.add(seedReport(report as unknown as Parameters<typeof seedReport>[0]));
    expect(tally.sums.failures).toEqual([{ seed: 7, what: "INV-SIM-25: the cluster heals" }]);
  });
});
