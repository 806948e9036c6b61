/** The world under the simulated nodes: time, clocks, chances and the network. */
import { SeededRandom } from "@authledger/io";
import { describe, expect, it } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { EventQueue } from "../../src/world/event-queue.js";
import { FaultPlan, faultName } from "../../src/world/fault-plan.js";
import { linksAcross, Network, networkFaults } from "../../src/world/network.js";
import { NodeClock, VirtualTime } from "../../src/world/virtual-time.js";

const CALM = {
  latencyMsMin: 1,
  latencyMsMax: 3,
  loss: 0,
  duplicate: 0,
  lateDuplicate: 0,
  reorder: 0,
};

function network(settings: Partial<typeof CALM>, size = 3): Network {
  const plan = new FaultPlan<string>(7, networkFaults);
  return new Network(size, { ...CALM, ...settings }, { random: new SeededRandom(7), plan });
}

describe("the event queue", () => {
  it("INV-SIM-1: gives out by time, and by order of insertion within a moment", () => {
    const random = testRandom("event queue");
    const queue = new EventQueue<number>();
    const all: { time: number; order: number }[] = [];
    const out: number[] = [];
    for (let order = 0; order < 2_000; order++) {
      const time = queue.now + random.int(20);
      all.push({ time, order });
      queue.push(time, order);
      if (random.chance(0.4)) out.push(queue.pop()!);
    }
    while (queue.size > 0) out.push(queue.pop()!);
    const times = out.map((order) => all[order]!.time);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    for (let i = 1; i < out.length; i++) {
      if (times[i] === times[i - 1]) expect(out[i]!).toBeGreaterThan(out[i - 1]!);
    }
    expect([out.length, queue.pop(), queue.nextAt]).toEqual([
      2_000,
      undefined,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("INV-SIM-1: refuses what would happen in the past", () => {
    const queue = new EventQueue<string>();
    queue.push(5, "a");
    queue.pop();
    expect(() => queue.push(4, "b")).toThrow("INV-SIM-1");
  });
});

describe("virtual time", () => {
  it("calls back in order and not what was cancelled", () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    time.after(20, () => seen.push(`b${time.now}`));
    time.after(10, () => time.after(15, () => seen.push(`c${time.now}`)));
    time.after(12, () => seen.push("never"))();
    time.runUntil(22);
    expect(seen).toEqual(["b20"]);
    time.runUntil(100);
    expect([seen, time.step()]).toEqual([["b20", "c25"], false]);
  });

  it("lets a clock run fast and slow and its wall time jump, never its monotonic time", () => {
    const time = new VirtualTime();
    const clock = new NodeClock(time, 1_000_000);
    time.after(100, () => clock.setRate(1.2));
    time.after(200, () => clock.jump(-5_000));
    time.after(300, () => clock.setRate(0.5));
    time.after(400, () => {});
    while (time.step());
    expect(clock.monotonicMs()).toBeCloseTo(100 + 240 + 50);
    expect(clock.nowMs()).toBe(1_000_000 - 5_000 + 390);
    expect(clock.trueDelay(10)).toBe(20);
    // Seed 20147 of whole nodes: clocks were 5 s apart for good when the storm was over, so the leader stamped nothing.
    const monotonic = clock.monotonicMs();
    clock.set(1_000_400);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([1_000_400, monotonic]);
  });
});

describe("the fault plan", () => {
  it("INV-SIM-2: decides on each chance by its name alone, and strikes no other than the given ones", () => {
    const all = new FaultPlan(11, ["a", "b"] as const, { isRecorded: true });
    for (let i = 0; i < 500; i++) {
      all.strikes(0, 0.1);
      all.strikes(1, 0.2);
    }
    expect(all.counts().get("a")!).toBeGreaterThan(20);
    const kept = all.faults.filter((_, i) => i % 3 === 0);
    const some = new FaultPlan(11, ["a", "b"] as const, {
      only: new Set(kept.map(faultName)),
      isRecorded: true,
    });
    for (let i = 0; i < 500; i++) some.strikes(1, 0.2);
    for (let i = 0; i < 500; i++) some.strikes(0, 0.1);
    const names = some.faults.map(faultName);
    expect(names.sort()).toEqual(kept.map(faultName).sort());
  });
});

describe("the network", () => {
  it("INV-SIM-3: keeps the order of a link unless reordering is on", () => {
    const arrivals = (settings: Partial<typeof CALM>): number[] => {
      const net = network({ latencyMsMax: 50, ...settings });
      return Array.from({ length: 300 }, (_, now) => now + net.route(0, 1, now)[0]!);
    };
    const sorted = (times: number[]) => times.every((time, i) => i === 0 || time >= times[i - 1]!);
    expect([sorted(arrivals({})), sorted(arrivals({ reorder: 0.5 }))]).toEqual([true, false]);
  });

  it("INV-SIM-3: carries nothing over a cut link, and opens it when every cut has ended", () => {
    const net = network({});
    for (const [from, to] of linksAcross([0, 1, 1])) net.cut(from, to);
    net.cut(0, 1);
    net.join(0, 1);
    expect([net.route(0, 1, 0).length, net.route(1, 0, 0).length]).toEqual([0, 0]);
    expect([net.route(1, 2, 0).length, net.isCut(0, 2)]).toEqual([1, true]);
    net.join(0, 1);
    expect([net.route(0, 1, 0).length, net.route(1, 0, 0).length]).toEqual([1, 0]);
    net.heal();
    expect(net.route(1, 0, 0)).toHaveLength(1);
  });

  it("loses, doubles and doubles late about as often as it is told", () => {
    const net = network({ loss: 0.2, duplicate: 0.1, lateDuplicate: 0.1 });
    const copies = Array.from({ length: 5_000 }, () => [...net.route(0, 1, 0)]);
    const lost = copies.filter((delays) => delays.length === 0).length;
    const doubled = copies.filter((delays) => delays.length > 1).length;
    const late = copies.filter((delays) => delays.some((delay) => delay >= 40)).length;
    expect(lost / 5_000).toBeCloseTo(0.2, 1);
    expect(doubled / 5_000).toBeCloseTo(0.15, 1);
    expect(late / 5_000).toBeCloseTo(0.08, 1);
  });

  it("holds back what is sent over a clogged link", () => {
    const net = network({});
    net.clog(0, 1, 500);
    expect(net.route(0, 1, 100)[0]).toBeGreaterThanOrEqual(400);
    expect(net.route(1, 0, 100)[0]).toBeLessThan(5);
  });
});
