/** Natural batching, stamping and refusals, over a log that takes its time. */
import { decodeEntry, type EntryItem } from "@authledger/state";
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds, thrownBy } from "../../../../test/support.js";
import {
  ENTRIES_IN_FLIGHT_MAX,
  ENTRY_OPERATIONS_MAX,
  ENTRY_TRANSACTIONS_MAX,
  OPERATION_HELD_BYTES,
  WRITE_BYTES_WAITING_MAX,
  WRITES_WAITING_MAX,
} from "../../src/limits.js";
import { type Proposal, type ProposedEntry, Proposer } from "../../src/proposer.js";
import { settle, TestTime } from "../engine-support.js";

class Scene {
  readonly time = new TestTime();
  readonly entries: ProposedEntry[] = [];
  readonly failed: [string, string][] = [];
  readonly #soon: (() => void)[] = [];
  appliedMs = 0;
  caughtUp = 0;
  stampProblem: (nowMs: number) => LedgerError | undefined = () => undefined;
  readonly proposer = new Proposer({
    clock: this.time,
    lastTimeMs: () => this.appliedMs,
    stampProblem: (nowMs) => this.stampProblem(nowMs),
    submit: (entry) => this.entries.push(entry),
    soon: (run) => this.#soon.push(run),
    onCaughtUp: () => this.caughtUp++,
  });

  add(name: string, about: Partial<Proposal> = {}): void {
    this.proposer.add({
      operations: 1,
      bytes: 100,
      deadlineAtMs: undefined,
      needsCurrentState: false,
      make: () => itemOf(name),
      done: () => undefined,
      failed: (error) => this.failed.push([name, (error as LedgerError).code]),
      ...about,
    });
  }

