/** Those who wait: for an entry, for a confirmation, for an index; and what is known of time. */
import { ByteWriter, LedgerError, nodeId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { ClockGuard } from "../../../src/cluster/clock-guard.js";
import { Freshness } from "../../../src/cluster/freshness.js";
import { PendingEntries } from "../../../src/cluster/pending-entries.js";
import { ReadGate } from "../../../src/cluster/read-gate.js";
import { settle, TestTime } from "../../engine-support.js";

describe("INV-GROUP-5: who waits for an entry", () => {
  function scene() {
    const pending = new PendingEntries<string>();
    const told: string[] = [];
    const wait = (name: string, index: number, term: number): void => {
      const owner = {
        applied: (result: string, at: number) => told.push(`${name}: ${result} at ${at}`),
        failed: ({ code }: LedgerError) => told.push(`${name}: ${code}`),
      };
      pending.placed(pending.ask(owner), index, term);
    };
    const applied = (index: number, term: number): void =>
      pending.applied(index, term, "done", () => new LedgerError("NOT_LEADER", "replaced"));
    return { pending, told, wait, applied };
  }

  test("is told by index and term", () => {
    const { told, wait, applied, pending } = scene();
    wait("a", 5, 2);
    wait("b", 6, 2);
    applied(5, 2);
    applied(6, 3);
    expect(told).toEqual(["a: done at 5", "b: NOT_LEADER"]);
    expect(pending.size).toBe(0);
  });

  test("an entry of an earlier term behind one that is committed can be nowhere (Raft 5.4.3)", () => {
    const { told, wait, applied } = scene();
    wait("a", 8, 2);
    wait("b", 9, 4);
    applied(6, 3);
    expect(told).toEqual(["a: NOT_LEADER"]);
    applied(9, 4);
    expect(told[1]).toBe("b: done at 9");
  });

  test("what a received state went past is not known", () => {
    const { told, wait, pending } = scene();
    wait("a", 5, 2);
    wait("b", 9, 2);
    pending.skipped(7);
    expect(told).toEqual(["a: COMMIT_UNKNOWN"]);
    pending.giveUp(pending.all(), new LedgerError("SHUTTING_DOWN", "end"));
    expect(told[1]).toBe("b: SHUTTING_DOWN");
  });
});

function gateScene() {
  const time = new TestTime();
  const asked: number[] = [];
  const applied = { index: 10 };
  const gate = new ReadGate({
    clock: time,
    timers: time,
    appliedIndex: () => applied.index,
    ask: (context) => asked.push(context),
    noLeader: () => new LedgerError("NO_LEADER", "none"),
  });
  return { time, asked, applied, gate };
}

describe("INV-GROUP-6: who waits to read", () => {
  test("all of one turn ask once, and read when the state has reached the index", async () => {
    const { asked, applied, gate } = gateScene();
    const order: string[] = [];
    const reads = ["a", "b"].map((name) => gate.linearizable(() => order.push(name), undefined));
    await settle(1);
    expect(asked).toEqual([1]);
    const later = gate.linearizable(() => order.push("c"), undefined);
    await settle(1);
    expect(asked).toEqual([1, 2]);
    gate.ready(1, 12);
    expect(order).toEqual([]);
    applied.index = 12;
    gate.applied(12);
    expect(order).toEqual(["a", "b"]);
    gate.ready(2, 11);
    expect(order).toEqual(["a", "b", "c"]);
    await Promise.all([...reads, later]);
    expect(gate.size).toBe(0);
  });

  test("a context is never used twice: who was dropped asks under another (museum row 18)", async () => {
    const { asked, gate } = gateScene();
    const read = gate.linearizable(() => "read", undefined);
    await settle(1);
    gate.dropped(1);
    gate.retry();
    await settle(1);
    gate.ready(1, 1);
    expect(asked).toEqual([1, 2]);
    expect(gate.size).toBe(1);
    gate.ready(2, 1);
    expect(await read).toBe("read");
  });

  test("ends at its deadline, and what it throws is its own", async () => {
    const { time, gate } = gateScene();
    const late = rejectedBy(gate.linearizable(() => "read", time.monotonicMs() + 100));
    const stale = rejectedBy(
      gate.atLeast(
        () => "read",
        99,
        undefined,
        () => new LedgerError("STALE_REPLICA", "late"),
      ),
    );
    for (let i = 0; i < 4; i++) time.advance(50);
    expect((await late).code).toBe("NO_LEADER");
    for (let i = 0; i < 110; i++) time.advance(50);
    expect((await stale).code).toBe("STALE_REPLICA");
    const failing = rejectedBy(
      gate.atLeast(
        () => {
          throw new LedgerError("VAULT_NOT_FOUND", "none");
        },
        5,
        undefined,
        () => new LedgerError("STALE_REPLICA", "late"),
      ),
    );
    gate.applied(10);
    expect((await failing).code).toBe("VAULT_NOT_FOUND");
    expect(gate.size).toBe(0);
  });

  test("everybody is told when it stops", async () => {
    const { gate } = gateScene();
    const reads = [1, 2].map(() => rejectedBy(gate.linearizable(() => "read", undefined)));
    gate.stop(new LedgerError("SHUTTING_DOWN", "end"));
    for (const read of reads) expect((await read).code).toBe("SHUTTING_DOWN");
    const after = await rejectedBy(gate.linearizable(() => "read", undefined));
    expect(after.code).toBe("SHUTTING_DOWN");
  });
});

describe("the age of a state", () => {
  test("is counted from the question of the last confirmation that it has reached", () => {
    const fresh = new Freshness();
    expect(fresh.ageMs(1_000, 5)).toBeUndefined();
    fresh.confirmed(5, 1_000, 5);
    expect(fresh.ageMs(1_200, 5)).toBe(200);
    fresh.confirmed(9, 2_000, 5);
    fresh.confirmed(10, 2_500, 5);
    expect(fresh.ageMs(3_000, 8)).toBe(2_000);
    expect(fresh.ageMs(3_000, 9)).toBe(1_000);
    fresh.confirmed(10, 3_500, 10);
    expect(fresh.ageMs(3_600, 10)).toBe(100);
    fresh.forget();
    expect(fresh.ageMs(3_600, 10)).toBeUndefined();
  });

  test("INV-GROUP-9: a read that allows an age asks once, and others of that age do not", async () => {
    const { time, asked, gate } = gateScene();
    const first = gate.within(300, () => "read", undefined);
    await settle(1);
    // The answer takes its time, in which the state grows old.
    time.advance(100);
    gate.ready(1, 10);
    expect(await first).toBe("read");
    time.advance(200);
    expect(gate.within(300, () => "again", undefined)).toBe("again");
    expect(asked).toEqual([1]);
    const older = rejectedBy(Promise.resolve(gate.within(50, () => "late", undefined)));
    await settle(1);
    expect(asked).toEqual([1, 2]);
    for (let i = 0; i < 12; i++) time.advance(50);
    expect(await older).toMatchObject({ code: "STALE_REPLICA", details: { staleMs: 800 } });
    gate.forgetAge();
    const behind = gate.within(60_000, () => "behind", undefined);
    await settle(1);
    expect(asked).toEqual([1, 2, 3]);
    gate.ready(3, 10);
    expect(await behind).toBe("behind");
  });
});

describe("a node's clock", () => {
  const time = new TestTime();
  const says = (aheadMs: number): Uint8Array =>
    new ByteWriter(8).u64(time.nowMs() + aheadMs).finish();
  const [a, b, c] = [nodeId(1n), nodeId(2n), nodeId(3n)];

  test("is judged by the median of the peers: one that is wrong stops nobody", () => {
    const guard = new ClockGuard(time);
    expect(guard.problem).toBeUndefined();
    guard.heard(a, says(-60_000));
    guard.heard(b, says(10));
    expect(guard.problem).toBeUndefined();
    guard.heard(c, says(-5_001));
    expect(guard.problem).toMatchObject({ code: "CLOCK_SKEW", details: { aheadMs: 5_001 } });
    guard.heard(c, says(-4_999));
    expect(guard.problem).toBeUndefined();
  });

  test("what was told is carried on: a clock that jumps is found out before a peer tells again", () => {
    const guard = new ClockGuard(time);
    guard.heard(a, says(10));
    time.advance(3_000);
    expect(guard.aheadMs).toBeCloseTo(-10, 3);
    time.wallMs += 5_020;
    expect(guard.problem).toMatchObject({ code: "CLOCK_SKEW", details: { aheadMs: 5_010 } });
    expect(guard.problemOf(time.nowMs() - 5_020)).toBeUndefined();
    time.wallMs -= 5_020;
    expect(guard.problem).toBeUndefined();
    time.advance(7_001);
    expect(guard.aheadMs).toBeUndefined();
  });

  test("what a peer said long ago, or one that left, counts no more", () => {
    const guard = new ClockGuard(time);
    guard.heard(a, says(20_000));
    expect(guard.problem?.message).toContain("behind");
    guard.forget((node) => node !== a);
    expect(guard.problem).toBeUndefined();
    guard.heard(a, says(20_000));
    time.advance(10_001);
    expect(guard.aheadMs).toBeUndefined();
    expect(() => guard.heard(a, new Uint8Array(3))).toThrow("clock frame");
  });
});
