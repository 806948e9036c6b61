/** The histogram against sorted values. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomNumbers } from "../lib/tuples.mjs";
import { Histogram } from "../load/histogram.mjs";

test("quantiles are at most 0.8 % above those of the sorted values, never below", () => {
  const random = randomNumbers(7);
  for (const size of [1, 2, 10, 999, 20_000]) {
    const histogram = new Histogram();
    const values = Array.from({ length: size }, () => Math.floor(2 ** (random(31_000) / 1_000)));
    for (const value of values) histogram.record(value);
    values.sort((a, b) => a - b);
    for (const share of [0, 0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
      const exact = Number(values[Math.max(0, Math.ceil(share * size) - 1)]);
      const found = histogram.quantile(share);
      assert.ok(
        found >= exact && found <= exact * 1.008,
        `${share} of ${size}: ${found}, ${exact}`,
      );
    }
    assert.equal(histogram.max, values.at(-1));
    assert.equal(histogram.count, size);
  }
});

test("an empty histogram has zeros; durations out of range count as the nearest one", () => {
  const histogram = new Histogram();
  assert.equal(histogram.quantile(0.5), 0);
  histogram.record(-1);
  histogram.record(2 ** 40);
  assert.equal(histogram.quantile(0.5), 0);
  assert.equal(histogram.quantile(1), 2 ** 32 - 1);
});
