/** The indexes of records say what a walk over all leaves says, whatever happened. */
import { decodeRecord, Kind } from "@authledger/proof";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import type { GroupState } from "../../src/index.js";
import { firstExpiry, scanDue } from "../../src/index.js";
import { entityRowKey, expiryKey } from "../../src/record-indexes.js";
import { readU32 } from "../../src/tables.js";
import { recordOfRow } from "../../src/trie/leaf-row.js";
import { Ledger, type PlainOp } from "../state-support.js";

/** The rows that the leaves ask for. */
function expected(state: GroupState): { expiry: string[]; entity: string[] } {
  const expiry: string[] = [];
  const entity: string[] = [];
  const cursor = state.tables.leaf.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    const vault = readU32(cursor.key);
    const path = cursor.key.slice(4);
    const { key, expiresAtMs } = decodeRecord(recordOfRow(cursor.value).slice());
    if (key.kind === Kind.entity) entity.push(toHex(entityRowKey(vault, key.partition + key.item)));
    if (key.kind !== Kind.entity && key.kind !== Kind.tupleByResource) continue;
    if (expiresAtMs === 0n || expiresAtMs >= 2n ** 48n) continue;
    expiry.push(toHex(expiryKey(Number(expiresAtMs), vault, path)));
  }
  return { expiry: expiry.sort(), entity: entity.sort() };
}

function actual(state: GroupState): { expiry: string[]; entity: string[] } {
  const rows = { expiry: [] as string[], entity: [] as string[] };
  for (const name of ["expiry", "entity"] as const) {
    const cursor = state.tables[name].cursor();
    for (let ok = cursor.first(); ok; ok = cursor.next()) {
      // Of an entity that is gone there is the height.
      if (cursor.value.length === 0) rows[name].push(toHex(cursor.key));
    }
  }
  return rows;
}

describe("index rows", () => {
  test("of expiries and entities are those of the leaves after every entry (INV-INDEX-1, INV-INDEX-2)", async () => {
    const random = testRandom("record indexes");
    for (let round = 0; round < testRounds(2); round++) {
      const ledger = await Ledger.create(random, 2);
      const { leader, state } = ledger;
      let rows = 0;
      for (let step = 0; step < 60; step++) {
        leader.timeMs += random.int(1_000);
        const expiresAtMs = random.pick([
          0,
          leader.timeMs + random.int(5_000),
          2 ** 48 - 1,
          2 ** 48,
        ]);
        const ops = Array.from({ length: 1 + random.int(6) }, (): PlainOp => {
          const tuple = { resource: `doc:${random.int(6)}`, relation: "viewer", subject: "user:a" };
          const key = `config:${random.int(6)}`;
          const plain = random.bytes(3);
          return random.pick<PlainOp>([
            { op: "create_tuple", tuple, expiresAtMs },
            { op: "delete_tuple", tuple },
            { op: "set_entity", key, plain, expiresAtMs },
            { op: "delete_entity", key, condition: { kind: "none" } },
          ]);
        });
        ledger.apply([leader.transaction(1 + random.int(2), ops)]);
        expect(actual(state)).toEqual(expected(state));
        rows += actual(state).expiry.length;
      }
      expect(rows).toBeGreaterThan(0);
    }
  });

  test("are read from the earliest on, page by page, up to a time", async () => {
    const random = testRandom("due pages");
    const { state, leader, ...ledger } = await Ledger.create(random, 2);
    const apply = (items: Parameters<Ledger["apply"]>[0]): unknown =>
      state.apply(state.applied.index + 1, 1, leader.entry(items));
    expect([firstExpiry(state.tables), ledger.log.length]).toEqual([undefined, 4]);
    const start = leader.timeMs;
    for (let i = 0; i < 10; i++) {
      const tuple = { resource: `doc:${i}`, relation: "viewer", subject: "user:a" };
      const op: PlainOp = { op: "create_tuple", tuple, expiresAtMs: start + 10 - i };
      apply([leader.transaction(1 + (i % 2), [op])]);
    }
    expect(firstExpiry(state.tables)).toBe(start + 1);
    const times: number[] = [];
    let from: Uint8Array | undefined;
    do {
      const page = scanDue(state.tables, { timeMs: start + 7, from, rowsMax: 3 });
      expect(page.due.length).toBeLessThanOrEqual(3);
      times.push(...page.due.map(({ expiresAtMs }) => expiresAtMs - start));
      from = page.next;
    } while (from !== undefined);
    expect(times).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});
