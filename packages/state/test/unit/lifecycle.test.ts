/** How vaults and organizations end: what may follow what, and that replicas remove the same rows. */
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import type { EntryItem, GroupState, Outcome } from "../../src/index.js";
import { readU32 } from "../../src/tables.js";
import {
  dump,
  Ledger,
  newDisk,
  ORGANIZATION,
  openState,
  openStore,
  type PlainOp,
} from "../state-support.js";

/** Tables whose rows are not a vault's own. */
const SHARED = new Set([
  "meta",
  "organization",
  "organizationSlug",
  "vault",
  "vaultSlug",
  "organizationUsage",
  "expiry",
]);

/** Rows of a vault by table; expiry rows have the vault behind the time. */
function rowsOf(state: GroupState, vault: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [name, table] of Object.entries(state.tables)) {
    if (SHARED.has(name) && name !== "expiry") continue;
    const cursor = table.cursor();
    for (let ok = cursor.first(); ok; ok = cursor.next()) {
      if (readU32(cursor.key, name === "expiry" ? 6 : 0) !== vault) continue;
      counts[name] = (counts[name] ?? 0) + 1;
    }
  }
  return counts;
}

function some(random: Ledger["leader"]["random"], count: number, expiresAtMs = 0): PlainOp[] {
  return Array.from({ length: count }, (_, i): PlainOp => {
    const tuple = { resource: `doc:${random.int(60)}`, relation: "viewer", subject: `user:${i}` };
    if (i % 5 === 0)
      return { op: "set_entity", key: `k:${random.int(20)}`, plain: random.bytes(9), expiresAtMs };
    if (i % 7 === 0)
      return { op: "delete_entity", key: `k:${random.int(20)}`, condition: { kind: "none" } };
    return { op: "create_tuple", tuple, expiresAtMs };
  });
}

async function filled(): Promise<Ledger> {
  const ledger = await Ledger.create(testRandom("lifecycle"), 2);
  const { leader } = ledger;
  for (let i = 0; i < 5; i++) {
    const expiresAtMs = i % 2 === 0 ? leader.timeMs + 1_000_000 + i : 0;
    for (const vault of [1, 2])
      ledger.write(vault, some(leader.random, 60, expiresAtMs), `key-${i}`);
  }
  for (const vault of [1, 2]) ledger.apply([leader.policyChange(vault, 2)]);
  return ledger;
}

function one(ledger: Ledger, item: EntryItem): Outcome {
  return ledger.apply([item]).outcomes[0]!;
}

