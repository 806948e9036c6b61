/** How many writes are let in, and which come too late. */
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { RuntimeConfig } from "../../src/config/runtime-config.js";
import { GatedCall, type WireCall } from "../../src/gate/gated-call.js";
import { chargeOf } from "../../src/protection/costs.js";
import { Refusals } from "../../src/protection/refusals.js";
import { WriteLimiter } from "../../src/protection/write-limiter.js";

const WRITE = { path: "/w", service: "WriteService", name: "write", isStream: false };
const CHECK = { path: "/c", service: "ReadService", name: "check", isStream: false };

let nowMs = 0;

function callOf(method: typeof WRITE, leftMs?: number): GatedCall {
  const call = new GatedCall(method, { request: {} } as WireCall, nowMs);
  call.charge = chargeOf(method);
  call.deadlineAtMs = leftMs === undefined ? undefined : performance.now() + leftMs;
  return call;
}

function limiterOf(): { limiter: WriteLimiter; refusals: Refusals } {
  const { values } = new RuntimeConfig();
  const refusals = new Refusals();
  nowMs = performance.now();
  return { limiter: new WriteLimiter({ settings: () => values, refusals }), refusals };
}

/** Windows of writes, so many at once, each of which takes so long. */
function run(limiter: WriteLimiter, windows: number, atOnce: number, eachMs: number): void {
  for (let i = 0; i < windows; i++) {
    const calls: GatedCall[] = [];
    for (let k = 0; k < atOnce; k++) {
      const call = callOf(WRITE);
      try {
        limiter.enter(call);
        calls.push(call);
      } catch {
        // Refused.
      }
    }
    for (const call of calls) limiter.ended(call, eachMs);
    nowMs += Math.max(eachMs, 250);
  }
}

describe("writes on their way", () => {
  test("INV-OVER-4: the limit shrinks while writes take too long, to no less than one busy client needs", () => {
    const { limiter, refusals } = limiterOf();
    const before = limiter.limit;
    run(limiter, 3, 4_000, 900);
    expect(limiter.limit).toBeLessThan(before);
    run(limiter, 50, 4_000, 900);
    expect(limiter.limit).toBe(1_024);
    expect(refusals.of("overload_writes")).toBeGreaterThan(1_000);
    expect(limiter.inFlight).toBe(0);
  });

  test("INV-OVER-4: it grows where it is used up and writes are fast, to no more than the engine takes", () => {
    const { limiter } = limiterOf();
    run(limiter, 3, 100, 5);
    expect(limiter.limit).toBe(4_096);
    run(limiter, 150, 12_000, 5);
    expect(limiter.limit).toBe(10_000);
  });

  test("what is over the limit is refused with the time that writes take", () => {
    const { limiter } = limiterOf();
    for (let i = 0; i < limiter.limit; i++) limiter.enter(callOf(WRITE));
    const error = thrownBy(() => limiter.enter(callOf(WRITE)));
    expect([error.code, error.retryAfterMs]).toEqual(["OVERLOADED", 50]);
    limiter.enter(callOf(CHECK));
  });

  test("a write that has less time left than writes need is refused before it begins", () => {
    const { limiter, refusals } = limiterOf();
    const error = thrownBy(() => limiter.enter(callOf(WRITE, 2)));
    expect(error.code).toBe("DEADLINE_TOO_SHORT");
    expect(error.details["neededMs"]).toBe(5);
    expect(refusals.of("deadline_short")).toBe(1);
    limiter.enter(callOf(WRITE, 1_000));
    limiter.enter(callOf(CHECK, 2));
  });

  test("... and what they need grows with what they wait for each other", () => {
    const { limiter } = limiterOf();
    run(limiter, 2, 100, 400);
    limiter.enter(callOf(WRITE, 100));
    for (let i = 0; i < 2_500; i++) limiter.enter(callOf(WRITE));
    expect(thrownBy(() => limiter.enter(callOf(WRITE, 100))).details["neededMs"]).toBe(200);
  });

  test("no deadline is longer than the longest that is configured", () => {
    const { limiter } = limiterOf();
    const without = callOf(CHECK);
    limiter.enter(without);
    expect(without.deadlineAtMs).toBe(without.startedAtMs + 60_000);
    const long = callOf(CHECK, 10_000_000);
    limiter.enter(long);
    expect(long.deadlineAtMs).toBe(long.startedAtMs + 60_000);
    const short = callOf(CHECK, 1_000);
    const { deadlineAtMs } = short;
    limiter.enter(short);
    expect(short.deadlineAtMs).toBe(deadlineAtMs);
  });
});
