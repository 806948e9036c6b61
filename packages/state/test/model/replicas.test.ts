/**
 * Replicas that differ in everything that entries do not say: when they flush, restart and crash, and how much they
 * keep in memory. Their digests and their tables stay equal, row by row.
 */
import type { MemoryDisk, SeededRandom } from "@authledger/io";
import { BuiltTrie } from "@authledger/proof";
import type { PageStore } from "@authledger/store";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { OPEN_VAULTS_MAX } from "../../src/group-state.js";
import type { BranchCacheOptions, EntryItem, GroupState } from "../../src/index.js";
import { recordOfRow } from "../../src/trie/leaf-row.js";
import {
  dump,
  hasher,
  type Leader,
  Ledger,
  newDisk,
  ORGANIZATION,
  openState,
  openStore,
  type PlainOp,
} from "../state-support.js";

/** A replica that is fed a log, and does what its schedule says between two entries. */
class Replica {
  readonly #random: SeededRandom;
  readonly #options: BranchCacheOptions | undefined;
  #disk: MemoryDisk;
  #store: PageStore;
  state: GroupState;

  private constructor(
    random: SeededRandom,
    disk: MemoryDisk,
    store: PageStore,
    options: BranchCacheOptions | undefined,
  ) {
    this.#random = random;
    this.#disk = disk;
    this.#store = store;
    this.#options = options;
    this.state = openState(store, options);
  }

  static async open(random: SeededRandom, options?: BranchCacheOptions): Promise<Replica> {
    const disk = await newDisk();
    return new Replica(random, disk, await openStore(disk, random), options);
  }

  /** Applies what it lacks of a log. */
  follow(log: readonly Uint8Array[]): void {
    for (let i = this.state.applied.index; i < log.length; i++) this.state.apply(i + 1, 1, log[i]!);
  }

  async flush(): Promise<void> {
    await this.#store.flush(this.state.prepareFlush());
  }

