/**
 * The state machine against a naive one: after every entry of random histories the state root equals the root
 * built from scratch over a map of records, through flushes, crashes and restarts; a second instance that
 * applies the same entries without any of these has the same digests.
 */
import type { MemoryDisk, SeededRandom } from "@authledger/io";
import {
  BlockExecutor,
  BuiltTrie,
  decodeHeader,
  decodeTransaction,
  encodeRecord,
  encodeStateProof,
  entityKey,
  isLive,
  keyId,
  type LedgerKey,
  PathHasher,
  type StoredRecord,
  tupleBySubjectKey,
  tupleKey,
  verifyStateProof,
} from "@authledger/proof";
import type { PageStore } from "@authledger/store";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { decodeEntry, type GroupState, hasTuple, listTuples, readEntity } from "../../src/index.js";
import {
  hasher,
  Leader,
  newDisk,
  ORGANIZATION,
  openState,
  openStore,
  type PlainOp,
} from "../state-support.js";

class NaiveVault {
  readonly records = new Map<string, { key: LedgerKey; record: StoredRecord }>();
  height = -1;

  apply(transactions: readonly Uint8Array[], timeMs: number): void {
    const executor = new BlockExecutor(
      { get: (key) => this.records.get(keyId(key))?.record },
      this.height + 1,
      timeMs,
    );
    let accepted = 0;
    for (const bytes of transactions) {
      if (executor.run(decodeTransaction(bytes)).kind === "accepted") accepted++;
    }
    if (accepted === 0) return;
    this.height++;
    for (const { key, after } of executor.netChanges()) {
      if (after === undefined) this.records.delete(keyId(key));
      else this.records.set(keyId(key), { key, record: after });
    }
  }

  root(salt: Uint8Array, reference: Uint8Array): string {
    const records = [...this.records.values()].map(({ key, record }) => encodeRecord(key, record));
    return toHex(BuiltTrie.fromRecords(hasher, salt, records).root(reference));
  }
}

class History {
  readonly random: SeededRandom;
  readonly leader: Leader;
  readonly disk: MemoryDisk;
  store: PageStore;
  state: GroupState;
  readonly log: Uint8Array[] = [];
  readonly digests: string[] = [];
  readonly naive: NaiveVault[] = [];

  constructor(random: SeededRandom, disk: MemoryDisk, store: PageStore) {
    this.random = random;
    this.leader = new Leader(random);
    this.disk = disk;
    this.store = store;
    this.state = openState(store);
  }

  apply(payload: Uint8Array): void {
    this.log.push(payload);
    const { outcomes } = this.state.apply(this.log.length, 1, payload);
    this.digests.push(toHex(this.state.applied.digest));
    for (const outcome of outcomes) expect(outcome.kind).not.toBe(undefined);
    this.#follow(payload);
  }

  /** Feeds the naive vaults with what the entry holds. */
  #follow(payload: Uint8Array): void {
    const { items, timeMs } = decodeEntry(payload);
    const byVault = new Map<number, Uint8Array[]>();
    let created = this.naive.length;
    const add = (vault: number, bytes: Uint8Array): void => {
      byVault.set(vault, [...(byVault.get(vault) ?? []), bytes]);
    };
    for (const item of items) {
      if (item.kind === "transaction") add(item.vault, item.transaction.canonical);
      else if (item.kind === "init") add(0, item.genesis.canonical);
      else if (item.kind === "create_vault") {
        add(0, item.registration.canonical);
        add(created++, item.genesis.canonical);
      }
    }
    for (const [vault, transactions] of byVault) {
      this.naive[vault] ??= new NaiveVault();
      this.naive[vault].apply(transactions, timeMs);
    }
  }

  compare(): void {
    this.naive.forEach((naive, id) => {
      const vault = this.state.vault(id)!;
      expect(vault.tip.header.height).toBe(naive.height);
      expect(toHex(vault.tip.header.stateRoot)).toBe(naive.root(vault.row.salt, vault.vaultRef));
      expect(vault.tip.header.leafCount).toBe(naive.records.size);
    });
  }

  /** A crash: what was not flushed is gone, and the log brings it back. */
  async restart(): Promise<void> {
    await this.store.close();
    this.store = await openStore(this.disk.crash(this.random), this.random);
    this.state = openState(this.store);
    for (let i = this.state.applied.index; i < this.log.length; i++) {
      this.state.apply(i + 1, 1, this.log[i]!);
      expect(toHex(this.state.applied.digest)).toBe(this.digests[i]);
    }
  }

  async flush(): Promise<void> {
    await this.store.flush(this.state.prepareFlush());
  }
}

