/** How long work beside calls goes on without letting them run. */
import { expect, test } from "vitest";
import { WorkSlice } from "../../../src/cluster/work-slice.js";

/** The stretches of work in steps of a millisecond, where the others take so long for each of their turns. */
async function stretches(othersMs: number, count: number): Promise<number[]> {
  let nowMs = 0;
  let length = 0;
  const found: number[] = [];
  const slice = new WorkSlice({
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    timers: {
      after: () => () => undefined,
      yield: async () => {
        nowMs += othersMs;
        found.push(length);
        length = 0;
      },
    },
    checkRunning: () => undefined,
  });
  while (found.length < count) {
    nowMs++;
    length++;
    await slice.pause();
  }
  return found;
}

test("long work is done in stretches of 5 ms beside short turns of the others", async () => {
  expect(await stretches(2, 4)).toEqual([5, 5, 5, 5]);
});

test("beside long turns its stretches are a quarter of those, up to a bound, so that it comes to an end", async () => {
  expect(await stretches(60, 3)).toEqual([5, 15, 15]);
  expect(await stretches(2_000, 3)).toEqual([5, 25, 25]);
});

test("work that must end is told after each turn of the others", async () => {
  const time = { nowMs: () => 0, monotonicMs: () => (ms += 10) };
  let ms = 0;
  const slice = new WorkSlice({
    clock: time,
    timers: { after: () => () => undefined, yield: async () => undefined },
    checkRunning: () => {
      throw new Error("stopped");
    },
  });
  await expect(slice.pause()).rejects.toThrow("stopped");
});
