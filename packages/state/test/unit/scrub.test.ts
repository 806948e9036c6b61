/** The scrubber: everything that a group stores, damaged row by row, is found and named. */
import { MemoryDisk } from "@authledger/io";
import { Kind, PATH_BYTES } from "@authledger/proof";
import { toHex } from "@authledger/types";
import { beforeAll, describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { GroupState, Scrub, type ScrubCounts, type ScrubDifference } from "../../src/index.js";
import { hasher, Leader, openStore, type PlainOp } from "../state-support.js";

const VAULT = 1;
const ROWS = 4;

interface World {
  readonly state: GroupState;
  readonly store: Awaited<ReturnType<typeof openStore>>;
  readonly leader: Leader;
}

const random = testRandom("scrub");
let world: World;

/** A vault of 19 blocks: tuples, tuples with conditions, entities; some deleted again. */
async function build(): Promise<World> {
  const store = await openStore(new MemoryDisk(), random);
  const state = new GroupState(store, hasher);
  const leader = new Leader(random);
  const apply = (...items: Parameters<Leader["entry"]>[0][number][]): void => {
    state.apply(++leader.index, 1, leader.entry(items));
  };
  apply(leader.init());
  apply(leader.organization(7n));
  apply(leader.vault(7n, 8n));
  for (let block = 0; block < 18; block++) {
    leader.timeMs += 10;
    apply(leader.transaction(VAULT, operationsOf(block), `key ${block}`));
  }
  state.prepareFlush();
  return { state, store, leader };
}

function operationsOf(block: number): PlainOp[] {
  const plain = new TextEncoder().encode(`value ${block}`);
  const operations: PlainOp[] = [
    { op: "set_entity", key: `entity:${block}`, plain, expiresAtMs: 0 },
    { op: "create_tuple", tuple: tupleOf(block, 0), expiresAtMs: 0, plain },
  ];
  for (let i = 1; i < 50; i++) {
    operations.push({ op: "create_tuple", tuple: tupleOf(block, i), expiresAtMs: i });
  }
  if (block > 0) operations.push({ op: "delete_tuple", tuple: tupleOf(block - 1, 1) });
  // A row stays behind for lists of older heights: the scrubber once took each for damage.
  if (block > 0 && block % 3 === 0) {
    const condition = { kind: "none" } as const;
    operations.push({ op: "delete_entity", key: `entity:${block - 1}`, condition });
  }
  return operations;
}

function tupleOf(
  block: number,
  i: number,
): { resource: string; relation: string; subject: string } {
  return { resource: `doc:${block}`, relation: "viewer", subject: `user:${i}` };
}

function scrub({ state, store }: World): { found: ScrubDifference[]; counts: ScrubCounts } {
  const found: ScrubDifference[] = [];
  const pass = new Scrub({ state, store, hasher, onDifference: (one) => found.push(one) });
  for (const _ of pass.run());
  return { found, counts: pass.counts };
}

type TableName = keyof GroupState["tables"];

/** A row of the vault that `pick` likes, damaged, scrubbed, and put right again. */
function damaged(
  name: TableName,
  damage: (value: Uint8Array, key: Uint8Array) => Uint8Array | undefined,
  pick: (key: Uint8Array, value: Uint8Array) => boolean = (key) => key[3] === VAULT,
): { readonly found: ScrubDifference[]; readonly key: Uint8Array } {
  const table = world.state.tables[name];
  const cursor = table.cursor();
  let row: { key: Uint8Array; value: Uint8Array } | undefined;
  let skip = 3;
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    if (!pick(cursor.key, cursor.value)) continue;
    row = { key: cursor.key.slice(), value: cursor.value.slice() };
    if (skip-- === 0) break;
  }
  const { key, value } = row!;
  const after = damage(value.slice(), key);
  if (after === undefined) table.delete(key);
  else table.put(key, after);
  const { found } = scrub(world);
  table.put(key, value);
  return { found, key };
}

function flipped(at: number): (value: Uint8Array) => Uint8Array {
  return (value) => {
    value[at < 0 ? value.length + at : at]! ^= 1;
    return value;
  };
}

const pathOf = (key: Uint8Array): string => toHex(key.subarray(ROWS, ROWS + PATH_BYTES));

beforeAll(async () => {
  world = await build();
});

