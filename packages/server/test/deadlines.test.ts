/** Deadlines cross the port on the monotonic clock; what is late is answered in time. */
import { describe, expect, it } from "vitest";
import { call, errorOf, startHarness } from "./support/harness.js";
import { createTuple, TUPLE, transaction } from "./support/requests.js";

describe("a deadline", () => {
  it("reaches the engine with a write, on the monotonic clock", async () => {
    const h = await startHarness();
    const request = { ...h.tenant, transaction: transaction([createTuple()]), prove: false };
    const before = performance.now();
    await call(h.client, ["write", "write"], request, { deadlineMs: 5_000 });
    const made = h.engine.calls.find(({ call: name }) => name === "write")!;
    expect(made.deadlineAtMs).toBeGreaterThan(before);
    expect(made.deadlineAtMs! - before).toBeLessThan(5_200);
    expect(made.deadlineAtMs! - before).toBeGreaterThan(4_000);
  });

  it("that passes while the engine works ends the call, and the server goes on", async () => {
    const h = await startHarness();
    let release = (): void => undefined;
    h.engine.hold = new Promise((resolve) => {
      release = resolve;
    });
    const request = { ...h.tenant, tuple: TUPLE };
    const late = await errorOf(call(h.client, ["read", "check"], request, { deadlineMs: 100 }));
    expect(late.code).toBe(4);
    release();
    h.engine.hold = undefined;
    expect(await call(h.client, ["read", "check"], request)).toMatchObject({ allowed: false });
  });
});
