/** Progress on a terminal. */
import { describe, expect, test } from "vitest";
import { formatCount, Progress, progressText } from "../../src/output/progress.js";

const ERASE = "\r\u001b[K";

function progressOn(isTerminal: boolean): {
  progress: Progress;
  writes: string[];
  at: (ms: number) => void;
} {
  const writes: string[] = [];
  let now = 50_000;
  const deps = { write: (text: string) => void writes.push(text), isTerminal, nowMs: () => now };
  const progress = new Progress(deps);
  return { progress, writes, at: (ms) => (now = 50_000 + ms) };
}

describe("progress", () => {
  test("is shown from one second on, at most ten times a second", () => {
    const { progress, writes, at } = progressOn(true);
    for (let ms = 0; ms < 2_000; ms += 10) {
      at(ms);
      progress.update(ms, undefined);
    }
    expect(writes).toHaveLength(10);
    expect(writes[0]).toBe(`${ERASE}1,000  1,000/s`);
  });

  test("leaves its line before something else is written, and comes back after", () => {
    const { progress, writes, at } = progressOn(true);
    progress.clear();
    expect(writes).toEqual([]);
    at(1_000);
    progress.update(1, undefined);
    progress.clear();
    progress.clear();
    expect(writes.slice(1)).toEqual([ERASE]);
    at(1_001);
    progress.update(2, undefined);
    expect(writes).toHaveLength(3);
  });

  test("writes nothing where nobody looks", () => {
    const { progress, writes, at } = progressOn(false);
    at(60_000);
    progress.update(1, 2);
    progress.clear();
    expect(writes).toEqual([]);
  });
});

test.each([
  [5_000, 10_000, 2_000, "5,000 of about 10,000 (50 %)  2,500/s  2 s left"],
  [1, 3, 1_000, "1 of about 3 (33 %)  1/s  2 s left"],
  [0, 10, 1_000, "0 of about 10 (0 %)  0/s"],
  [0, 0, 1_000, "0 of about 0 (100 %)  0/s"],
  [7, undefined, 0, "7  0/s"],
  [11, 10, 1_000, "11  11/s"],
  [1_000, 121_000, 1_000, "1,000 of about 121,000 (0 %)  1,000/s  2 min 0 s left"],
  [1, 36_001, 1_000, "1 of about 36,001 (0 %)  1/s  10 h 0 min left"],
])("%i of %s after %i ms: %s", (done, total, elapsedMs, text) => {
  expect(progressText(done, total, elapsedMs)).toBe(text);
});

test("thousands are parted", () => {
  expect([0, 999, 1_000, 1_234_567].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567"]);
});
