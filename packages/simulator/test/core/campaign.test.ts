/** Campaigns: what adds up, and what makes one fail. */
import { describe, expect, it } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { neverHappened } from "../../src/campaign/never-happened.js";
import { Tally } from "../../src/campaign/tally.js";
import { wantedSometimes } from "../../src/core/sometimes.js";

// Worker processes run what was built.
type Built = typeof import("../../src/campaign/campaign.js");
const { runCampaign } = (await import(
  new URL("../../dist/campaign/campaign.js", import.meta.url).href
)) as Built;

describe("a campaign", () => {
  it("INV-SIM-2: gives the same sums and the same hash over all events, whoever ran which seed", async () => {
    const from = testRandom("campaign").u32();
    const run = (workers: number, first = from) =>
      runCampaign({ mode: "core", from: first, to: from + 3, seconds: 60, workers });
    const [alone, together, others] = [await run(1), await run(2), await run(1, from + 1)];
    expect(alone.seeds).toBe(3);
    expect(together).toEqual(alone);
    expect(others.hash).not.toBe(alone.hash);
  });

  it("INV-SIM-10: fails when it is large and something never happened that must now and then", () => {
    const all = Object.fromEntries(wantedSometimes.map((name) => [name, 1]));
    const { "log cut": _, ...most } = all;
    const sums = { ...new Tally().sums, seeds: 1_000, sometimes: most };
    expect(neverHappened("core", sums)).toEqual(["log cut"]);
    expect(neverHappened("core", { ...sums, sometimes: all })).toEqual([]);
    // A few seeds need not reach everything.
    expect(neverHappened("core", { ...sums, seeds: 999 })).toEqual([]);
  });
});
