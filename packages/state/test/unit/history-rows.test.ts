/** Which rows of the past a block writes, and how they are found again. */
import { tupleBySubjectKey, tupleKey } from "@authledger/proof";
import type { Table } from "@authledger/store";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { hasTuple, readEntity } from "../../src/index.js";
import { heightOfLeafKey, leafHistKey } from "../../src/past/history-rows.js";
import { PastLedger, VAULT } from "../past-support.js";
import type { PlainOp } from "../state-support.js";

const TUPLE = { resource: "document:a", relation: "viewer", subject: "user:ann" };
const CREATE: PlainOp = { op: "create_tuple", tuple: TUPLE, expiresAtMs: 0 };
const DELETE: PlainOp = { op: "delete_tuple", tuple: TUPLE };

function set(plain: Uint8Array): PlainOp {
  return { op: "set_entity", key: "user:e", plain, expiresAtMs: 0 };
}

/** Keys of vault 1's rows in hex. */
function keysOf(table: Table): string[] {
  const keys: string[] = [];
  const cursor = table.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    const key = toHex(cursor.key);
    if (key.startsWith("00000001")) keys.push(key);
  }
  return keys;
}

describe("the rows of a block", () => {
  test("are none for leaves that it creates, and one for each bucket (INV-PAST-1)", async () => {
    const ledger = await PastLedger.create(testRandom("history rows"));
    const { tables } = ledger.state;
    expect(keysOf(tables.bucketHist)).toEqual([]);
    ledger.fill(2_000, "import");
    expect([keysOf(tables.leafHist), keysOf(tables.valueHist)]).toEqual([[], []]);
    const blocks = ledger.vault.height;
    expect(keysOf(tables.bucketHist).length).toBeLessThanOrEqual(blocks * 256);
    const before = keysOf(tables.bucketHist).length;
    ledger.write([CREATE]);
    expect(keysOf(tables.leafHist)).toEqual([]);
    expect(keysOf(tables.bucketHist).length).toBe(before + 2);
    await ledger.close();
  });

  test("hold both directions of a tuple that is replaced or removed, and its entity's value", async () => {
    const ledger = await PastLedger.create(testRandom("history rows"));
    const { tables } = ledger.state;
    ledger.write([CREATE, set(new Uint8Array(3))]);
    ledger.write([DELETE, set(new Uint8Array(4))]);
    const { paths, height } = ledger.vault;
    const keys = [tupleKey(TUPLE), tupleBySubjectKey(TUPLE)].map((key) =>
      toHex(leafHistKey(VAULT, paths.path(key), height)),
    );
    expect(keysOf(tables.leafHist)).toEqual(expect.arrayContaining(keys));
    expect(keysOf(tables.leafHist).length).toBe(3);
    expect(keysOf(tables.valueHist).length).toBe(1);
    ledger.write([CREATE, DELETE]);
    expect(keysOf(tables.leafHist).length).toBe(3);
    await ledger.close();
  });

  test("lie newest first, up to the largest height", () => {
    const heights = [2 ** 53 - 1, 2 ** 32 + 1, 2 ** 32, 2 ** 32 - 1, 1, 0];
    const keys = heights.map((height) => leafHistKey(7, new Uint8Array(48).fill(9), height));
    expect(keys.map(heightOfLeafKey)).toEqual(heights);
    expect([...keys].map(toHex).sort()).toEqual(keys.map(toHex));
    expect(toHex(keys[4]!.slice(52))).toBe("fffffffffffffffe");
  });
});

describe("a key that changed in every block", () => {
  test("is found at each height, also when it was deleted and created again", async () => {
    const ledger = await PastLedger.create(testRandom("often"));
    for (let height = 1; height <= 40; height++) {
      const isThere = height % 3 !== 0;
      ledger.write([isThere ? CREATE : DELETE, set(Uint8Array.of(height))]);
    }
    const { vault } = ledger;
    for (let height = 1; height <= 40; height++) {
      const at = vault.at(height);
      expect(hasTuple(at, TUPLE, at.header.timestampMs)).toBe(height % 3 !== 0);
      expect(readEntity(at, "user:e", 0)).toMatchObject({
        value: Uint8Array.of(height),
        version: height,
      });
      const cursor = at.leafCursor();
      let records = 0;
      for (let ok = cursor.seek(new Uint8Array(48)); ok; ok = cursor.next()) {
        if (cursor.record !== undefined) records++;
      }
      expect(records).toBe(at.header.leafCount);
      expect(at.trie.total).toBe(at.header.leafCount);
    }
    await ledger.close();
  });
});