function randomOp(random: SeededRandom, timeMs: number): PlainOp {
  const tuple = {
    resource: `document:d${random.int(12)}`,
    relation: random.pick(["viewer", "editor"]),
    subject: random.pick([`user:u${random.int(30)}`, `group:g${random.int(4)}#member`]),
  };
  const expiresAtMs = random.chance(0.2) ? timeMs + random.int(3_000) : 0;
  const kind = random.int(100);
  if (kind < 55) {
    return random.chance(0.1)
      ? { op: "create_tuple", tuple, expiresAtMs, plain: random.bytes(20) }
      : { op: "create_tuple", tuple, expiresAtMs };
  }
  if (kind < 75) return { op: "delete_tuple", tuple };
  if (kind < 78) return { op: "tuple_must_exist", tuple };
  if (kind < 81) return { op: "tuple_must_not_exist", tuple };
  const key = `user:e${random.int(20)}`;
  if (kind < 93) return { op: "set_entity", key, plain: random.bytes(random.int(60)), expiresAtMs };
  if (kind < 98) return { op: "delete_entity", key, condition: { kind: "none" } };
  return {
    op: "set_record",
    partition: "ledger",
    group: "limits",
    item: "",
    plain: random.bytes(5),
  };
}

async function run(random: SeededRandom, entries: number): Promise<History> {
  const disk = await newDisk();
  const history = new History(random, disk, await openStore(disk, random));
  const { leader } = history;
  history.apply(leader.entry([leader.init()]));
  history.apply(leader.entry([leader.organization(ORGANIZATION)]));
  history.apply(leader.entry([leader.vault(ORGANIZATION, 1n), leader.vault(ORGANIZATION, 2n)]));
  for (let i = 0; i < entries; i++) {
    leader.timeMs += random.int(1_000);
    const items = Array.from({ length: 1 + random.int(4) }, () =>
      leader.transaction(
        1 + random.int(2),
        Array.from({ length: 1 + random.int(random.pick([3, 30])) }, () =>
          randomOp(random, leader.timeMs),
        ),
      ),
    );
    history.apply(leader.entry(items));
    if (random.chance(0.3)) history.compare();
    if (random.chance(0.15)) await history.flush();
    if (random.chance(0.08)) await history.restart();
  }
  history.compare();
  return history;
}

describe("state against a naive one", () => {
  test("equal roots after random histories with flushes, crashes and restarts between", async () => {
    const random = testRandom("state model");
    for (let i = 0; i < testRounds(30); i++) {
      const history = await run(random, 25);
      await history.store.close();
    }
  }, 120_000);

  test("two instances that are given the same entries have the same digests", async () => {
    const random = testRandom("state digests");
    for (let i = 0; i < testRounds(10); i++) {
      const history = await run(random, 20);
      const store = await openStore(await newDisk(), random);
      const other = openState(store);
      history.log.forEach((payload, k) => {
        other.apply(k + 1, 1, payload);
        expect(toHex(other.applied.digest)).toBe(history.digests[k]);
      });
      await store.close();
      await history.store.close();
    }
  }, 60_000);

  test("reads, lists and proofs say what the records say", async () => {
    const random = testRandom("state reads");
    for (let i = 0; i < testRounds(8); i++) {
      const history = await run(random, 20);
      expectReads(history, 1);
      await history.store.close();
    }
  }, 60_000);
});