  /** Power goes: what was not flushed is lost. */
  async crash(): Promise<void> {
    await this.#store.close();
    this.#disk = this.#disk.crash(this.#random);
    this.#store = await openStore(this.#disk, this.#random);
    this.state = openState(this.#store, this.#options);
  }

  get digest(): string {
    return toHex(this.state.applied.digest);
  }
}

/** Many tuples of few resources and subjects: deep branches in few buckets. */
function randomOps(random: SeededRandom): PlainOp[] {
  return Array.from({ length: 1 + random.int(random.pick([4, 60])) }, () => {
    const tuple = {
      resource: `document:d${random.int(3)}`,
      relation: random.pick(["viewer", "editor"]),
      subject: `user:u${random.int(150)}`,
    };
    if (random.chance(0.25)) return { op: "delete_tuple", tuple };
    return { op: "create_tuple", tuple, expiresAtMs: 0 };
  });
}

function randomItems(random: SeededRandom, leader: Leader): EntryItem[] {
  const key = random.chance(0.3) ? `key-${random.int(20)}` : "";
  const items = [leader.transaction(1 + random.int(3), randomOps(random), key)];
  if (random.chance(0.3)) items.push(leader.transaction(1, randomOps(random)));
  if (random.chance(0.1)) items.push(leader.vault(ORGANIZATION, BigInt(random.int(9))));
  return items;
}

describe("replicas", () => {
  test("of one log have one digest after every entry and the same rows, whenever they flush, crash and restart (INV-STATE-1)", async () => {
    const random = testRandom("replicas");
    for (let round = 0; round < testRounds(2); round++) {
      const { leader, log } = await Ledger.create(random, 3);
      const lazy = await Replica.open(random, { dirtyMax: 100_000, residentMax: 100_000 });
      const eager = await Replica.open(random, { dirtyMax: 1, residentMax: 1 });
      const unlucky = await Replica.open(random);
      for (let i = 0; i < 60; i++) {
        leader.timeMs += random.pick([0, 10, 3_600_000]);
        log.push(leader.entry(randomItems(random, leader)));
        for (const replica of [lazy, eager, unlucky]) replica.follow(log);
        expect([eager.digest, unlucky.digest]).toEqual([lazy.digest, lazy.digest]);
        await eager.flush();
        if (random.chance(0.2)) await unlucky.flush();
        if (random.chance(0.15)) await unlucky.crash();
      }
      for (const replica of [lazy, eager, unlucky]) replica.follow(log);
      const rows = dump(lazy.state);
      expect(rows.filter((row) => row.startsWith("branch")).length).toBeGreaterThan(20);
      expect(dump(eager.state)).toEqual(rows);
      expect(dump(unlucky.state)).toEqual(rows);
    }
  });

  test("find in a flush all that they were when it began, without the log (INV-STATE-3)", async () => {
    const random = testRandom("flushed");
    const { leader, log } = await Ledger.create(random, 3);
    const replica = await Replica.open(random, { dirtyMax: 100_000, residentMax: 100_000 });
    for (let i = 0; i < 30; i++) {
      log.push(leader.entry(randomItems(random, leader)));
      replica.follow(log);
      if (random.chance(0.7)) continue;
      const { applied, cluster } = replica.state;
      const heads = headsOf(replica.state);
      await replica.flush();
      await replica.crash();
      expect(replica.state.applied).toEqual(applied);
      expect(replica.state.cluster).toEqual(cluster);
      expect(headsOf(replica.state)).toEqual(heads);
    }
  });

  test("get the flush of a state into steps, between which entries are applied", async () => {
    const random = testRandom("settled");
    const { leader, log } = await Ledger.create(random, 3);
    const [one, other] = [await Replica.open(random), await Replica.open(random)];
    for (let i = 0; i < 20; i++) {
      log.push(leader.entry(randomItems(random, leader)));
      one.follow(log);
      for (const _ of one.state.settle()) one.follow(log);
      if (random.chance(0.3)) await one.flush();
      if (random.chance(0.2)) await one.crash();
    }
    for (const replica of [one, other]) replica.follow(log);
    expect(one.digest).toBe(other.digest);
    expect(dump(one.state)).toEqual(dump(other.state));
  });
});

/** Block hash, leaves and trie of each vault. */
function headsOf(state: GroupState): string[] {
  return Array.from({ length: state.rows.vaultCount }, (_, id) => {
    const { tip, trie } = state.vault(id)!;
    return `${toHex(tip.blockHash)} ${trie.total} ${toHex(trie.top())}`;
  });
}

describe("open vaults", () => {
  test(`are at most ${OPEN_VAULTS_MAX} after a flush, the longest unused leave, and no root changes`, async () => {
    const random = testRandom("open vaults");
    const vaults = OPEN_VAULTS_MAX + 10;
    const { leader, log, state } = await Ledger.create(random, 0);
    const replica = await Replica.open(random);
    const apply = (items: EntryItem[]): void => {
      log.push(leader.entry(items));
      state.apply(log.length, 1, log.at(-1)!);
      replica.follow(log);
      expect(replica.digest).toBe(toHex(state.applied.digest));
    };
    apply(Array.from({ length: vaults }, (_, i) => leader.vault(ORGANIZATION, BigInt(i + 1))));
    for (let round = 0; round < 3; round++) {
      await replica.flush();
      const open = Array.from({ length: vaults + 1 }, (_, id) => replica.state.openVault(id));
      expect(open.filter((vault) => vault !== undefined)).toHaveLength(OPEN_VAULTS_MAX);
      // The system vault was used first, then each new one in turn.
      if (round === 0) expect(open.findIndex((vault) => vault !== undefined)).toBe(11);
      const used = Array.from({ length: 20 }, () => random.int(vaults + 1));
      apply(used.map((id) => leader.transaction(id, randomOps(random))));
      expect(used.every((id) => replica.state.openVault(id) !== undefined)).toBe(true);
    }
    const closed = replica.state.openVault(1) === undefined ? 1 : 2;
    expect(replica.state.vault(closed)!.tip.bytes).toEqual(state.vault(closed)!.tip.bytes);
    expect(replica.state.vault(vaults + 1)).toBeUndefined();
    expectRootOfLeaves(replica.state, closed);
  });
});

function expectRootOfLeaves(state: GroupState, id: number): void {
  const records: Uint8Array[] = [];
  const cursor = state.tables.leaf.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    const vault = new DataView(cursor.key.buffer, cursor.key.byteOffset).getUint32(0);
    if (vault === id) records.push(recordOfRow(cursor.value).slice());
  }
  const { row, tip, vaultRef } = state.vault(id)!;
  const built = BuiltTrie.fromRecords(hasher, row.salt, records);
  expect(toHex(tip.header.stateRoot)).toBe(toHex(built.root(vaultRef)));
}