describe("a scrub", () => {
  test("finds nothing in what the state machine wrote, and looked at all of it", () => {
    const { found, counts } = scrub(world);
    expect(found).toEqual([]);
    const { tables } = world.state;
    expect(counts).toEqual({
      vaults: 2,
      leaves: tables.leaf.count,
      branches: tables.branch.count,
      blocks: tables.header.count,
      transactions: tables.transaction.count,
      indexRows: [
        ...[tables.organization, tables.vault, tables.idempotency],
        ...[tables.expiry, tables.entity],
      ].reduce((sum, { count }) => sum + count, 0),
      skipped: 0,
    });
    expect(tables.branch.count).toBeGreaterThan(20);
  });

  test("goes on beside writes: rows of branches that only memory has are written first", async () => {
    const own = await build();
    const found: ScrubDifference[] = [];
    const { state, store, leader } = own;
    const pass = new Scrub({ state, store, hasher, onDifference: (one) => found.push(one) });
    let steps = 0;
    for (const _ of pass.run()) {
      if (++steps % 100 !== 0) continue;
      leader.timeMs++;
      const item = leader.transaction(VAULT, operationsOf(100 + steps));
      state.apply(++leader.index, 1, leader.entry([item]));
    }
    expect(found).toEqual([]);
    expect(own.state.vault(VAULT)!.size).toBeGreaterThan(20);
  });
});