function expectReads({ state, naive, leader, random }: History, id: number): void {
  const vault = state.vault(id)!;
  const { timeMs } = leader;
  const live = [...naive[id]!.records.values()].filter(({ record }) => isLive(record, timeMs));
  const tuples = live.filter(({ key }) => key.kind === 1);
  const header = decodeHeader(vault.tip.bytes);
  const context = { hasher, salt: vault.row.salt, vaultRef: vault.vaultRef };
  const paths = new PathHasher(hasher, vault.row.salt);
  for (let n = 0; n < 40; n++) {
    const tuple = {
      resource: `document:d${random.int(14)}`,
      relation: random.pick(["viewer", "editor"]),
      subject: `user:u${random.int(32)}`,
    };
    const expected = tuples.some(({ key }) => keyId(key) === keyId(tupleKey(tuple)));
    expect(hasTuple(vault, tuple, timeMs)).toBe(expected);
    const proof = encodeStateProof(vault.trie, paths, {
      gets: [tupleKey(tuple), tupleBySubjectKey(tuple)],
      lists: [{ kind: 1, partition: tuple.resource, group: tuple.relation }],
    });
    const proven = verifyStateProof(proof, header.stateRoot, context);
    const answer = proven.get(tupleKey(tuple));
    expect(answer.kind === "present" && isLive(answer.record, timeMs)).toBe(expected);
    const list = proven.list({ kind: 1, partition: tuple.resource, group: tuple.relation });
    const listed = listTuples(vault, filterOf(tuple), { limit: 1_000, timeMs });
    expect(list.kind).toBe("complete");
    if (list.kind === "complete") {
      const provenLive = list.records.filter(({ record }) => isLive(record, timeMs));
      expect(provenLive.map(({ record }) => record.key.item)).toEqual(
        listed.tuples.map(({ tuple: { subject } }) => subject),
      );
    }
    const bySubject = listTuples(vault, { subject: tuple.subject }, { limit: 1_000, timeMs });
    expect(bySubject.tuples.length).toBe(
      tuples.filter(({ key }) => key.item === tuple.subject).length,
    );
    const key = `user:e${random.int(22)}`;
    const entity = live.find((entry) => keyId(entry.key) === keyId(entityKey(key)));
    expect(readEntity(vault, key, timeMs) !== undefined).toBe(entity !== undefined);
  }
  const all = listTuples(vault, {}, { limit: 1_000, timeMs });
  expect(all.tuples.length).toBe(tuples.length);
}

function filterOf(tuple: { resource: string; relation: string }): {
  resource: string;
  relation: string;
} {
  return { resource: tuple.resource, relation: tuple.relation };
}

describe("idempotency", () => {
  test("a repeated request gets the first answer; another payload under the key is refused", async () => {
    const random = testRandom("idempotency");
    const disk = await newDisk();
    const history = new History(random, disk, await openStore(disk, random));
    const { leader, state } = history;
    history.apply(leader.entry([leader.init()]));
    const ops = (name: string): PlainOp[] => [
      { op: "set_entity", key: name, plain: new Uint8Array(1), expiresAtMs: 0 },
    ];
    const apply = (item: ReturnType<Leader["transaction"]>) =>
      state.apply(++index, 1, leader.entry([item])).outcomes[0]!;
    let index = 1;
    const first = apply(leader.transaction(0, ops("a"), "key-1"));
    const again = apply(leader.transaction(0, ops("a"), "key-1"));
    const other = apply(leader.transaction(0, ops("b"), "key-1"));
    expect(first).toMatchObject({ kind: "applied", replayed: false });
    expect(again).toMatchObject({ kind: "applied", replayed: true });
    if (first.kind === "applied" && again.kind === "applied") {
      expect(again.transaction).toEqual(first.transaction);
    }
    expect(other).toMatchObject({ kind: "refused", code: "IDEMPOTENCY_KEY_REUSED" });
    leader.timeMs += 25 * 3_600_000;
    const later = apply(leader.transaction(0, ops("b"), "key-1"));
    expect(later).toMatchObject({ kind: "applied", replayed: false });
    await history.store.close();
  });
});