  /** Ends the turn: what was put off runs. */
  turn(): void {
    for (const run of this.#soon.splice(0)) run();
  }

  /** Settles the oldest entries. */
  settle(count = 1): void {
    for (let i = 0; i < count; i++) this.proposer.settled();
    this.turn();
  }

  get names(): string[][] {
    return this.entries.map(({ payload }) =>
      decodeEntry(payload).items.map((item) => (item as { idempotencyKey: string }).idempotencyKey),
    );
  }
}

function itemOf(name: string): EntryItem {
  return {
    kind: "transaction",
    vault: 1,
    idempotencyKey: name,
    payloadHash: new Uint8Array(32),
    transaction: { canonical: new Uint8Array(8), values: [] },
  };
}

describe("batching", () => {
  test("writes of one turn share an entry that goes at once; later ones gather while it is in flight", () => {
    const scene = new Scene();
    for (const name of ["a", "b", "c"]) scene.add(name);
    expect(scene.entries).toHaveLength(0);
    scene.turn();
    expect(scene.names).toEqual([["a", "b", "c"]]);
    scene.add("d");
    scene.turn();
    expect(scene.names.at(-1)).toEqual(["d"]);
    expect(scene.proposer.inFlight).toBe(2);
  });

  test("so many entries are in flight and no more; what waits meanwhile makes one entry", () => {
    const scene = new Scene();
    for (let i = 0; i < 10; i++) {
      scene.add(`${i}`);
      scene.turn();
    }
    expect(scene.entries).toHaveLength(ENTRIES_IN_FLIGHT_MAX);
    expect(scene.proposer.waiting).toBe(10 - ENTRIES_IN_FLIGHT_MAX);
    scene.settle();
    expect(scene.names.at(-1)).toEqual(["4", "5", "6", "7", "8", "9"]);
  });

  test(`an entry has at most ${ENTRY_OPERATIONS_MAX} operations, unless one transaction has more`, () => {
    const scene = new Scene();
    const operations = ENTRY_OPERATIONS_MAX / 2;
    for (const name of ["a", "b", "c"]) scene.add(name, { operations });
    scene.add("huge", { operations: 3 * ENTRY_OPERATIONS_MAX });
    scene.turn();
    scene.settle();
    scene.settle();
    expect(scene.names).toEqual([["a", "b"], ["c"], ["huge"]]);
  });

  test(`an entry has at most ${ENTRY_TRANSACTIONS_MAX} transactions, since applying it holds the loop`, () => {
    const scene = new Scene();
    for (let i = 0; i <= ENTRY_TRANSACTIONS_MAX; i++) scene.add("x");
    scene.turn();
    scene.settle();
    expect(scene.names.map((names) => names.length)).toEqual([ENTRY_TRANSACTIONS_MAX, 1]);
  });

  test("a write that reads the state is made when nothing is in flight, and never behind another", () => {
    const scene = new Scene();
    scene.add("a");
    scene.add("reads", { needsCurrentState: true });
    scene.add("b");
    scene.turn();
    scene.turn();
    expect(scene.names).toEqual([["a"]]);
    scene.settle();
    expect(scene.names).toEqual([["a"], ["reads", "b"]]);
  });
});

describe("INV-PROPOSE-1", () => {
  test("requests are proposed in the order in which they came, whatever they are", () => {
    const random = testRandom("proposer order");
    for (let round = 0; round < testRounds(30); round++) {
      const scene = new Scene();
      const expected: string[] = [];
      for (let i = 0; i < 300; i++) {
        const late = random.chance(0.1);
        scene.add(`${i}`, {
          operations: random.pick([1, 1, 10, 400, 2_000]),
          needsCurrentState: random.chance(0.1),
          deadlineAtMs: late ? 0 : undefined,
        });
        if (!late) expected.push(`${i}`);
        if (random.chance(0.3)) scene.turn();
        if (random.chance(0.3)) scene.settle(Math.min(1, scene.proposer.inFlight));
      }
      while (scene.proposer.waiting + scene.proposer.inFlight > 0) {
        scene.settle(scene.proposer.inFlight);
      }
      expect(scene.names.flat()).toEqual(expected);
      expect(scene.failed.every(([, code]) => code === "DEADLINE_EXCEEDED")).toBe(true);
    }
  });
});

describe("INV-PROPOSE-2", () => {
  test("stamped times do not go back with the clock, nor behind the last entry", () => {
    const scene = new Scene();
    const start = scene.time.wallMs;
    const stamp = (): number => {
      scene.add("x");
      scene.turn();
      scene.settle();
      return decodeEntry(scene.entries.at(-1)!.payload).timeMs;
    };
    expect(stamp()).toBe(start);
    scene.time.wallMs -= 60_000;
    expect(stamp()).toBe(start);
    scene.time.wallMs += 60_001;
    expect(stamp()).toBe(start + 1);
    // The clock of the leader before was ahead.
    scene.appliedMs = start + 5_000;
    expect(stamp()).toBe(start + 5_000);
  });

  test("whoever stamps is told when everything has been applied, and only then", () => {
    const scene = new Scene();
    scene.add("a");
    scene.turn();
    scene.add("b");
    scene.turn();
    expect(scene.caughtUp).toBe(1);
    scene.settle(2);
    scene.add("c");
    scene.turn();
    expect(scene.caughtUp).toBe(2);
  });
});

describe("INV-PROPOSE-3", () => {
  // The story: the clock was judged once a second, and only of who led already: an elected leader whose clock was an hour ahead
  // stamped up to a second of entries with it, and records expired an hour early.
  test("every entry asks with the very time that it would be stamped with; what waits is refused", () => {
    const scene = new Scene();
    const start = scene.time.wallMs;
    const asked: number[] = [];
    scene.stampProblem = (nowMs) => {
      asked.push(nowMs - start);
      return nowMs > start ? new LedgerError("CLOCK_SKEW", "an hour ahead") : undefined;
    };
    scene.add("a");
    scene.turn();
    scene.time.wallMs += 3_600_000;
    scene.add("b");
    scene.add("reads", { needsCurrentState: true });
    scene.turn();
    expect(scene.failed).toEqual([
      ["b", "CLOCK_SKEW"],
      ["reads", "CLOCK_SKEW"],
    ]);
    scene.settle();
    scene.time.wallMs = start;
    scene.add("c");
    scene.turn();
    expect(scene.names).toEqual([["a"], ["c"]]);
    expect(asked).toEqual([0, 3_600_000, 0]);
    expect(decodeEntry(scene.entries.at(-1)!.payload).timeMs).toBe(start);
  });
});

describe("a write is refused", () => {
  test(`with OVERLOADED when ${WRITES_WAITING_MAX} others or their bytes wait, and told when to come back`, () => {
    const scene = new Scene();
    for (let i = 0; i < WRITES_WAITING_MAX; i++) scene.add("x");
    const many = thrownBy(() => scene.add("one more"));
    expect([many.code, many.retryAfterMs]).toEqual(["OVERLOADED", 250]);
    const bytes = WRITE_BYTES_WAITING_MAX / 2 + 1;
    const large = new Scene();
    large.add("a", { bytes });
    expect(thrownBy(() => large.add("b", { bytes })).code).toBe("OVERLOADED");
    large.turn();
    large.add("b", { bytes });
  });

  /*
   * The story: 104 bytes were counted for a tuple that took 500 decoded, so what was called 32 MiB of writes was some 150.
   */
  test("with OVERLOADED when many operations wait, however few their bytes are; one alone never is", () => {
    const scene = new Scene();
    const one = { bytes: 1_000, operations: 1_000 };
    const most = Math.floor(WRITE_BYTES_WAITING_MAX / (1_000 + 1_000 * OPERATION_HELD_BYTES));
    for (let i = 0; i < most; i++) scene.add("x", one);
    expect(thrownBy(() => scene.add("one more", one)).code).toBe("OVERLOADED");
    new Scene().add("alone", { bytes: WRITE_BYTES_WAITING_MAX + 1 });
  });

  test("with DEADLINE_EXCEEDED when its deadline passed before its turn; it is never made", () => {
    const scene = new Scene();
    const make = (): EntryItem => {
      throw new Error("made too late");
    };
    scene.add("in time", { deadlineAtMs: 11 });
    scene.add("late", { deadlineAtMs: 10, make });
    scene.time.advance(10);
    scene.turn();
    expect(scene.names).toEqual([["in time"]]);
    expect(scene.failed).toEqual([["late", "DEADLINE_EXCEEDED"]]);
  });

  test("alone, when it cannot be made; an entry of nothing is not proposed", () => {
    const scene = new Scene();
    const make = (): EntryItem => {
      throw new LedgerError("LIMIT_EXCEEDED", "too much");
    };
    scene.add("bad", { make });
    scene.turn();
    expect([scene.entries.length, scene.proposer.inFlight]).toEqual([0, 0]);
    scene.add("bad", { make });
    scene.add("good");
    scene.turn();
    expect(scene.names).toEqual([["good"]]);
    expect(scene.failed).toHaveLength(2);
  });

  test("while there is no room on the disk, also when it waits already; and taken again afterwards", () => {
    const scene = new Scene();
    scene.add("a");
    scene.proposer.pause(new LedgerError("DISK_FULL", "no room"));
    expect(scene.failed).toEqual([["a", "DISK_FULL"]]);
    expect(thrownBy(() => scene.add("b")).code).toBe("DISK_FULL");
    // A stall that begins or ends meanwhile changes nothing.
    scene.proposer.pause("stalled");
    scene.proposer.resume();
    expect(thrownBy(() => scene.add("b")).code).toBe("DISK_FULL");
    scene.proposer.pause(undefined);
    scene.add("c");
    scene.turn();
    expect(scene.names).toEqual([["c"]]);
  });

  test("for ever once the node has stopped, even when a flush finds room later", () => {
    const scene = new Scene();
    scene.proposer.stop(new LedgerError("NODE_STOPPED", "a bug"));
    scene.proposer.pause(undefined);
    expect(thrownBy(() => scene.add("a")).code).toBe("NODE_STOPPED");
  });
});

describe("idle", () => {
  async function isIdle(scene: Scene): Promise<boolean> {
    let idle = false;
    void scene.proposer.idle().then(() => {
      idle = true;
    });
    await settle(1);
    return idle;
  }

  test("is when nothing waits and nothing is in flight, however it came to an end", async () => {
    const scene = new Scene();
    expect(await isIdle(scene)).toBe(true);
    scene.add("a");
    expect(await isIdle(scene)).toBe(false);
    scene.turn();
    expect(await isIdle(scene)).toBe(false);
    const waited = scene.proposer.idle();
    scene.settle();
    await waited;
    scene.add("late", { deadlineAtMs: 0 });
    expect(await isIdle(scene)).toBe(false);
    const refused = scene.proposer.idle();
    scene.turn();
    await refused;
    scene.proposer.pause("stalled");
    scene.add("b");
    scene.turn();
    const full = scene.proposer.idle();
    scene.proposer.pause(new LedgerError("DISK_FULL", "no room"));
    await full;
  });

  test("is a node that has stopped, whatever is still in flight", async () => {
    const scene = new Scene();
    scene.add("a");
    scene.turn();
    const waiting = scene.proposer.idle();
    scene.proposer.stop(new LedgerError("NODE_STOPPED", "a bug"));
    await waiting;
    expect(await isIdle(scene)).toBe(true);
  });
});

describe("a stall", () => {
  test("lets writes wait and gather, and refuses none", () => {
    const scene = new Scene();
    scene.proposer.pause("stalled");
    scene.add("a");
    scene.turn();
    scene.add("b");
    scene.turn();
    expect(scene.entries).toHaveLength(0);
    scene.proposer.resume();
    scene.turn();
    expect(scene.names).toEqual([["a", "b"]]);
  });
});
