/** The swarm: groups of real cores under virtual time, faults and clients. `npm run simulate` runs many more seeds. */
import * as module from "@authledger/raft";
import { describe, expect, it } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { drawSchedule } from "../../src/core/schedule.js";
import { type CoreSettings, drawSettings } from "../../src/core/settings.js";
import { type RunResult, simulate } from "../../src/core/simulation.js";

function run(seed: number, changed: Partial<CoreSettings> = {}): RunResult {
  return simulate({ module, settings: { ...drawSettings(seed), ...changed } });
}

function expectClean(result: RunResult): void {
  const { seed, violation } = result;
  expect(violation && `seed ${seed}: ${violation.message}`).toBeUndefined();
}

describe("the swarm", () => {
  it("finds no broken rule in fresh seeds, and groups heal", () => {
    const random = testRandom("swarm");
    for (let i = 0; i < 8; i++) expectClean(run(random.u32()));
  });

  // The batch that a crash kept had put a received state in the place of the log whose end was to be lost.
  it("loses the end of a log also where a state that was being received was kept (seed 600453914)", () => {
    expectClean(run(600_453_914));
  });

  // A paused leader counted what a node had told it, which has lost the end of its log since: twice, and the judge looked at what it had
  // between the two.
  it("knows what a node had before it was in doubt, however often it loses something then (seed 640013761)", () => {
    expectClean(run(640_013_761));
  });

  it("INV-SIM-2: runs the same events when a seed is run again, and others for another seed", () => {
    const seed = testRandom("same seed twice").u32();
    const [first, again, other] = [run(seed), run(seed), run(seed + 1)];
    expect([again.hash, again.steps]).toEqual([first.hash, first.steps]);
    expect(other.hash).not.toBe(first.hash);
  });

  it("INV-SIM-2: a run that writes a trace is the run without one", () => {
    const settings = drawSettings(5);
    const traced = simulate({ module, settings, isTraced: true });
    expect(traced.hash).toBe(run(5).hash);
    expect(traced.lines.length).toBeGreaterThan(1_000);
    expect(traced.names).toEqual(expect.arrayContaining([drawSchedule(settings)[0]!.name]));
  });

  it("carries messages as bytes where the seed says so", () => {
    const seed = testRandom("swarm of bytes").u32();
    const [plain, coded] = [run(seed, { isCoded: false }), run(seed, { isCoded: true })];
    expectClean(coded);
    expect(coded.hash).toBe(plain.hash);
  });

  it("does nothing but the steps and faults that it is given", () => {
    const settings = drawSettings(9);
    const calm = simulate({ module, settings, only: new Set(["propose#1"]), isTraced: true });
    expectClean(calm);
    expect(calm.names).toEqual(["propose#1"]);
    expect(calm.faults.size).toBe(0);
  });
});
