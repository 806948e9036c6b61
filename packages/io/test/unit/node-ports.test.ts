import { nodeClock, nodeRandom, nodeTimers } from "@authledger/io";
import { describe, expect, it } from "vitest";

describe("the ports of this machine", () => {
  it("tell wall time in milliseconds since 1970", () => {
    expect(Math.abs(nodeClock.nowMs() - Date.now())).toBeLessThan(1_000);
  });

  it("tell a monotonic time that passes and never goes back", async () => {
    let last = nodeClock.monotonicMs();
    const start = last;
    for (let i = 0; i < 1_000; i++) {
      const now = nodeClock.monotonicMs();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
    await new Promise<void>((resolve) => nodeTimers.after(5, resolve));
    expect(nodeClock.monotonicMs()).toBeGreaterThan(start + 3);
  });

  it("draw as many random bytes as asked, not twice the same", () => {
    expect(nodeRandom.bytes(0)).toHaveLength(0);
    const [a, b] = [nodeRandom.bytes(32), nodeRandom.bytes(32)];
    expect([a.length, Buffer.compare(a, b) === 0]).toEqual([32, false]);
  });

  it("call once after a delay, and not at all when cancelled", async () => {
    const calls: string[] = [];
    const cancel = nodeTimers.after(1, () => calls.push("cancelled"));
    cancel();
    await new Promise<void>((resolve) => nodeTimers.after(15, resolve));
    cancel();
    expect(calls).toEqual([]);
  });

  it("let everything else that is ready run before they go on", async () => {
    const order: string[] = [];
    setImmediate(() => order.push("other"));
    await nodeTimers.yield();
    order.push("self");
    expect(order).toEqual(["other", "self"]);
  });
});