describe("INV-SCRUB-1, INV-SCRUB-2: a damaged row is found and named:", () => {
  test.each([
    ["the hash of a leaf", flipped(0), "its hash is not that of its record"],
    ["the version of a record", flipped(-10), /version|hash/],
    ["has_value of a record", flipped(-1), /record|hash/],
  ] as const)("%s", (_, damage, what) => {
    const isPlain = (key: Uint8Array, value: Uint8Array): boolean =>
      key[3] === VAULT && value[32] === Kind.tupleByResource && value.at(-1) === 0;
    const { found, key } = damaged("leaf", damage, isPlain);
    const own = found.find(({ path }) => path === pathOf(key));
    expect(own).toMatchObject({
      area: "leaf",
      bucket: key[ROWS],
      what: expect.stringMatching(what),
    });
    expect(own!.vault).toEqual({ id: VAULT, organization: 7n, slug: 8n });
  });

  test("a leaf that is gone: its twin, by bucket and path, and both buckets", () => {
    const { found, key } = damaged("leaf", () => undefined);
    expect(found.find(({ what }) => what.includes(pathOf(key)))).toMatchObject({ area: "leaf" });
    expect(found.some(({ bucket }) => bucket === key[ROWS])).toBe(true);
    expect(found.length).toBeLessThanOrEqual(3);
  });

  test("one direction of a tuple with another expiry, its hash computed again", () => {
    const { state } = world;
    const vault = state.vault(VAULT)!;
    const isTwin = (key: Uint8Array, value: Uint8Array): boolean =>
      key[3] === VAULT && value[32] === Kind.tupleBySubject && value.at(-1) === 0;
    const { found, key } = damaged(
      "leaf",
      (value, at) => {
        value[value.length - 2]! ^= 1;
        const hash = vault.records.hash(value.subarray(32));
        vault.leaves.leafInto(at.subarray(ROWS), hash, value, 0);
        return value;
      },
      isTwin,
    );
    const own = found.find(({ path }) => path === pathOf(key));
    expect(own).toMatchObject({ area: "leaf", what: expect.stringContaining("another expiry") });
  });

  test.each([
    ["changed", flipped(-1), "its value is not what its record commits to"],
    ["gone", () => undefined, "its value is missing"],
  ] as const)("a value that is %s", (_, damage, what) => {
    const { found, key } = damaged("value", damage);
    expect(found).toEqual([
      expect.objectContaining({ area: "value", bucket: key[ROWS], path: pathOf(key), what }),
    ]);
  });

  test("a value that no record commits to", () => {
    const { tables } = world.state;
    const cursor = tables.leaf.cursor();
    cursor.first();
    while (cursor.key[3] !== VAULT || cursor.value.at(-1) !== 0) cursor.next();
    const key = cursor.key.slice();
    tables.value.put(key, new Uint8Array(20));
    const { found } = scrub(world);
    tables.value.delete(key);
    expect(found).toEqual([expect.objectContaining({ area: "value", path: pathOf(key) })]);
  });

  test.each([
    ["left hash", flipped(0), "left hash"],
    ["right hash", flipped(40), "right hash"],
    ["leaves", flipped(67), "it counts"],
    ["row", () => undefined, "its row is missing"],
  ] as const)("a branch's %s", (_, damage, what) => {
    const { found, key } = damaged("branch", damage);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ area: "branch", bucket: key[ROWS] });
    expect(found[0]!.path!.slice(0, 16)).toBe(toHex(key.subarray(ROWS, ROWS + 8)));
    expect(found[0]!.what).toContain(what);
  });

  test("a branch that the leaves do not make (INV-TRIE-2)", () => {
    const { tables } = world.state;
    const cursor = tables.branch.cursor();
    cursor.last();
    const value = cursor.value.slice();
    const key = cursor.key.slice();
    key[key.length - 1]!++;
    tables.branch.put(key, value);
    const { found } = scrub(world);
    tables.branch.delete(key);
    expect(found).toEqual([expect.objectContaining({ area: "branch", bucket: key[ROWS] })]);
  });

  test.each([
    ["count", flipped(3), "leaves, there are"],
    ["root", flipped(10), "another root"],
    ["row", () => undefined, "its row is missing"],
  ] as const)("a bucket's %s", (_, damage, what) => {
    const { found, key } = damaged("bucket", damage);
    expect(found).toEqual([
      expect.objectContaining({
        area: "bucket",
        bucket: key[ROWS],
        what: expect.stringContaining(what),
      }),
    ]);
  });

  test.each([
    ["state root", 172, "state_root"],
    ["leaf count", 211, "state_root"],
    ["config hash", 212, "config"],
  ] as const)("the newest header's %s", (_, at, area) => {
    const { found } = damaged("tip", flipped(at));
    expect(found[0]).toMatchObject({ area, height: 18 });
    expect(found.at(-1)).toMatchObject({ area: "header" });
  });

  test.each([
    ["height", 47, "it says that it is of height"],
    ["vault", 10, "another vault"],
    ["previous hash", 110, "does not follow"],
    ["history root", 141, "history root"],
    ["transaction count", 75, "transactions are stored"],
    ["transaction root", 80, "another root"],
    ["magic", 0, "magic"],
  ] as const)("a header's %s", (_, at, what) => {
    const { found, key } = damaged("header", flipped(at));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ height: key[9], what: expect.stringContaining(what) });
  });

  test("a header that is gone, and one whose state root was changed", () => {
    const gone = damaged("header", () => undefined);
    expect(gone.found).toEqual([expect.objectContaining({ area: "header", height: gone.key[9] })]);
    // A node of the history tree has the hash of the right one, or the next header has.
    const changed = damaged("header", flipped(180));
    const height = changed.key[9]!;
    expect(changed.found).toHaveLength(1);
    expect([height, height + 1]).toContain(changed.found[0]!.height);
  });

  test.each([
    ["changed", flipped(5), "is not that of the headers"],
    ["gone", () => undefined, "is missing"],
  ] as const)("a node of the history tree that is %s", (_, damage, what) => {
    const { found, key } = damaged("history", damage);
    const height = (key.at(-1)! + 1) * 2 ** key[4]! - 1;
    expect(found).toEqual([
      expect.objectContaining({ area: "history", height, what: expect.stringContaining(what) }),
    ]);
  });

  test.each([
    ["changed", flipped(-1), "another root"],
    ["gone", () => undefined, "0 transactions are stored"],
  ] as const)("a transaction that is %s", (_, damage, what) => {
    const { found, key } = damaged("transaction", damage);
    expect(found).toEqual([
      expect.objectContaining({
        area: "transaction",
        height: key[9],
        what: expect.stringContaining(what),
      }),
    ]);
  });

  test.each(["organizationSlug", "vaultSlug", "idempotency", "idempotencyAge"] as const)(
    "a row of the index table %s that is gone",
    (name) => {
      const { found } = damaged(
        name,
        () => undefined,
        () => true,
      );
      expect(found[0]).toMatchObject({ area: "index", vault: undefined });
    },
  );

  test.each(["expiry", "entity"] as const)(
    "a row of the index %s that is gone, and one whose record is gone (INV-INDEX-1, INV-INDEX-2)",
    (name) => {
      const isOwn = (key: Uint8Array, value: Uint8Array): boolean =>
        key[name === "entity" ? 3 : 9] === VAULT && value.length === 0;
      const { found } = damaged(name, () => undefined, isOwn);
      expect(found).toEqual([
        expect.objectContaining({ area: "index", what: expect.stringContaining("it has no row") }),
      ]);
      const table = world.state.tables[name];
      const cursor = table.cursor();
      cursor.last();
      const key = cursor.key.slice();
      key[key.length - 1] = 0x7a;
      table.put(key, new Uint8Array(0));
      const after = scrub(world).found;
      table.delete(key);
      expect(after).toEqual([
        expect.objectContaining({ area: "index", what: expect.stringContaining("no record has") }),
      ]);
    },
  );

  test("a row of the index entity that says removed where there is a record, and the other way round", () => {
    const isOf = (length: number) => (key: Uint8Array, value: Uint8Array) =>
      key[3] === VAULT && value.length === length;
    const gone = new Uint8Array(6).fill(1);
    const removed = damaged("entity", () => gone, isOf(0)).found;
    const what = [expect.stringContaining("removed"), expect.stringContaining("removed")];
    expect(removed.map((one) => one.what)).toEqual(what);
    const live = damaged("entity", () => new Uint8Array(0), isOf(gone.length)).found;
    expect(live.map((one) => one.what)).toEqual([expect.stringContaining("no record has")]);
  });

  test("rows of a vault that does not exist", () => {
    const { bucket } = world.state.tables;
    const key = Uint8Array.of(0, 0, 9, 9, 0);
    bucket.put(key, new Uint8Array(36));
    const { found } = scrub(world);
    bucket.delete(key);
    expect(found).toEqual([
      expect.objectContaining({ area: "index", what: expect.stringContaining("vault 2313") }),
    ]);
  });
});
