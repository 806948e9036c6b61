/** Hot keys among many others. */
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { GatedCall, type WireCall } from "../../src/gate/gated-call.js";
import { type HotKey, HotKeys } from "../../src/protection/hot-keys.js";

interface Scene {
  nowMs: number;
  readonly told: HotKey[];
  readonly keys: HotKeys;
}

function scene(hotRate = 1_000): Scene {
  const told: HotKey[] = [];
  const made: { nowMs: number } = { nowMs: 5_000 };
  const keys = new HotKeys({
    hotRate: () => hotRate,
    onHot: (hot) => told.push(hot),
    nowMs: () => made.nowMs,
    random: () => 0,
  });
  return Object.assign(made, { told, keys });
}

function callOf(request: object): GatedCall {
  const method = { path: "/x", service: "ReadService", name: "check", isStream: false };
  return new GatedCall(method, { request } as WireCall, 0);
}

describe("hot keys", () => {
  test("a key that takes a tenth of all calls is found among a hundred thousand others, and nothing else", () => {
    const random = testRandom("hot keys");
    const s = scene();
    // 4,000 counted calls a second stand for 64,000.
    for (let i = 0; i < 120_000; i++) {
      s.nowMs += 0.25;
      s.keys.count(random.int(10) === 0 ? "1/2/doc:hot" : `1/2/doc:${random.int(100_000)}`);
    }
    expect(s.keys.top.map(({ key }) => key)).toEqual(["1/2/doc:hot"]);
    expect(s.keys.top[0]!.perSecond).toBeGreaterThan(5_800);
    expect(s.keys.top[0]!.perSecond).toBeLessThan(8_000);
    expect(s.told.map(({ key }) => key)).toEqual(["1/2/doc:hot"]);
  });

  test("INV-HOT-1: no key is counted too low, whatever else is counted", () => {
    const random = testRandom("hot keys are never too low");
    const s = scene(1);
    const counts = new Map<string, number>();
    for (let i = 0; i < 50_000; i++) {
      const key = `key ${Math.floor(random.int(1_000) ** 2 / 1_000)}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      s.keys.count(key);
    }
    // No second has passed: the rate that is told is sixteen times the count.
    const ranked = [...counts].sort((a, b) => b[1] - a[1]);
    for (const { key, perSecond } of s.keys.top) {
      expect(perSecond).toBeGreaterThanOrEqual(counts.get(key)! * 16 - 16 * 100);
    }
    expect(s.keys.top.map(({ key }) => key)).toContain(ranked[0]![0]);
  });

  test("INV-HOT-2: the list and the log are bounded, however many keys are hot", () => {
    const s = scene(1);
    for (let i = 0; i < 100_000; i++) {
      s.nowMs += 0.1;
      s.keys.count(`key ${i % 50}`);
    }
    expect(s.keys.top).toHaveLength(10);
    expect(s.told.length).toBeLessThanOrEqual(2);
  });

  test("what is over is forgotten after two windows", () => {
    const s = scene();
    for (let i = 0; i < 20_000; i++) s.keys.count("1/2/doc:hot");
    expect(s.keys.top).toHaveLength(1);
    for (let i = 0; i < 3; i++) {
      s.nowMs += 61_000;
      s.keys.count("1/2/doc:cold");
    }
    expect(s.keys.top).toEqual([]);
  });

  test("of calls one in sixteen is counted, and what a key is told to be asked for is right within a fifth, also where calls come in a rhythm", () => {
    const random = testRandom("one call in sixteen");
    for (const rhythm of [1, 2, 8, 16, 31]) {
      let nowMs = 0;
      const keys = new HotKeys({
        ...{ hotRate: () => 100, onHot: () => undefined, nowMs: () => nowMs },
        random: () => random.int(1 << 30) / (1 << 30),
      });
      const hot = callOf({ organization: 1n, vault: 2n, key: "hot" });
      let made = 0;
      // 1,250 of it are counted, 3 % more or less: a fifth is six times that.
      const calls = 20_000 * rhythm;
      for (let i = 0; i < calls; i++) {
        nowMs += 50_000 / calls;
        const isHot = i % rhythm === 0;
        if (isHot) made++;
        keys.ended(isHot ? hot : callOf({ organization: 3n, vault: 4n, key: `cold ${i}` }));
      }
      const perSecond = made / 50;
      expect(keys.top.map(({ key }) => key)).toEqual(["1/2/hot"]);
      expect(Math.abs(keys.top[0]!.perSecond / perSecond - 1)).toBeLessThan(0.2);
    }
  });

  test("a call counts by what it asks for or writes first; one that failed does not", () => {
    const s = scene(1);
    const target = { organization: 1n, vault: 2n };
    const requests = [
      { ...target, tuple: { resource: "doc:a" } },
      { message: { ...target, tuple: { resource: "doc:a" } } },
      { ...target, key: "doc:a" },
      { ...target, transaction: { operations: [{ operation: { value: { key: "doc:a" } } }] } },
    ];
    for (let i = 0; i < 400; i++) {
      const request = requests[i % requests.length];
      s.keys.ended(callOf(request!));
      const failed = callOf({ ...target, key: "b" });
      failed.status = 5;
      s.keys.ended(failed);
    }
    expect(s.keys.top.map(({ key }) => key)).toEqual(["1/2/doc:a"]);
    expect(s.keys.top[0]!.perSecond).toBe(6_400);
  });
});
