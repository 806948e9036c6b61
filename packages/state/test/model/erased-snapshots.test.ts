/** Snapshots beside erasures: what was erased does not come back with them, and digests are those of everybody else. */
import { entityKey } from "@authledger/proof";
import { toHex, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { type GroupState, ReplicaSnapshot, readEntity } from "../../src/index.js";
import { erasure } from "../erase-support.js";
import { load, replicaOf } from "../replica-support.js";
import { restore, snapshotOf, snapshotPieces } from "../snapshot-support.js";
import { dump, hasher, Ledger } from "../state-support.js";

const SECRET = "a secret that goes";
const KEPT = "another that stays";

interface Written {
  readonly ledger: Ledger;
  /** Where `person:1` and `person:2` were as SECRET and KEPT. */
  readonly height: number;
}

/** Two persons that were written, replaced, and the first of them deleted; random blocks around. */
async function written(name: string): Promise<Written> {
  const random = testRandom(name);
  const ledger = await Ledger.create(random, 2);
  const set = (key: string, text: string): number => {
    ledger.leader.timeMs += 10;
    const op = { op: "set_entity", key, plain: utf8(text), expiresAtMs: 0 } as const;
    return ledger.write(1, [op]).transaction.height;
  };
  const others = (): void => {
    for (let i = 0; i < 15; i++) set(`other:${random.int(6)}`, `other ${random.int(1_000)}`);
  };
  others();
  set("person:1", SECRET);
  const height = set("person:2", KEPT);
  others();
  set("person:2", "replaced");
  ledger.write(1, [{ op: "delete_entity", key: "person:1", condition: { kind: "none" } }]);
  return { ledger, height };
}

function erase(ledger: Ledger): void {
  const [outcome] = ledger.apply([erasure(ledger, "person:1")]).outcomes;
  expect(outcome).toEqual({ kind: "erased", vault: 1, versions: 1, isDone: true });
}

function expectErased(state: GroupState, { ledger, height }: Written): void {
  expect(state.applied).toEqual(ledger.state.applied);
  const rows = dump(state);
  expect(rows).toEqual(dump(ledger.state));
  expect(rows.some((row) => row.includes(toHex(utf8(SECRET))))).toBe(false);
  const past = state.vault(1)!.at(height);
  expect(readEntity(past, "person:1", 0)).toMatchObject({
    value: new Uint8Array(0),
    erasedAtMs: expect.any(Number),
  });
  expect(readEntity(past, "person:2", 0)!.value).toEqual(utf8(KEPT));
  expect(past.trie.total).toBe(past.header.leafCount);
}

describe("a replica's snapshot", () => {
  test("after an erasure loads to the same digest, and refuses the value (INV-ERASE-2)", async () => {
    for (let round = 0; round < testRounds(2); round++) {
      const scene = await written(`replica after erasure ${round}`);
      erase(scene.ledger);
      const bytes = replicaOf(scene.ledger);
      expect(Buffer.from(bytes).includes(SECRET)).toBe(false);
      const { state } = await load(scene.ledger, bytes);
      expectErased(state, scene);
    }
  });

  test("that was begun before an erasure has the value until the log brings the erasure (INV-ERASE-2)", async () => {
    for (let round = 0; round < testRounds(2); round++) {
      const scene = await written(`replica before erasure ${round}`);
      const { ledger, height } = scene;
      const snapshot = ReplicaSnapshot.of({ state: ledger.state, store: ledger.store, hasher }, 1);
      const { index, term } = snapshot.head;
      const pieces = snapshot.bytes();
      const parts = [pieces.next().value as Uint8Array];
      erase(ledger);
      await ledger.store.flush(ledger.state.prepareFlush());
      parts.push(...pieces);
      snapshot.release();
      const { state } = await load(ledger, new Uint8Array(Buffer.concat(parts)), {
        at: { index, term },
      });
      expect(readEntity(state.vault(1)!.at(height), "person:1", 0)!.value).toEqual(utf8(SECRET));
      for (let i = index; i < ledger.log.length; i++) state.apply(i + 1, 1, ledger.log[i]!);
      expectErased(state, scene);
    }
  });
});

describe("a snapshot that is restored as another ledger", () => {
  test("after an erasure has no byte of the value, and is the same each time (INV-ERASE-2)", async () => {
    const { ledger } = await written("restore after erasure");
    const before = snapshotOf(ledger.state);
    erase(ledger);
    const bytes = snapshotOf(ledger.state);
    // An earlier value is in none of them: a snapshot holds what is stored now, and blocks.
    for (const one of [before, bytes]) expect(Buffer.from(one).includes(SECRET)).toBe(false);
    const { state, vaults } = await restore(ledger, bytes);
    expect(vaults.length).toBeGreaterThan(0);
    expect(dump(state).some((row) => row.includes(toHex(utf8(SECRET))))).toBe(false);
    const vault = state.vault(1)!;
    expect(readEntity(vault, "person:1", 0)).toBeUndefined();
    expect(readEntity(vault, "person:2", 0)!.value).toEqual(utf8("replaced"));
    // The record of the erasure is a part of the system vault, so it is restored, too.
    const path = ledger.state.vault(1)!.paths.path(entityKey("person:1"));
    expect(dump(state).some((row) => row.includes(toHex(utf8(`:1:${toHex(path)}`))))).toBe(true);
  });

  test("that was begun before a deletion and an erasure has the value, which is erased there again", async () => {
    const random = testRandom("restore before erasure");
    const ledger = await Ledger.create(random, 1);
    const op = { op: "set_entity", key: "person:1", plain: utf8(SECRET), expiresAtMs: 0 } as const;
    ledger.write(1, [op]);
    const pieces = snapshotPieces(ledger.state);
    const parts = [pieces.next().value as Uint8Array];
    ledger.write(1, [{ op: "delete_entity", key: "person:1", condition: { kind: "none" } }]);
    erase(ledger);
    await ledger.store.flush(ledger.state.prepareFlush());
    parts.push(...pieces);
    const { state } = await restore(ledger, new Uint8Array(Buffer.concat(parts)));
    expect(readEntity(state.vault(1)!, "person:1", 0)!.value).toEqual(utf8(SECRET));
    const { leader } = ledger;
    const remove = { op: "delete_entity", key: "person:1", condition: { kind: "none" } } as const;
    const items = [leader.transaction(1, [remove])];
    const { index, term } = state.applied;
    state.apply(index + 1, term, leader.entry(items));
    const again = leader.entry([erasure({ leader, state }, "person:1")]);
    const [outcome] = state.apply(index + 2, term, again).outcomes;
    expect(outcome).toEqual({ kind: "erased", vault: 1, versions: 1, isDone: true });
    expect(dump(state).some((row) => row.includes(toHex(utf8(SECRET))))).toBe(false);
  });
});
