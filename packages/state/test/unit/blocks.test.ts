/** Blocks, the rows they leave, and their history. */
import {
  BuiltTrie,
  blockHash,
  configHash,
  decodeHeader,
  decodeRecord,
  decodeTransaction,
  Kind,
  leafHash,
  RecordHasher,
  treeRoot,
  tupleBySubjectKey,
  tupleKey,
} from "@authledger/proof";
import { toHex, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { blockTransactions, hasTuple, listTuples, readEntity } from "../../src/index.js";
import { u32Key } from "../../src/tables.js";
import { recordOfRow } from "../../src/trie/leaf-row.js";
import { dump, hasher, Ledger, type PlainOp } from "../state-support.js";

const TUPLE = { resource: "document:d1", relation: "viewer", subject: "user:ann" };
const NEVER = 0;

const create = (expiresAtMs: number, plain?: Uint8Array): PlainOp => ({
  op: "create_tuple",
  tuple: TUPLE,
  expiresAtMs,
  ...(plain && { plain }),
});
const set = (key: string, text: string): PlainOp => ({
  op: "set_entity",
  key,
  plain: utf8(text),
  expiresAtMs: NEVER,
});

const ledger = (vaults = 1) => Ledger.create(testRandom("blocks"), vaults);

describe("a block", () => {
  test("is made once for each vault with an accepted transaction, and for no other (INV-BLOCK-1)", async () => {
    const made = await ledger(4);
    const { leader, state } = made;
    const sizes = () => [1, 2, 3, 4].map((id) => state.vault(id)!.size);
    const refused: PlainOp = { op: "tuple_must_exist", tuple: { ...TUPLE, relation: "owner" } };
    expect(sizes()).toEqual([1, 1, 1, 1]);
    const { blocks } = made.apply([
      leader.transaction(3, [create(NEVER)]),
      leader.transaction(1, [create(NEVER)]),
      leader.transaction(2, [refused]),
      leader.transaction(3, [set("user:ann", "a")]),
      leader.transaction(3, [refused]),
    ]);
    expect(sizes()).toEqual([2, 1, 2, 1]);
    expect(blocks.map(({ vault, height }) => [vault, height])).toEqual([
      [1, 1],
      [3, 1],
    ]);
    expect(blocks.map(({ blockHash: hash }) => hash)).toEqual([
      state.vault(1)!.tip.blockHash,
      state.vault(3)!.tip.blockHash,
    ]);
  });

  test("is also made by a transaction that changes nothing, and by none in an empty entry", async () => {
    const made = await ledger();
    const { state } = made;
    made.write(1, [create(NEVER)]);
    const { stateRoot } = state.vault(1)!.tip.header;
    const again = made.write(1, [create(NEVER)]);
    expect(again.transaction).toMatchObject({ statuses: ["already_exists"], height: 2 });
    expect(state.vault(1)!.tip.header.stateRoot).toEqual(stateRoot);
    expect(made.apply([])).toEqual({ outcomes: [], blocks: [] });
    expect(state.apply(made.log.length + 1, 2, new Uint8Array())).toEqual({
      outcomes: [],
      blocks: [],
    });
    expect(state.applied).toMatchObject({ index: made.log.length + 1, term: 2 });
    expect(state.vault(1)!.size).toBe(3);
  });

  test("is seen whole or not at all: rows, trie and header are of one batch (INV-BLOCK-2, INV-STATE-2)", async () => {
    const made = await ledger();
    const { random } = made.leader;
    for (let height = 1; height <= 12; height++) {
      const ops = Array.from({ length: 30 }, () => set(`user:u${random.int(60)}`, "v"));
      made.write(1, ops);
      const pin = made.store.pin("reader");
      const vault = made.state.vault(1)!;
      made.write(1, [set("user:later", String(height))]);
      const header = decodeHeader(pin.table(6).get(u32Key(1))!);
      expect(header.height).toBe(2 * height - 1);
      const built = BuiltTrie.fromRecords(hasher, vault.row.salt, leafRecords(pin.table(7)));
      expect(toHex(header.stateRoot)).toBe(toHex(built.root(vault.vaultRef)));
      expect(header.leafCount).toBe(built.total);
      pin.release();
    }
  });

  test("has the hash of the records of the partition ledger, as they are after it", async () => {
    const made = await ledger();
    const vault = made.state.vault(1)!;
    const record = (group: string): PlainOp => {
      return { op: "set_record", partition: "ledger", group, item: "x", plain: utf8(group) };
    };
    const before = vault.configHash!;
    made.write(1, [set("user:ann", "a")]);
    expect(vault.configHash).toEqual(before);
    made.write(1, [record("limits"), record("model")]);
    const rows = BuiltTrie.fromRecords(
      hasher,
      vault.row.salt,
      leafRecords(made.state.tables.leaf, 1),
    );
    const records = new RecordHasher(hasher, vault.row.salt);
    const ledgerRecords = rows.leaves
      .map(({ record: bytes }) => bytes)
      .filter((bytes) => decodeRecord(bytes).key.partition === "ledger");
    expect(ledgerRecords).toHaveLength(3);
    const hash = configHash(
      hasher,
      ledgerRecords.map((bytes) => records.hash(bytes)),
    );
    expect(vault.configHash).toEqual(hash);
  });
});

/** Records of one vault, in the order of their paths. */
function leafRecords(
  table: { cursor(): ReturnType<Ledger["state"]["tables"]["leaf"]["cursor"]> },
  vault = 1,
): Uint8Array[] {
  const records: Uint8Array[] = [];
  const cursor = table.cursor();
  for (let ok = cursor.seek(u32Key(vault)); ok; ok = cursor.next()) {
    if (toHex(cursor.key.subarray(0, 4)) !== toHex(u32Key(vault))) break;
    records.push(recordOfRow(cursor.value).slice());
  }
  return records;
}

describe("history", () => {
  test("links each block to the ones before it, and keeps every complete subtree", async () => {
    const made = await ledger();
    const { state } = made;
    for (let i = 0; i < 37; i++) made.write(1, [set("user:ann", String(i))]);
    state.prepareFlush();
    const vault = state.vault(1)!;
    const headers = Array.from({ length: vault.size }, (_, height) => vault.header(height)!);
    const hashes = headers.map((bytes) => blockHash(hasher, bytes));
    headers.forEach((bytes, height) => {
      const header = decodeHeader(bytes);
      expect(header).toMatchObject({ height, transactionCount: 1, term: 1 });
      expect(header.previousHash).toEqual(hashes[height - 1] ?? new Uint8Array(32));
      expect(header.historyRoot).toEqual(treeRoot(hasher, hashes.slice(0, height)));
    });
    expect(vault.history.root()).toEqual(treeRoot(hasher, hashes));
    for (let level = 0; 2 ** level <= vault.size; level++) {
      for (let index = 0; (index + 1) * 2 ** level <= vault.size; index++) {
        const leaves = hashes.slice(index * 2 ** level, (index + 1) * 2 ** level);
        expect(vault.historyNode(level, index)).toEqual(treeRoot(hasher, leaves));
      }
    }
    expect(vault.header(vault.size)).toBeUndefined();
  });

  test("keeps the canonical transactions of every block under their root", async () => {
    const made = await ledger();
    const { leader, state } = made;
    made.apply([
      leader.transaction(1, [create(NEVER)]),
      leader.transaction(1, [set("user:ann", "a")]),
      leader.transaction(1, [create(NEVER)]),
    ]);
    const vault = state.vault(1)!;
    const bytes = blockTransactions(vault, state.tables, 1, 3);
    const leaves = bytes.map((one) => leafHash(hasher, one));
    expect(vault.tip.header.transactionRoot).toEqual(treeRoot(hasher, leaves));
    expect(bytes.map((one) => decodeTransaction(one).ops[0]!.op)).toEqual([
      "create_tuple",
      "set_entity",
      "create_tuple",
    ]);
  });

  test("notes the last sequence of each client", async () => {
    const made = await ledger();
    const { leader, state } = made;
    expect(state.lastSequence(1, "test")).toBe(0);
    const { transaction } = made.write(1, [create(NEVER)]);
    expect(state.lastSequence(1, "test")).toBe(transaction.sequence);
    expect([state.lastSequence(2, "test"), state.lastSequence(1, "tes")]).toEqual([0, 0]);
    made.apply([leader.transaction(1, [{ op: "tuple_must_not_exist", tuple: TUPLE }])]);
    expect(state.lastSequence(1, "test")).toBe(transaction.sequence);
  });
});

describe("rows", () => {
  const valueRows = ({ state }: Ledger) =>
    dump(state).filter((row) => row.startsWith("value 00000001")).length;

  test("of values come and go with their records, a tuple's condition once", async () => {
    const made = await ledger();
    const before = valueRows(made);
    const step = (op: PlainOp): number => {
      made.write(1, [op]);
      return valueRows(made) - before;
    };
    expect(step(set("user:ann", "a"))).toBe(1);
    expect(step(set("user:ann", "longer"))).toBe(1);
    expect(step(create(NEVER, utf8("condition")))).toBe(2);
    expect(step(create(NEVER))).toBe(1);
    expect(step(create(NEVER, utf8("again")))).toBe(2);
    expect(step({ op: "delete_tuple", tuple: TUPLE })).toBe(1);
    expect(step({ op: "delete_entity", key: "user:ann", condition: { kind: "none" } })).toBe(0);
    const text = (key: string) => {
      const { value } = readEntity(made.state.vault(1)!, key, 0) ?? {};
      return value && new TextDecoder().decode(value);
    };
    expect(text("user:ann")).toBeUndefined();
    made.write(1, [set("user:ann", "last of two"), set("user:ann", "one block")]);
    expect(text("user:ann")).toBe("one block");
  });

  test("of a key that comes and goes in one block are not left behind", async () => {
    const made = await ledger();
    const before = dump(made.state).filter((row) => /^(leaf|value|branch) /.test(row));
    made.write(1, [
      create(NEVER, utf8("condition")),
      set("user:ann", "a"),
      { op: "delete_tuple", tuple: TUPLE },
      { op: "delete_entity", key: "user:ann", condition: { kind: "none" } },
    ]);
    expect(dump(made.state).filter((row) => /^(leaf|value|branch) /.test(row))).toEqual(before);
  });

  test("of an expired tuple stay, unseen, until it is collected, deleted or made again", async () => {
    const made = await ledger();
    const { leader, state } = made;
    const expiresAtMs = leader.timeMs + 1_000;
    made.write(1, [create(expiresAtMs)]);
    const vault = state.vault(1)!;
    const seen = () => hasTuple(vault, TUPLE, leader.timeMs);
    const listed = () => listTuples(vault, {}, { limit: 9, timeMs: leader.timeMs });
    expect(listed().tuples).toEqual([{ tuple: TUPLE, version: 1, expiresAtMs }]);
    leader.timeMs = expiresAtMs - 1;
    expect([seen(), listed().tuples.length]).toEqual([true, 1]);
    expect(made.write(1, [create(expiresAtMs)]).transaction.statuses).toEqual(["already_exists"]);
    leader.timeMs = expiresAtMs;
    expect([seen(), listed().tuples.length]).toEqual([false, 0]);
    expect(vault.record(tupleKey(TUPLE))).toMatchObject({ version: 1n });
    const collect: PlainOp = { op: "expire_tuple", tuple: TUPLE, expiredAtMs: expiresAtMs };
    expect(made.write(1, [collect]).transaction.statuses).toEqual(["expired"]);
    expect(vault.record(tupleKey(TUPLE))).toBeUndefined();
    expect(vault.record(tupleBySubjectKey(TUPLE))).toBeUndefined();
    made.write(1, [create(leader.timeMs + 5)]);
    leader.timeMs += 5;
    expect(made.write(1, [create(NEVER)]).transaction.statuses).toEqual(["created"]);
    expect(listed().tuples).toEqual([{ tuple: TUPLE, version: 5, expiresAtMs: NEVER }]);
  });

  test("of both directions of a tuple say the same", async () => {
    const made = await ledger();
    made.write(1, [create(made.leader.timeMs + 9_000, utf8("condition"))]);
    made.write(1, [create(made.leader.timeMs + 9_000, utf8("another"))]);
    const vault = made.state.vault(1)!;
    const { key, ...one } = vault.record(tupleKey(TUPLE))!;
    const { key: twin, ...other } = vault.record(tupleBySubjectKey(TUPLE))!;
    expect([key.kind, twin.kind]).toEqual([Kind.tupleByResource, Kind.tupleBySubject]);
    expect(one).toEqual(other);
    expect(one).toMatchObject({ version: 2n, value: { length: 7 } });
  });
});
