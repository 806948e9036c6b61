/**
 * Snapshots for other replicas over random histories: what is loaded is the same state, row by row, and goes on with
 * the same log to the same digests.
 */
import type { SeededRandom } from "@authledger/io";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { GroupState, ReplicaSnapshot } from "../../src/index.js";
import { load, replicaOf } from "../replica-support.js";
import {
  dump,
  hasher,
  Ledger,
  newDisk,
  openState,
  openStore,
  type PlainOp,
} from "../state-support.js";

function randomOps(random: SeededRandom, timeMs: number): PlainOp[] {
  return Array.from({ length: 1 + random.int(random.pick([3, 40])) }, (): PlainOp => {
    const tuple = {
      resource: `doc:d${random.int(30)}`,
      relation: random.pick(["viewer", "editor"]),
      subject: `user:u${random.int(90)}`,
    };
    const expiresAtMs = random.chance(0.2) ? timeMs + 1_000 : 0;
    if (random.chance(0.2)) return { op: "delete_tuple", tuple };
    if (random.chance(0.2)) {
      const plain = random.bytes(random.chance(0.1) ? 9_000 : 30);
      return { op: "set_entity", key: `e:k${random.int(40)}`, plain, expiresAtMs };
    }
    return { op: "create_tuple", tuple, expiresAtMs };
  });
}

function write(ledger: Ledger, random: SeededRandom): void {
  const { leader } = ledger;
  leader.timeMs += random.int(100_000);
  const key = random.chance(0.5) ? `key-${random.int(30)}` : "";
  ledger.apply([leader.transaction(1 + random.int(3), randomOps(random, leader.timeMs), key)]);
}

describe("a replica's snapshot", () => {
  test("loads as the same state, row by row, whatever the pieces it comes in (INV-REPLICA-1)", async () => {
    const random = testRandom("replica rows");
    for (let round = 0; round < testRounds(3); round++) {
      const ledger = await Ledger.create(random, 3);
      for (let i = 0; i < 40; i++) write(ledger, random);
      ledger.apply([ledger.leader.setStatus(7n, 3n, "deleting")]);
      const bytes = replicaOf(ledger);
      const { state, store } = await load(ledger, bytes, {
        step: [1_000_003, 777, 4_096][round % 3]!,
      });
      expect(state.applied).toEqual(ledger.state.applied);
      expect(store.applied).toEqual(ledger.state.applied);
      expect(state.cluster).toEqual(ledger.state.cluster);
      const rows = dump(ledger.state);
      for (const table of ["idempotency", "leafHist", "branch", "expiry", "value"]) {
        expect(rows.some((row) => row.startsWith(`${table} `))).toBe(true);
      }
      expect(dump(state)).toEqual(rows);
      // Both slots hold it: the log may be cut behind it at once.
      expect(store.appliedFloor).toBe(ledger.log.length);
      for (let i = 0; i < 10; i++) {
        write(ledger, random);
        state.apply(ledger.log.length, 1, ledger.log.at(-1)!);
        expect(state.applied).toEqual(ledger.state.applied);
      }
      expect(dump(state)).toEqual(dump(ledger.state));
      expect(replicaOf({ state, store })).toEqual(replicaOf(ledger));
    }
  });

  test("is of the moment when it was begun, whatever is written while it is read (INV-REPLICA-1)", async () => {
    const random = testRandom("replica pin");
    const ledger = await Ledger.create(random, 3);
    for (let i = 0; i < 30; i++) write(ledger, random);
    const whole = replicaOf(ledger);
    const snapshot = ReplicaSnapshot.of({ state: ledger.state, store: ledger.store, hasher }, 1);
    const parts: Uint8Array[] = [];
    for (const part of snapshot.bytes()) {
      parts.push(part);
      write(ledger, random);
      if (random.chance(0.3)) await ledger.store.flush(ledger.state.prepareFlush());
    }
    snapshot.release();
    expect(new Uint8Array(Buffer.concat(parts))).toEqual(whole);
  });

  test("becomes the state of who held another one, in place", async () => {
    const random = testRandom("replica reopen");
    const ledger = await Ledger.create(random, 3);
    for (let i = 0; i < 10; i++) write(ledger, random);
    const behind = new GroupState(await openStore(await newDisk(), random), hasher);
    ledger.log.slice(0, 7).forEach((entry, i) => void behind.apply(i + 1, 1, entry));
    const old = behind.vault(1)!;
    const { height } = old;
    const { store } = await load(ledger, replicaOf(ledger));
    behind.reopen(store);
    expect(behind.applied).toEqual(ledger.state.applied);
    expect(behind.vault(1)!.height).toBe(ledger.state.vault(1)!.height);
    expect(old.height).toBe(height);
    write(ledger, random);
    behind.apply(ledger.log.length, 1, ledger.log.at(-1)!);
    expect(dump(behind)).toEqual(dump(ledger.state));
    expect(dump(openState(store))).toEqual(dump(ledger.state));
  });
});
