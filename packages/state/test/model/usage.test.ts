/** What vaults and organizations hold, as blocks count it, against counting every row after random histories. */
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { type GroupState, Scrub, type VaultUsage } from "../../src/index.js";
import { u32Key } from "../../src/tables.js";
import { countVaultRows, leavesOf } from "../../src/usage.js";
import { isGone } from "../../src/vault-rows.js";
import { randomBlock } from "../past-queries.js";
import { PastLedger, VAULT } from "../past-support.js";
import { restore, snapshotOf } from "../snapshot-support.js";
import { hasher, Ledger, ORGANIZATION } from "../state-support.js";

function counted(state: GroupState, vault: number): VaultUsage {
  const counting = countVaultRows(state.tables, vault, (table) => table);
  for (;;) {
    const step = counting.next();
    if (step.done) return step.value;
  }
}

/** Every row is what counting says, and every organization the sum of its vaults. */
function expectExact(state: GroupState): void {
  const { rows, usage, tables } = state;
  for (let organization = 0; organization < rows.organizationCount; organization++) {
    const sum = { vaults: 0, entities: 0, tuples: 0, records: 0, liveBytes: 0, historyBytes: 0 };
    for (const id of rows.vaultIdsOf(organization)) {
      if (isGone(rows.vault(id)!)) continue;
      expect(tables.vaultUsage.has(u32Key(id))).toBe(true);
      const found = usage.vault(id);
      expect(found).toEqual(counted(state, id));
      expect(leavesOf(found)).toBe(state.requireVault(id).tip.header.leafCount);
      sum.vaults++;
      for (const name of Object.keys(found) as (keyof VaultUsage)[]) sum[name] += found[name];
    }
    expect(usage.organization(organization)).toEqual(sum);
  }
}

describe("usage", () => {
  test("is what counting says, through blocks, retention and crashes (INV-USAGE-1, INV-USAGE-2)", async () => {
    const random = testRandom("usage");
    for (let round = 0; round < testRounds(3); round++) {
      const ledger = await PastLedger.create(random);
      for (let i = 0; i < 25; i++) {
        if (random.chance(0.2)) ledger.keep(random.pick([undefined, 1, 3, 8]));
        ledger.leader.timeMs += random.int(900);
        randomBlock(ledger);
        if (random.chance(0.3)) ledger.apply([{ kind: "prune", vault: VAULT }]);
        if (random.chance(0.2)) await ledger.flush();
        if (random.chance(0.1)) await ledger.crash();
        expectExact(ledger.state);
      }
      await ledger.close();
    }
  }, 60_000);

  test("goes with a vault that is deleted, and the organization's others stay", async () => {
    const ledger = await Ledger.create(testRandom("usage of deleted"), 3);
    const plain = new Uint8Array(100);
    for (const vault of [1, 2, 3]) {
      ledger.write(vault, [{ op: "set_entity", key: `k:${vault}`, plain, expiresAtMs: 0 }]);
    }
    expectExact(ledger.state);
    ledger.apply([
      ledger.leader.setStatus(ORGANIZATION, 2n, "deleting", ledger.state.vault(2)!.height),
    ]);
    expectExact(ledger.state);
    expect(ledger.state.usage.organization(1)).toMatchObject({ vaults: 2, entities: 2 });
    expect(ledger.state.usage.vault(2)).toMatchObject({ entities: 0, liveBytes: 0 });
    for (let i = 0; i < 9; i++) ledger.apply([{ kind: "sweep", vault: 2, rows: 1_000 }]);
    expect(ledger.state.tables.vaultUsage.has(u32Key(2))).toBe(false);
    expectExact(ledger.state);
  });

  test("is counted once where an earlier version wrote no rows, the same on every replica", async () => {
    const random = testRandom("usage of before");
    const ledger = await Ledger.create(random, 2);
    const write = (key: string) =>
      ledger.write(1, [{ op: "set_entity", key, plain: new Uint8Array(9), expiresAtMs: 0 }]);
    for (let i = 0; i < 5; i++) write(`k:${i}`);
    const before = ledger.state.usage.organization(1);
    for (const table of [ledger.state.tables.vaultUsage, ledger.state.tables.organizationUsage]) {
      table.deleteRange(u32Key(0), u32Key(1_000));
    }
    expect(ledger.state.usage.organization(1)).toEqual(before);
    write("k:6");
    expect(ledger.state.usage.vault(1)).toEqual(counted(ledger.state, 1));
    expect(ledger.state.usage.organization(1).entities).toBe(6);
  });

  test("is there after a restore", async () => {
    const ledger = await Ledger.create(testRandom("usage restored"), 2);
    const plain = new Uint8Array(70);
    for (let i = 0; i < 20; i++) {
      const tuple = { resource: `doc:${i}`, relation: "viewer", subject: "user:a" };
      ledger.write(1 + (i % 2), [
        { op: "create_tuple", tuple, expiresAtMs: 0 },
        { op: "set_entity", key: `k:${i % 3}`, plain, expiresAtMs: 0 },
      ]);
    }
    const { state } = await restore(ledger, snapshotOf(ledger.state));
    expectExact(state);
    expect(state.usage.organization(1).tuples).toBe(20);
  });

  test("that is wrong is found by the scrubber, which names the vault", async () => {
    const ledger = await Ledger.create(testRandom("usage scrub"), 1);
    const { state, store } = ledger;
    ledger.write(1, [{ op: "set_entity", key: "k:1", plain: new Uint8Array(9), expiresAtMs: 0 }]);
    const found = (): string[] => {
      state.prepareFlush();
      store.endBatch();
      const whats: string[] = [];
      const onDifference = ({ vault, what }: { vault: unknown; what: string }): void => {
        whats.push(`${(vault as { id: number } | undefined)?.id} ${what}`);
      };
      for (const _ of new Scrub({ state, store, hasher, onDifference }).run());
      return whats;
    };
    expect(found()).toEqual([]);
    state.usage.change(1, 1, { ...counted(state, 0), entities: 0, tuples: 0, records: 0 });
    expect(found()).toEqual([expect.stringContaining("1 the usage row says liveBytes")]);
    state.usage.change(1, 1, { entities: 1, tuples: 0, records: 0, liveBytes: 0, historyBytes: 0 });
    expect(found()).toEqual([expect.stringContaining("1 the usage row counts")]);
  });
});
