/**
 * Snapshots over random histories: what is restored is what was there, record by record, its roots are those of a
 * trie built from scratch, proofs of it verify, and it can be written to and taken a snapshot of again.
 */
import {
  BuiltTrie,
  blockHash,
  decodeDescriptor,
  decodeHeader,
  decodeRecord,
  encodeStateProof,
  ledgerRecordKey,
  stateRoot,
  verifyStateProof,
} from "@authledger/proof";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import {
  type EntryItem,
  encodeEntry,
  FrameReader,
  type GroupState,
  readEntity,
  SnapshotInstall,
} from "../../src/index.js";
import { decodeEntity, type VaultEntity, vaultEntityKey } from "../../src/system-vault.js";
import { readU32 } from "../../src/tables.js";
import { recordOfRow } from "../../src/trie/leaf-row.js";
import { authority, restore, snapshotOf, snapshotPieces } from "../snapshot-support.js";
import {
  hasher,
  Ledger,
  newDisk,
  ORGANIZATION,
  openState,
  openStore,
  type PlainOp,
} from "../state-support.js";

const RENEWED = new Set(["ledger genesis "]);

/** Every record of a vault with what lies beside it; those that a restore renews by their keys alone. */
function contentsOf(state: GroupState, vault: number): string[] {
  const { leaf, value } = state.tables;
  const rows: string[] = [];
  const cursor = leaf.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    if (readU32(cursor.key) !== vault) continue;
    const record = recordOfRow(cursor.value).slice();
    const { key } = decodeRecord(record);
    const name = `${key.partition} ${key.group} ${key.item}`;
    const isRenewed = RENEWED.has(name) || (vault === 0 && key.partition.startsWith("vault:"));
    const stored = value.get(cursor.key);
    rows.push(isRenewed ? name : `${toHex(record)} ${stored && toHex(stored)}`);
  }
  return rows;
}

/** The state root over the rows, hashed from scratch. */
function rootFromScratch(state: GroupState, id: number): string {
  const vault = state.vault(id)!;
  const records: Uint8Array[] = [];
  const cursor = state.tables.leaf.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    if (readU32(cursor.key) === id) records.push(recordOfRow(cursor.value).slice());
  }
  return toHex(BuiltTrie.fromRecords(hasher, vault.row.salt, records).root(vault.vaultRef));
}

function randomOp(ledger: Ledger): PlainOp {
  const { random, timeMs } = ledger.leader;
  const n = (max: number): number => random.bytes(4).reduce((sum, b) => sum * 256 + b, 0) % max;
  const tuple = { resource: `doc:d${n(40)}`, relation: `r${n(3)}`, subject: `user:u${n(30)}` };
  const expiresAtMs = n(4) === 0 ? timeMs + 1 + n(1_000_000) : 0;
  switch (n(5)) {
    case 0:
      return { op: "delete_tuple", tuple };
    case 1: {
      const plain = random.bytes(n(3) === 0 ? 3_000 : n(40));
      return { op: "set_entity", key: `e:k${n(30)}`, plain, expiresAtMs };
    }
    case 2:
      return { op: "create_tuple", tuple, expiresAtMs, plain: random.bytes(n(20)) };
    default:
      return { op: "create_tuple", tuple, expiresAtMs };
  }
}

async function randomLedger(name: string, entries: number): Promise<Ledger> {
  const ledger = await Ledger.create(testRandom(name), 3);
  for (let i = 0; i < entries; i++) {
    ledger.leader.timeMs += 1_000;
    const vault = 1 + (i % 2); // vault 3 stays as it was made
    ledger.write(
      vault,
      Array.from({ length: 1 + (i % 9) }, () => randomOp(ledger)),
      `k${i}`,
    );
  }
  return ledger;
}