describe("a vault that is deleted", () => {
  test("loses every row of every table in portions of the size that the entry says, and another one keeps its own (INV-SWEEP-1, INV-SWEEP-2)", async () => {
    const ledger = await filled();
    const { state, leader } = ledger;
    state.prepareFlush();
    const before = rowsOf(state, 1);
    // Each table that vaults have rows in is filled here, or this test proves nothing for it.
    const tables = Object.keys(state.tables).filter(
      (name) => !SHARED.has(name) || name === "expiry",
    );
    expect(Object.keys(before).sort()).toEqual(tables.sort());
    const other = rowsOf(state, 2);
    expect(one(ledger, leader.setStatus(ORGANIZATION, 1n, "deleting", 6)).kind).toBe("status_set");
    expect(state.vault(1)).toBeUndefined();
    let total = 0;
    for (;;) {
      const swept = one(ledger, { kind: "sweep", vault: 1, rows: 100 });
      if (swept.kind !== "swept") throw new Error(JSON.stringify(swept));
      expect(swept.removed).toBeLessThanOrEqual(100);
      total += swept.removed;
      if (swept.isDone) break;
    }
    expect(rowsOf(state, 1)).toEqual({});
    expect(rowsOf(state, 2)).toEqual(other);
    const { expiry, ...own } = before;
    expect(expiry).toBeGreaterThan(0);
    expect(total).toBe(Object.values(own).reduce((sum, count) => sum + count, 0));
    expect(one(ledger, leader.setStatus(ORGANIZATION, 1n, "deleted", 6)).kind).toBe("status_set");
    expect(state.rows.vault(1)).toMatchObject({ status: "deleted", lastHeight: 6 });
    expect([state.rows.liveVaults, state.rows.vaultCount]).toEqual([2, 3]);
  });

  test("leaves replicas that flush at other times and restart with the same rows and digests (INV-STATE-1)", async () => {
    const ledger = await filled();
    const { leader, log } = ledger;
    one(ledger, leader.setStatus(ORGANIZATION, 1n, "deleting", 6));
    for (let i = 0; i < 4; i++) one(ledger, { kind: "sweep", vault: 1, rows: 150 });
    ledger.write(2, some(leader.random, 30));
    while (true) {
      const swept = one(ledger, { kind: "sweep", vault: 1, rows: 1_000 });
      if (swept.kind === "swept" && swept.isDone) break;
    }
    one(ledger, leader.setStatus(ORGANIZATION, 1n, "deleted", 6));
    let disk = await newDisk();
    let store = await openStore(disk, leader.random);
    let state = openState(store, { dirtyMax: 3, residentMax: 5 });
    for (const payload of log) {
      state.apply(state.applied.index + 1, 1, payload);
      if (!leader.random.chance(0.4)) continue;
      await store.flush(state.prepareFlush());
      await store.close();
      disk = disk.crash(leader.random);
      store = await openStore(disk, leader.random);
      state = openState(store, { dirtyMax: 3, residentMax: 5 });
    }
    expect(toHex(state.applied.digest)).toBe(toHex(ledger.state.applied.digest));
    expect(dump(state)).toEqual(dump(ledger.state));
  });

  test("takes part in nothing any more: transactions, replays and statuses are refused (INV-LIFE-1, INV-LIFE-2)", async () => {
    const ledger = await filled();
    const { state, leader } = ledger;
    const code = (item: EntryItem): string => {
      const outcome = one(ledger, item);
      return outcome.kind === "refused" ? outcome.code : outcome.kind;
    };
    const status = (to: "deleting" | "deleted", height = 6): EntryItem =>
      leader.setStatus(ORGANIZATION, 1n, to, height);
    // Not before it is deleting, not with another last head, not beside a block of its own.
    expect(code(status("deleted"))).toBe("PRECONDITION_FAILED");
    expect(code(status("deleting", 5))).toBe("PRECONDITION_FAILED");
    expect(code({ kind: "sweep", vault: 1, rows: 10 })).toBe("PRECONDITION_FAILED");
    const beside = leader.transaction(1, some(leader.random, 3));
    const both = ledger.apply([beside, status("deleting")]).outcomes.map(({ kind }) => kind);
    expect(both).toEqual(["applied", "refused"]);
    const repeated = leader.transaction(1, some(leader.random, 3), "again");
    expect(code(repeated)).toBe("applied");
    // In one entry: what is behind the deletion is refused.
    const outcomes = ledger.apply([
      status("deleting", 8),
      leader.transaction(1, some(leader.random, 3)),
    ]).outcomes;
    expect(outcomes.map((done) => (done.kind === "refused" ? done.code : done.kind))).toEqual([
      "status_set",
      "VAULT_DELETED",
    ]);
    expect(code(repeated)).toBe("VAULT_DELETED");
    expect(code(status("deleting", 8))).toBe("PRECONDITION_FAILED");
    // Rows are left.
    expect(code(status("deleted", 8))).toBe("PRECONDITION_FAILED");
    expect(code(leader.vault(ORGANIZATION, 1n))).toBe("PRECONDITION_FAILED");
    expect(code({ kind: "sweep", vault: 77, rows: 10 })).toBe("PRECONDITION_FAILED");
    expect(code(leader.setStatus(ORGANIZATION, 99n, "deleting"))).toBe("VAULT_NOT_FOUND");
    expect(code(leader.setStatus(98n, 1n, "deleting"))).toBe("ORGANIZATION_NOT_FOUND");
    expect(state.rows.vault(1)!.status).toBe("deleting");
  });
});

describe("an organization that is deleted", () => {
  test("has no vault, or only such as are being deleted, and ends with the last of them", async () => {
    const ledger = await Ledger.create(testRandom("organization"), 1);
    const { state, leader } = ledger;
    const set = (to: "deleting" | "deleted"): string => {
      const outcome = one(ledger, leader.setStatus(ORGANIZATION, 0n, to));
      return outcome.kind === "refused" ? outcome.code : outcome.kind;
    };
    expect([set("deleting"), set("deleted")]).toEqual([
      "ORGANIZATION_NOT_EMPTY",
      "ORGANIZATION_NOT_EMPTY",
    ]);
    one(ledger, leader.setStatus(ORGANIZATION, 1n, "deleting"));
    expect([set("deleted"), set("deleting"), set("deleting")]).toEqual([
      "PRECONDITION_FAILED",
      "status_set",
      "PRECONDITION_FAILED",
    ]);
    const refused = one(ledger, leader.vault(ORGANIZATION, 5n));
    expect(refused).toMatchObject({ kind: "refused", code: "ORGANIZATION_NOT_ACTIVE" });
    one(ledger, { kind: "sweep", vault: 1, rows: 1_000 });
    one(ledger, leader.setStatus(ORGANIZATION, 1n, "deleted"));
    expect([set("deleted"), set("deleted")]).toEqual(["status_set", "PRECONDITION_FAILED"]);
    expect(state.rows.organizationBySlug(ORGANIZATION)!.status).toBe("deleted");
    expect([state.rows.liveOrganizations, state.rows.organizationCount]).toEqual([1, 2]);
    expect(one(ledger, leader.setStatus(0n, 0n, "deleted"))).toMatchObject({
      code: "ORGANIZATION_NOT_FOUND",
    });
  });
});
