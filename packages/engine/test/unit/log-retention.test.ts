/** How much of the log is kept for others. */
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { LOG_RETENTION_DEFAULTS, releasableIndex } from "../../src/cluster/log-retention.js";

const LIMITS = { bytes: 1_000, entries: 50 };
const log = (firstIndex: number, bytes = 10) => ({ firstIndex, payloadBytes: () => bytes });

describe("the log", () => {
  test("is released up to what both slots hold when nobody lacks it", () => {
    expect(releasableIndex(log(1), 40, [], LIMITS)).toBe(40);
    expect(releasableIndex(log(1), 40, [40, 90], LIMITS)).toBe(40);
  });

  test("is kept for the slowest follower", () => {
    expect(releasableIndex(log(1), 40, [90, 12, 30], LIMITS)).toBe(12);
    expect(releasableIndex(log(20), 40, [12], LIMITS)).toBe(19);
  });

  test("is kept for nobody beyond its bounds of entries and bytes (INV-REPLICA-9)", () => {
    expect(releasableIndex(log(1), 200, [12], LIMITS)).toBe(150);
    expect(releasableIndex(log(1, 100), 200, [12], LIMITS)).toBe(190);
    expect(releasableIndex(log(1, 2_000), 200, [12], LIMITS)).toBe(200);
    const random = testRandom("retention");
    for (let i = 0; i < 500; i++) {
      const floor = 1 + random.int(500);
      const sizes = Array.from({ length: floor + 1 }, () => random.int(300));
      const needed = Array.from({ length: random.int(4) }, () => random.int(600));
      const through = releasableIndex(
        { firstIndex: 1, payloadBytes: (index) => sizes[index]! },
        floor,
        needed,
        LIMITS,
      );
      const kept = sizes.slice(through + 1).reduce((sum, size) => sum + size, 0);
      expect(through).toBeLessThanOrEqual(floor);
      expect(floor - through).toBeLessThanOrEqual(LIMITS.entries);
      expect(kept).toBeLessThanOrEqual(LIMITS.bytes);
      const lacking = Math.min(floor, ...needed);
      expect(through).toBeGreaterThanOrEqual(lacking);
    }
  });

  test("keeps 256 MiB and 100,000 entries for others by default", () => {
    expect(LOG_RETENTION_DEFAULTS).toEqual({ bytes: 268_435_456, entries: 100_000 });
  });
});
