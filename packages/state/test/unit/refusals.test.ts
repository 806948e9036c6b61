/** Items that are refused: they change no row of any table and are in no block, whatever else their entry holds. */
import {
  type CanonicalCondition,
  commitToValue,
  decodeTransaction,
  encodeTransaction,
} from "@authledger/proof";
import { type Hasher, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { blockTransactions, type EntryItem, readEntity } from "../../src/index.js";
import { dump, hasher, Ledger, ORGANIZATION, type PlainOp } from "../state-support.js";

const TUPLE = { resource: "document:d1", relation: "viewer", subject: "user:ann" };
const OTHER = { ...TUPLE, subject: "user:bob" };
const ENTITY = "user:ann";
const NONCE = new Uint8Array(16).fill(3);
const ANN = utf8("Ann");
const EXPIRY_MS = 1_700_000_090_000;

/** Vaults 1 and 2; in vault 1 a tuple that expires, an entity, and a used idempotency key. */
async function ledger(): Promise<Ledger> {
  const made = await Ledger.create(testRandom("refusals"), 2);
  made.write(1, [{ op: "create_tuple", tuple: TUPLE, expiresAtMs: EXPIRY_MS }]);
  made.write(1, [set(ENTITY, { kind: "none" })], "used");
  return made;
}

function set(key: string, condition: CanonicalCondition): PlainOp {
  return { op: "set_entity", key, plain: ANN, expiresAtMs: 0, condition };
}

const remove = (condition: CanonicalCondition): PlainOp => ({
  op: "delete_entity",
  key: ENTITY,
  condition,
});

/** A transaction for vault 1 whose last operation is the one that is refused. */
const last =
  (op: PlainOp) =>
  ({ leader }: Ledger): EntryItem =>
    leader.transaction(1, [{ op: "create_tuple", tuple: OTHER, expiresAtMs: 0 }, op]);

/** With another client's name. */
function asClient(item: EntryItem, clientId: string): EntryItem {
  if (item.kind !== "transaction") throw new Error("not a transaction");
  const { canonical, values } = item.transaction;
  const renamed = encodeTransaction({ ...decodeTransaction(canonical), clientId });
  return { ...item, transaction: { canonical: renamed, values } };
}

const long = (bytes: number) => "x".repeat(bytes);
const otherValue = commitToValue(hasher, NONCE, utf8("Bob"));

const REFUSED: readonly [string, string, (ledger: Ledger) => EntryItem][] = [
  [
    "an unknown vault",
    "VAULT_NOT_FOUND",
    ({ leader }) => leader.transaction(3, [remove({ kind: "none" })]),
  ],
  [
    "a vault in an unknown organization",
    "ORGANIZATION_NOT_FOUND",
    ({ leader }) => leader.vault(8n, 9n),
  ],
  [
    "a vault whose slug is taken",
    "PRECONDITION_FAILED",
    ({ leader }) => leader.vault(ORGANIZATION, 2n),
  ],
  ["a second cluster", "PRECONDITION_FAILED", ({ leader }) => leader.init()],
  [
    "an idempotency key with another payload",
    "IDEMPOTENCY_KEY_REUSED",
    ({ leader }) => leader.transaction(1, [remove({ kind: "none" })], "used"),
  ],
  [
    "an entity that must not exist and does",
    "PRECONDITION_FAILED",
    last(set(ENTITY, { kind: "must_not_exist" })),
  ],
  [
    "an entity that must exist and does not",
    "PRECONDITION_FAILED",
    last(set("user:nobody", { kind: "must_exist" })),
  ],
  [
    "an entity expected at another version",
    "PRECONDITION_FAILED",
    last(set(ENTITY, { kind: "version_equals", version: 1 })),
  ],
  [
    "a version expected of an entity that is not there",
    "PRECONDITION_FAILED",
    last(set("user:nobody", { kind: "version_equals", version: 0 })),
  ],
  [
    "an entity expected with another value",
    "PRECONDITION_FAILED",
    last(remove({ kind: "value_equals", value: otherValue })),
  ],
  [
    "an entity to delete at another version",
    "PRECONDITION_FAILED",
    last(remove({ kind: "version_equals", version: 1 })),
  ],
  [
    "a tuple that must exist and does not",
    "PRECONDITION_FAILED",
    last({ op: "tuple_must_exist", tuple: { ...TUPLE, relation: "editor" } }),
  ],
  [
    "a tuple that must not exist and does",
    "PRECONDITION_FAILED",
    last({ op: "tuple_must_not_exist", tuple: TUPLE }),
  ],
  [
    "the collection of a tuple before its expiry",
    "PRECONDITION_FAILED",
    last({ op: "expire_tuple", tuple: TUPLE, expiredAtMs: EXPIRY_MS }),
  ],
  [
    "the collection of an entity without expiry",
    "PRECONDITION_FAILED",
    last({ op: "expire_entity", key: ENTITY, expiredAtMs: 0 }),
  ],
  [
    "a vault head in a vault that is none of heads",
    "PRECONDITION_FAILED",
    last({
      op: "set_vault_head",
      vaultRef: new Uint8Array(32),
      size: 1n,
      root: new Uint8Array(32),
    }),
  ],
  [
    "a client id of 129 bytes",
    "LIMIT_EXCEEDED",
    ({ leader }) =>
      asClient(leader.transaction(1, [set(ENTITY, { kind: "none" })]), `${long(127)}\u00e4`),
  ],
  [
    "an idempotency key of 129 bytes",
    "LIMIT_EXCEEDED",
    ({ leader }) => leader.transaction(1, [set(ENTITY, { kind: "none" })], long(129)),
  ],
  [
    "a tuple whose record is over 70,000 bytes",
    "RECORD_TOO_LARGE",
    last({
      op: "create_tuple",
      tuple: { resource: long(40_000), relation: "viewer", subject: long(30_000) },
      expiresAtMs: 0,
    }),
  ],
  // Of 957 bytes and more it was refused by a table, which stopped every replica.
  [
    "an entity whose key is over 900 bytes",
    "LIMIT_EXCEEDED",
    last(set(long(901), { kind: "none" })),
  ],
  [
    "an entity whose key no row can have",
    "LIMIT_EXCEEDED",
    last(set(long(60_000), { kind: "none" })),
  ],
  [
    "a ledger record over 70,000 bytes",
    "RECORD_TOO_LARGE",
    last({
      op: "set_record",
      partition: "model",
      group: long(35_000),
      item: long(35_000),
      plain: ANN,
    }),
  ],
  [
    "a ledger record outside ledger and model",
    "INVALID_ARGUMENT",
    last({ op: "set_record", partition: "other", group: "", item: "", plain: ANN }),
  ],
];

describe("an item is refused and changes nothing", () => {
  test.each(REFUSED)("%s: %s", async (_, code, item) => {
    const made = await ledger();
    const before = dump(made.state);
    const { index, digest } = made.state.applied;
    const { outcomes, blocks } = made.apply([item(made)]);
    expect(outcomes).toMatchObject([{ kind: "refused", code }]);
    expect(blocks).toEqual([]);
    expect(dump(made.state)).toEqual(before);
    expect(made.state.applied.index).toBe(index + 1);
    expect(made.state.applied.digest).not.toEqual(digest);
  });

  test("a vault in an organization that is suspended: ORGANIZATION_SUSPENDED", async () => {
    const made = await ledger();
    const plain = utf8(JSON.stringify({ name: "acme", status: "suspended", created_ms: 1 }));
    made.write(0, [{ op: "set_entity", key: `org:${ORGANIZATION}`, plain, expiresAtMs: 0 }]);
    const before = dump(made.state);
    const { outcomes, blocks } = made.apply([made.leader.vault(ORGANIZATION, 9n)]);
    expect(outcomes).toMatchObject([{ kind: "refused", code: "ORGANIZATION_SUSPENDED" }]);
    expect([blocks, dump(made.state)]).toEqual([[], before]);
  });

  test("a vault whose entity is there already, with its registration's condition", async () => {
    const made = await ledger();
    const item = made.leader.vault(ORGANIZATION, 9n);
    if (item.kind !== "create_vault") throw new Error("not a vault");
    const registration = made.leader.seal([set("vault:7:9", { kind: "must_not_exist" })]);
    made.write(0, [set("vault:7:9", { kind: "none" })]);
    const before = dump(made.state);
    const { outcomes, blocks } = made.apply([{ ...item, registration }]);
    expect(outcomes).toMatchObject([{ kind: "refused", code: "PRECONDITION_FAILED" }]);
    expect([blocks, dump(made.state)]).toEqual([[], before]);
  });

  test("a key whose path another key has: PATH_COLLISION", async () => {
    const made = await Ledger.create(testRandom("collision"), 1, undefined, collidingHasher);
    made.write(1, [set("user:clash-1", { kind: "none" })]);
    const before = dump(made.state);
    const item = made.leader.transaction(1, [set("user:clash-2", { kind: "none" })]);
    const { outcomes, blocks } = made.apply([item]);
    expect(outcomes).toMatchObject([{ kind: "refused", code: "PATH_COLLISION" }]);
    expect([blocks, dump(made.state)]).toEqual([[], before]);
  });
});

describe("beside others in an entry", () => {
  test("a refused transaction is in no block, and those around it are, in their order", async () => {
    const made = await ledger();
    const { leader, state } = made;
    const items = [
      leader.transaction(1, [set("user:first", { kind: "must_not_exist" })]),
      leader.transaction(1, [
        set("user:lost", { kind: "none" }),
        set(ENTITY, { kind: "must_not_exist" }),
      ]),
      leader.transaction(2, [{ op: "tuple_must_exist", tuple: TUPLE }]),
      leader.transaction(1, [set("user:first", { kind: "must_exist" })]),
    ];
    const { outcomes, blocks } = made.apply(items);
    expect(outcomes.map(({ kind }) => kind)).toEqual(["applied", "refused", "refused", "applied"]);
    expect(blocks.map(({ vault }) => vault)).toEqual([1]);
    const vault = state.vault(1)!;
    const { header } = vault.tip;
    expect(header.transactionCount).toBe(2);
    const canonical = (n: number) =>
      (items[n] as EntryItem & { kind: "transaction" }).transaction.canonical;
    expect(blockTransactions(vault, state.tables, header.height, 2)).toEqual([
      canonical(0),
      canonical(3),
    ]);
    expect(readEntity(vault, "user:lost", leader.timeMs)).toBeUndefined();
  });

  test("an organization or vault that an earlier item made is there for a later one", async () => {
    const made = await ledger();
    const { leader, state } = made;
    const { outcomes } = made.apply([
      leader.organization(70n),
      leader.vault(70n, 1n),
      leader.vault(70n, 1n),
      leader.transaction(3, [set(ENTITY, { kind: "must_not_exist" })]),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual([
      "applied",
      "vault_created",
      "refused",
      "applied",
    ]);
    expect(state.vault(3)!.row).toMatchObject({ organizationSlug: 70n, slug: 1n });
    expect(state.vault(3)!.size).toBe(1);
  });

  test("a failed condition names its operation, its key and what is there", async () => {
    const made = await ledger();
    const { outcomes } = made.apply([last(set(ENTITY, { kind: "must_not_exist" }))(made)]);
    expect(outcomes[0]).toMatchObject({
      message: expect.stringContaining("it is at version 2"),
      details: {
        operation: 1,
        key: ENTITY,
        condition: "must_not_exist",
        version: 2,
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    });
  });

  test("what a limit allows is accepted to its last byte", async () => {
    const made = await ledger();
    const tuple = { resource: long(35_000), relation: long(34_935), subject: "s:\u00e4b" };
    const create: PlainOp = { op: "create_tuple", tuple, expiresAtMs: 0, plain: ANN };
    const item = made.leader.transaction(1, [create], long(128));
    const { outcomes } = made.apply([
      asClient(item, `${long(126)}\u00e4`),
      last({ ...create, tuple: { ...tuple, subject: "s:\u00e4bc" } })(made),
    ]);
    expect(outcomes).toMatchObject([{ kind: "applied" }, { details: { actual: 70_001 } }]);
  });
});

describe("an entry that the leader cannot have made", () => {
  test("stops the node: a value that does not match its digest, a time that goes back, a missing entry", async () => {
    const made = await ledger();
    const { leader, state, log } = made;
    const item = leader.transaction(1, [set(ENTITY, { kind: "none" })]) as EntryItem & {
      kind: "transaction";
    };
    const values = [{ nonce: NONCE, value: ANN }];
    const forged = { ...item, transaction: { ...item.transaction, values } };
    const apply =
      (items: EntryItem[], index = log.length + 1) =>
      () =>
        state.apply(index, 1, leader.entry(items));
    expect(apply([forged])).toThrow("values match");
    expect(apply([{ ...item, transaction: { ...item.transaction, values: [] } }])).toThrow(
      "every value",
    );
    expect(apply([item], log.length + 2)).toThrow("in order");
    leader.timeMs -= 1;
    expect(apply([])).toThrow("time does not go back");
  });
});

/** Gives all keys that hold "clash" one path. */
const collidingHasher: Hasher = {
  sha256: (data) => hasher.sha256(clashed(data)),
  sha256Into: (data, out, offset) => hasher.sha256Into(clashed(data), out, offset),
};

function clashed(data: Uint8Array): Uint8Array {
  const isPath = data[0] === 0x10;
  return isPath && new TextDecoder().decode(data).includes("clash") ? utf8("clash") : data;
}
