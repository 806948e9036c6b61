/** How many vaults and branches are in memory, and what is told of a vault that is not. */
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { hasTuple } from "../../src/index.js";
import { Ledger, ORGANIZATION } from "../state-support.js";

const TUPLE = { resource: "document:d1", relation: "viewer", subject: "user:ann" };
const VAULTS = 40;

/** At most 4 vaults are open after a flush, and 50 branches in memory. */
async function ledger(name: string): Promise<Ledger> {
  const options = { dirtyMax: 50, residentMax: 50, openVaultsMax: 4 };
  const made = await Ledger.create(testRandom(name), VAULTS, options);
  for (let vault = 1; vault <= VAULTS; vault += 2) {
    made.write(vault, [{ op: "create_tuple", tuple: TUPLE, expiresAtMs: 0 }]);
  }
  made.state.prepareFlush();
  return made;
}

describe("what readers bring into memory", () => {
  // A node that nobody writes to never flushed, so what was read there stayed: some 40 KiB for each vault.
  test("is told to be too much with four times the open vaults that a flush leaves, and answers stay right", async () => {
    const { state } = await ledger("crowded");
    expect([state.openVaults, state.isCrowded]).toEqual([4, false]);
    for (let round = 0; round < 3; round++) {
      for (let vault = 1; vault <= VAULTS; vault++) {
        const open = state.requireVault(vault);
        expect(hasTuple(open, TUPLE, 1)).toBe(vault % 2 === 1);
        expect(state.isCrowded).toBe(state.openVaults > 16);
        if (!state.isCrowded) continue;
        state.prepareFlush();
        expect([state.openVaults, state.isCrowded]).toEqual([4, false]);
        // The last one that was asked for stays.
        expect(state.openVault(vault)).toBe(open);
      }
    }
  });

  test("is too much with as many branches again as there may be", async () => {
    const made = await ledger("branches");
    const { state } = made;
    for (let from = 0; from < 8_000; from += 1_000) {
      const ops = Array.from({ length: 1_000 }, (_, i) => {
        const tuple = { ...TUPLE, subject: `user:u${from + i}` };
        return { op: "create_tuple", tuple, expiresAtMs: 0 } as const;
      });
      made.write(1, ops);
    }
    for (let vault = 2; vault <= VAULTS; vault++) state.requireVault(vault);
    state.prepareFlush();
    expect([state.openVault(1), state.isCrowded]).toEqual([undefined, false]);
    const { trie } = state.requireVault(1);
    for (let bucket = 0; bucket < 256; bucket++) trie.bucket(bucket);
    expect(state.isCrowded).toBe(true);
    state.prepareFlush();
    expect(state.isCrowded).toBe(false);
  });

  test("is no vault of which only the heights are asked", async () => {
    const made = await ledger("extent");
    const { state } = made;
    const open = state.openVaults;
    for (let vault = 0; vault <= VAULTS; vault++) {
      const { height, oldest } = state.extent(vault)!;
      expect(state.openVaults).toBe(open);
      if (state.openVault(vault) !== undefined) continue;
      expect([height, oldest]).toEqual([vault === 0 ? VAULTS + 1 : vault % 2, 0]);
    }
    expect(state.extent(VAULTS + 1)).toBeUndefined();
    made.leader.timeMs++;
    made.apply([made.leader.setStatus(ORGANIZATION, 2n, "deleting")]);
    expect(state.extent(2)).toBeUndefined();
  });
});

describe("an entry that threw half-way", () => {
  // A build of a snapshot that was under way went on and took a state that no other replica has.
  test("is in no flush and no export (INV-STATE-2)", async () => {
    const made = await ledger("half");
    const { state } = made;
    const { tip } = state.tables;
    const put = tip.put.bind(tip);
    tip.put = () => {
      throw new Error("broken");
    };
    const tuple = { ...TUPLE, subject: "user:bob" };
    const create = { op: "create_tuple", tuple, expiresAtMs: 0 } as const;
    expect(() => made.write(1, [create])).toThrow("broken");
    tip.put = put;
    expect(() => state.prepareFlush()).toThrow("INV-STATE-2");
    expect(() => state.pinForExport()).toThrow("INV-STATE-2");
  });
});
