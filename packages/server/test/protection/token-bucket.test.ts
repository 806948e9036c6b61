/** Buckets against the plain definition: tokens that drip into a vessel. */
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { BucketTable } from "../../src/protection/bucket-table.js";
import { taken, waitMs } from "../../src/protection/token-bucket.js";

const rate = { perSecond: 100, burstSeconds: 2 };

describe("a token bucket", () => {
  test("INV-RATE-1: in any span it lets pass the rate times the span and the burst, and the one call that emptied it", () => {
    const random = testRandom("token bucket");
    const passed: { at: number; units: number }[] = [];
    let full = 0;
    let now = 10_000;
    for (let i = 0; i < 2_000; i++) {
      now += random.int(20);
      const units = 1 + random.int(5);
      if (waitMs(full, rate, units, now) > 0) continue;
      full = taken(full, rate, units, now);
      passed.push({ at: now, units });
    }
    for (let from = 0; from < passed.length; from += 7) {
      let sum = 0;
      for (const { at, units } of passed.slice(from)) {
        sum += units;
        const seconds = (at - passed[from]!.at) / 1000;
        expect(sum).toBeLessThanOrEqual(rate.perSecond * (seconds + rate.burstSeconds) + 5);
      }
    }
    // What it lets pass is no less than the rate either.
    const all = passed.reduce((sum, { units }) => sum + units, 0);
    expect(all).toBeGreaterThan((rate.perSecond * (now - 10_000)) / 1000 - 5);
  });

  test("the wait that it tells is exactly enough", () => {
    const random = testRandom("token bucket waits");
    let full = 0;
    let now = 0;
    for (let i = 0; i < 1_000; i++) {
      const units = 1 + random.int(50);
      const wait = waitMs(full, rate, units, now);
      if (wait > 0.01) expect(waitMs(full, rate, units, now + wait - 0.01)).toBeGreaterThan(0);
      expect(waitMs(full, rate, units, now + wait + 1e-6)).toBe(0);
      now += wait + 1e-6;
      full = taken(full, rate, units, now);
    }
  });

  test("INV-RATE-2: a call larger than the whole bucket passes when it is full, and is paid off afterwards", () => {
    expect(waitMs(0, rate, 1_000, 5)).toBe(0);
    const full = taken(0, rate, 1_000, 5);
    expect(full).toBe(10_005);
    expect(waitMs(full, rate, 1, 5)).toBe(8_010);
    expect(waitMs(full, rate, 1_000, 5)).toBe(10_000);
  });

  test("a rate of 0 limits nothing and takes nothing", () => {
    const none = { perSecond: 0, burstSeconds: 2 };
    expect(waitMs(9_999, none, 50, 1)).toBe(0);
    expect(taken(9_999, none, 50, 1)).toBe(9_999);
  });
});

describe("a table of buckets", () => {
  test("INV-RATE-3: a million clients take the memory of two generations, and who calls on keeps its bucket", () => {
    const table = new BucketTable<string>(1_000);
    const busy = table.of("busy");
    busy.reads = 77;
    for (let i = 0; i < 1_000_000; i++) {
      table.of(`client ${i}`);
      if (i % 500 === 0) expect(table.of("busy")).toBe(busy);
    }
    expect(table.size).toBeLessThanOrEqual(2_000);
  });
});
