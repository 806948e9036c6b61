/** What is remembered of requests, for how long, and that both tables agree (INV-IDEM-1, INV-IDEM-2). */
import { toHex } from "@authledger/types";
import { beforeEach, describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_TTL_MS, Idempotency } from "../../src/idempotency.js";
import type { RememberedTransaction } from "../../src/outcome.js";
import { openTables, type Tables } from "../../src/tables.js";
import { newDisk, openStore } from "../state-support.js";

const START_MS = 1_700_000_000_000;
const PAYLOAD = new Uint8Array(32).fill(1);
const OTHER_PAYLOAD = new Uint8Array(32).fill(2);

let tables: Tables;
let memory: Idempotency;
let height = 0;

beforeEach(async () => {
  const random = testRandom("idempotency rows");
  tables = openTables(await openStore(await newDisk(), random));
  memory = reopened();
  height = 0;
});

function reopened(): Idempotency {
  return new Idempotency(tables.idempotency, tables.idempotencyAge);
}

function transaction(): RememberedTransaction {
  return {
    transactionId: new Uint8Array(16).fill(height & 0xff),
    sequence: height + 5,
    height: height++,
    index: 3,
    statuses: ["created", "not_found", "satisfied"],
  };
}

function remember(key: string, nowMs: number, vault = 1, client = "app"): RememberedTransaction {
  const done = transaction();
  memory.remember(vault, client, key, PAYLOAD, nowMs, done);
  return done;
}

const kindOf = (key: string, nowMs: number, vault = 1, client = "app", payload = PAYLOAD) =>
  memory.lookup(vault, client, key, payload, nowMs).kind;

/** INV-IDEM-2: each row is named by one age row, and each age row names one. */
function expectPaired(): void {
  const rows = new Set<string>();
  const named: string[] = [];
  const cursor = tables.idempotency.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) rows.add(toHex(cursor.key));
  const ages = tables.idempotencyAge.cursor();
  for (let ok = ages.first(); ok; ok = ages.next()) named.push(toHex(ages.value));
  expect([...named].sort()).toEqual([...rows].sort());
}

describe("a request that was answered", () => {
  test("is answered the same for 24 hours of block time, and not a millisecond longer (INV-IDEM-1)", () => {
    const done = remember("k", START_MS);
    const last = START_MS + IDEMPOTENCY_TTL_MS - 1;
    expect(IDEMPOTENCY_TTL_MS).toBe(24 * 3_600 * 1_000);
    expect(memory.lookup(1, "app", "k", PAYLOAD, last)).toEqual({ kind: "same", remembered: done });
    expect(kindOf("k", last + 1)).toBe("unknown");
  });

  test("is told from another payload under its key, as long as it is remembered", () => {
    remember("k", START_MS);
    expect(kindOf("k", START_MS, 1, "app", OTHER_PAYLOAD)).toBe("reused");
    expect(kindOf("k", START_MS + IDEMPOTENCY_TTL_MS, 1, "app", OTHER_PAYLOAD)).toBe("unknown");
  });

  test("belongs to one vault, client and key, however their texts meet", () => {
    remember("k", START_MS);
    expect(kindOf("k", START_MS, 2)).toBe("unknown");
    expect(kindOf("k", START_MS, 1, "ap")).toBe("unknown");
    expect(kindOf("pk", START_MS, 1, "ap")).toBe("unknown");
    expect(kindOf("", START_MS, 1, "appk")).toBe("unknown");
  });

  test("counts anew from the request that used its key again", () => {
    remember("k", START_MS);
    const again = START_MS + IDEMPOTENCY_TTL_MS;
    const done = remember("k", again);
    expect(memory.lookup(1, "app", "k", PAYLOAD, again + 5)).toEqual({
      kind: "same",
      remembered: done,
    });
    expect(tables.idempotency.count).toBe(1);
    expectPaired();
  });
});

describe("rows", () => {
  test("that are too old go, two for each one that is added, the oldest first", () => {
    for (let i = 0; i < 10; i++) remember(`old-${i}`, START_MS + i);
    const later = START_MS + IDEMPOTENCY_TTL_MS + 4;
    for (const left of [9, 8, 8, 9]) {
      remember(`new-${left}-${height}`, later);
      expect(tables.idempotency.count).toBe(left);
      expectPaired();
    }
    expect(["old-4", "old-5"].map((key) => kindOf(key, START_MS))).toEqual(["unknown", "same"]);
  });

  test("of one vault do not push out those of another", () => {
    for (let i = 0; i < 5; i++) remember(`k-${i}`, START_MS, 1);
    for (let i = 0; i < 5; i++) remember(`k-${i}`, START_MS + IDEMPOTENCY_TTL_MS, 2);
    for (let i = 0; i < 5; i++) expect(kindOf(`k-${i}`, START_MS + 1, 1)).toBe("same");
  });

  test("are paired after any history, also across restarts (INV-IDEM-2)", () => {
    const random = testRandom("idempotency history");
    let nowMs = START_MS;
    for (let i = 0; i < testRounds(400); i++) {
      nowMs += random.pick([0, 1, 60_000, IDEMPOTENCY_TTL_MS / 20]);
      const [vault, key] = [1 + random.int(2), `k${random.int(30)}`];
      if (kindOf(key, nowMs, vault) === "unknown") remember(key, nowMs, vault);
      if (random.chance(0.05)) memory = reopened();
      if (i % 10 === 0) expectPaired();
    }
    expectPaired();
    expect(tables.idempotency.count).toBeGreaterThan(5);
  });

  /**
   * The first count after a start was made when the new row was there already, or the old one gone: a replica that had
   * restarted dropped an answer earlier than the others, and executed a repeated request that they replayed.
   */
  test("are at most 100,000 in a vault: the oldest goes for the newest, also after a restart (INV-IDEM-1)", () => {
    expect(IDEMPOTENCY_KEYS_MAX).toBe(100_000);
    for (let i = 0; i < IDEMPOTENCY_KEYS_MAX; i++) remember(`k${i}`, START_MS);
    expect([kindOf("k0", START_MS), tables.idempotency.count]).toEqual(["same", 100_000]);
    remember("one more", START_MS);
    expect([kindOf("k0", START_MS), kindOf("k1", START_MS)]).toEqual(["unknown", "same"]);
    memory = reopened();
    remember("and another", START_MS);
    expect([kindOf("k1", START_MS), kindOf("k2", START_MS)]).toEqual(["unknown", "same"]);
    memory = reopened();
    remember("k2", START_MS + 1);
    expect([kindOf("k2", START_MS), kindOf("k3", START_MS)]).toEqual(["same", "same"]);
    remember("a last one", START_MS);
    expect([kindOf("k3", START_MS), kindOf("k4", START_MS)]).toEqual(["unknown", "same"]);
    expect([tables.idempotency.count, tables.idempotencyAge.count]).toEqual([100_000, 100_000]);
  });
});