describe("a restored snapshot", () => {
  test("has every record, value and expiry of every vault, under roots hashed from scratch (INV-SNAP-5)", async () => {
    for (let round = 0; round < testRounds(3); round++) {
      const ledger = await randomLedger(`round ${round}`, 60);
      const { state, vaults } = await restore(ledger, snapshotOf(ledger.state), {
        step: [1_000_000, 7, 4_096][round % 3]!,
      });
      expect(vaults.map(({ origin }) => origin)).toEqual([
        "test.example/0/0/i1",
        ...[1, 2, 3].map((slug) => `test.example/7/${slug}/i1`),
      ]);
      for (let id = 0; id <= 3; id++) {
        expect(contentsOf(state, id)).toEqual(contentsOf(ledger.state, id));
        const { stateRoot: root } = state.vault(id)!.tip.header;
        expect(toHex(root)).toBe(rootFromScratch(state, id));
      }
      expect(state.rows.organizationBySlug(ORGANIZATION)).toEqual(
        ledger.state.rows.organizationBySlug(ORGANIZATION),
      );
      expect(state.lastSequence(1, "test")).toBe(ledger.state.lastSequence(1, "test"));
    }
  });

  test("begins each vault anew: block 0 holds the state and names the head it came from (INV-SNAP-7)", async () => {
    const ledger = await randomLedger("anew", 20);
    const { state } = await restore(ledger, snapshotOf(ledger.state));
    const before = ledger.state.vault(1)!;
    const vault = state.vault(1)!;
    expect(vault.size).toBe(1);
    expect(vault.row).toMatchObject({ origin: `${before.row.origin}/i1`, salt: before.row.salt });
    expect(vault.tip.header).toMatchObject({ height: 0, index: 2 ** 42, transactionCount: 1 });
    const path = vault.paths.path(ledgerRecordKey("ledger", "genesis"));
    const stored = state.tables.value.get(vault.rowKey(path))!;
    expect(decodeDescriptor(stored.slice(16))).toEqual({
      origin: `${before.row.origin}/i1`,
      incarnation: 1,
      predecessor: { origin: before.row.origin, size: before.size, root: before.history.root() },
    });
    expect(vault.record(ledgerRecordKey("ledger", "genesis"))!.version).toBe(2n ** 48n);
    expect(toHex(blockHash(hasher, vault.header(0)!))).toBe(toHex(vault.tip.blockHash));
    const entity = new TextDecoder().decode(
      state.tables.value
        .get(
          state
            .vault(0)!
            .rowKey(
              state.vault(0)!.paths.path({ kind: 3, partition: "vault:7:", group: "", item: "1" }),
            ),
        )!
        .slice(16),
    );
    expect(JSON.parse(entity)).toMatchObject({
      origin: vault.row.origin,
      vault_ref: toHex(vault.vaultRef),
    });
  });

  test("is written to, proves what it holds, and survives another restore of its own snapshot", async () => {
    const ledger = await randomLedger("again", 20);
    const first = await restore(ledger, snapshotOf(ledger.state));
    const tuple = { resource: "doc:new", relation: "r0", subject: "user:new" };
    const { leader } = ledger;
    leader.timeMs += 1_000;
    const item = leader.transaction(1, [{ op: "create_tuple", tuple, expiresAtMs: 0 }]);
    const { index } = first.state.applied;
    first.state.apply(index + 1, 1, leader.entry([item]));
    const vault = first.state.vault(1)!;
    expect(vault.size).toBe(2);
    const key = { kind: 1, partition: "doc:new", group: "r0", item: "user:new" } as const;
    expect(vault.record(key)!.version).toBe(2n ** 48n + 1n);
    const { header } = vault.tip;
    const proof = encodeStateProof(vault.trie, vault.paths, { gets: [key], lists: [] });
    const { salt } = vault.row;
    const context = { hasher, salt, vaultRef: vault.vaultRef };
    expect(verifyStateProof(proof, header.stateRoot, context).get(key).kind).toBe("present");
    expect(toHex(stateRoot(hasher, vault.vaultRef, vault.trie.total, vault.trie.top()))).toBe(
      toHex(header.stateRoot),
    );
    const second = await restore(ledger, snapshotOf(first.state));
    expect(second.state.vault(1)!.row.origin).toBe("test.example/7/1/i2");
    expect(second.state.applied.index).toBe(2 * 2 ** 42);
    expect(contentsOf(second.state, 1)).toEqual(contentsOf(first.state, 1));
  });

  // All renamings were one block: with some 90,000 vaults it was larger than a frame of a snapshot may be, and the
  // restored group could not be exported any more.
  test("renames its vaults in blocks that fit a frame, and can be exported again (INV-SNAP-5)", async () => {
    const ledger = await Ledger.create(testRandom("renames"), 5);
    const renames = { transaction: 2, block: 3 };
    const first = await restore(ledger, snapshotOf(ledger.state), { renames });
    const { state } = await restore(ledger, snapshotOf(first.state), { renames });
    for (const [restored, suffix] of [[first.state, "/i1"] as const, [state, "/i2"] as const]) {
      const system = restored.vault(0)!;
      const counts = Array.from({ length: system.size }, (_, height) => {
        return decodeHeader(system.header(height)!).transactionCount;
      });
      expect(counts).toEqual([1, 2, 1]);
      expect(toHex(system.tip.header.stateRoot)).toBe(rootFromScratch(restored, 0));
      for (let slug = 1n; slug <= 5n; slug++) {
        const { value } = readEntity(system, vaultEntityKey(ORGANIZATION, slug), 0)!;
        expect(decodeEntity<VaultEntity>(value).origin).toMatch(new RegExp(`/${slug}${suffix}$`));
      }
    }
  });

  test("keeps what was not renewed at its version, and takes a higher incarnation on request only", async () => {
    const ledger = await randomLedger("versions", 10);
    const snapshot = snapshotOf(ledger.state);
    const { vaults } = await restore(ledger, snapshot, { incarnation: 5 });
    expect(vaults[1]!.origin).toBe("test.example/7/1/i5");
    for (const incarnation of [0, 32]) {
      await expect(restore(ledger, snapshot, { incarnation })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
  });
});

describe("a snapshot", () => {
  test("is of one point, whatever is written while it is read (INV-SNAP-2)", async () => {
    const ledger = await randomLedger("one point", 30);
    const before = contentsOf(ledger.state, 1);
    const pieces: Uint8Array[] = [];
    for (const piece of snapshotPieces(ledger.state)) {
      pieces.push(piece);
      ledger.leader.timeMs += 1_000;
      ledger.write(
        1,
        Array.from({ length: 5 }, () => randomOp(ledger)),
      );
      if (pieces.length % 3 === 0) await ledger.store.flush(ledger.state.prepareFlush());
    }
    expect(ledger.store.stats().pins).toBe(0);
    const { state } = await restore(ledger, Buffer.concat(pieces));
    expect(contentsOf(state, 1)).toEqual(before);
  });

  // A vault in status "deleting" went into the file half swept, and the whole snapshot was refused.
  test("of a ledger that is deleting a vault holds the vault's row, and the deletion ends after the restore", async () => {
    const ledger = await Ledger.create(testRandom("deleting"), 2);
    const { leader, state } = ledger;
    const tuple = (i: number) => ({ resource: `doc:d${i}`, relation: "r", subject: "user:u" });
    const create = (i: number) =>
      ({ op: "create_tuple", tuple: tuple(i), expiresAtMs: 0 }) as const;
    for (const vault of [1, 2]) ledger.write(vault, [create(1), create(2), create(3)]);
    ledger.apply([leader.setStatus(ORGANIZATION, 1n, "deleting", 1)]);
    ledger.apply([{ kind: "sweep", vault: 1, rows: 3 }]);
    const other = contentsOf(state, 2);
    const { state: restored } = await restore(ledger, snapshotOf(state));
    expect(restored.rows.vault(1)!.status).toBe("deleting");
    expect(contentsOf(restored, 2)).toEqual(other);
    const items: readonly EntryItem[] = [
      { kind: "sweep", vault: 1, rows: 1_000 },
      leader.setStatus(ORGANIZATION, 1n, "deleted", 1),
    ];
    const { index, term } = restored.applied;
    restored.apply(index + 1, term, encodeEntry({ timeMs: leader.timeMs, items }));
    expect(restored.rows.vault(1)!.status).toBe("deleted");
  });

  test("is made piece by piece, each of about one frame (INV-SNAP-3)", async () => {
    const ledger = await Ledger.create(testRandom("pieces"), 1);
    for (let i = 0; i < 10; i++) {
      const ops = Array.from({ length: 200 }, (_, j) => {
        const tuple = { resource: `doc:d${i}`, relation: "r", subject: `user:u${j}` };
        return { op: "create_tuple", tuple, expiresAtMs: 0 } as const;
      });
      ledger.write(1, ops);
    }
    const sizes = [...snapshotPieces(ledger.state)].map(({ length }) => length);
    expect(sizes.filter((size) => size > 50_000).length).toBeGreaterThanOrEqual(3);
    expect(Math.max(...sizes)).toBeLessThan(64 * 1024 + 32 * 1024);
  });

  test("that is not read to its end names no cluster, also in a store that was flushed (INV-SNAP-6)", async () => {
    const ledger = await randomLedger("half", 10);
    const store = await openStore(await newDisk(), ledger.leader.random);
    const install = new SnapshotInstall(store, hasher, authority(ledger), () => undefined);
    const frames = [...new FrameReader(hasher).push(snapshotOf(ledger.state))];
    for (const frame of frames.slice(0, -1)) install.take(frame);
    await store.flush(install.prepareFlush());
    expect(() => install.finish(1)).toThrow(/ends before the snapshot does/);
    const { cluster, applied } = openState(store);
    expect([cluster, applied.index]).toEqual([undefined, 0]);
  });
});
