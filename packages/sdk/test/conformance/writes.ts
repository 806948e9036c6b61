/** Transactions: statuses, versions, conditions, atomicity, idempotency, limits. */
import { parseTuple } from "@authledger/types";
import { expect } from "vitest";
import {
  createTuple,
  deleteEntity,
  deleteTuple,
  setEntity,
  type TransactionInput,
  tupleMustExist,
  tupleMustNotExist,
  type WriteOperation,
} from "../../src/index.js";
import { type Behaviour, expectRefusal, refusal, SOON_MS } from "./behaviour.js";

const ALICE = "doc:budget#viewer@user:alice";
const BOB = "doc:budget#viewer@user:bob";

export const writes: readonly Behaviour[] = [
  {
    title: "tuples are equal only where their conditions are, and proven lists show them",
    run: async ({ client }) => {
      const ledger = client();
      const early = (hour: number) => ({ condition: { name: "early", context: { hour } } });
      const { statuses } = await ledger.write([
        createTuple(ALICE, early(7)),
        createTuple(ALICE, early(7)),
        createTuple(ALICE, early(8)),
        createTuple(BOB),
      ]);
      expect(statuses).toEqual(["created", "already_exists", "updated", "created"]);
      const again = await ledger.write([createTuple(ALICE, early(8)), createTuple(BOB, early(1))]);
      expect(again.statuses).toEqual(["already_exists", "updated"]);
      const { resource } = parseTuple(ALICE);
      const verifying = client({ verify: { trustOnFirstUse: true } });
      for (const each of [ledger, verifying]) {
        const rows = await each.list({ resource }).collect();
        const hours = rows.map(({ condition }) => condition?.context["hour"]).sort();
        expect(hours).toEqual([1, 8]);
        expect(await each.list({ subject: parseTuple(ALICE).subject }).collect()).toEqual([
          expect.objectContaining(early(8)),
        ]);
      }
    },
  },
  {
    title: "the first block of a vault is its genesis, and each accepted write makes the next",
    run: async ({ client }) => {
      const ledger = client();
      expect((await ledger.getTip()).height).toBe(0n);
      const first = await ledger.write([createTuple(ALICE)]);
      const second = await ledger.write([createTuple(BOB)]);
      expect([first.height, second.height]).toEqual([1n, 2n]);
      expect(first.transactionId).toHaveLength(16);
      expect(first.sequence).toBe(0n);
      expect(first.replayed).toBe(false);
    },
  },
  {
    title: "a status for each operation says what it did",
    run: async ({ client }) => {
      const operations = [
        createTuple(ALICE),
        createTuple(ALICE),
        createTuple(ALICE, { expiresAtMs: 32_503_680_000_000 }),
        tupleMustExist(ALICE),
        deleteTuple(ALICE),
        deleteTuple(ALICE),
        tupleMustNotExist(ALICE),
        setEntity("k", "v"),
        setEntity("k", "v"),
        deleteEntity("k"),
        deleteEntity("k"),
      ];
      const { statuses } = await client().write(operations);
      expect(statuses).toEqual([
        ...["created", "already_exists", "updated", "satisfied", "deleted", "not_found"],
        ...["satisfied", "created", "updated", "deleted", "not_found"],
      ]);
    },
  },
  {
    title: "creating a tuple that is there alike keeps its version; another expiry replaces it",
    run: async ({ client }) => {
      const ledger = client();
      const versionOf = async (): Promise<bigint | undefined> =>
        (await ledger.list({ resource: "doc:budget" }).collect())[0]?.version;
      await ledger.write([createTuple(ALICE)]);
      const again = await ledger.write([createTuple(ALICE)]);
      expect([again.height, again.statuses, await versionOf()]).toEqual([
        2n,
        ["already_exists"],
        1n,
      ]);
      const other = await ledger.write([createTuple(ALICE, { expiresAtMs: 32_503_680_000_000 })]);
      expect([other.statuses, await versionOf()]).toEqual([["updated"], 3n]);
    },
  },
  {
    title: "a transaction happens whole or not at all, and one that does not is in no block",
    run: async ({ client }) => {
      const ledger = client();
      const call = ledger.write([createTuple(ALICE), setEntity("k", "v"), tupleMustExist(BOB)]);
      await expectRefusal(call, "PRECONDITION_FAILED", {
        operation: 2,
        condition: "tuple_must_exist",
        key: "doc:budget viewer user:bob",
      });
      expect((await ledger.hasTuple(ALICE)).stored).toBe(false);
      expect((await ledger.read("k")).entity).toBeUndefined();
      expect((await ledger.getTip()).height).toBe(0n);
    },
  },
  ...conditions(),
  {
    title: "a version condition holds at the version that was read, and fails behind a change",
    run: async ({ client }) => {
      const ledger = client();
      const { height } = await ledger.write([setEntity("config:main", "1")]);
      const condition = { kind: "version_equals", version: Number(height) } as const;
      const { statuses } = await ledger.write([setEntity("config:main", "2", { condition })]);
      expect(statuses).toEqual(["updated"]);
      await expectRefusal(
        ledger.write([setEntity("config:main", "3", { condition })]),
        "PRECONDITION_FAILED",
        { operation: 0, key: "config:main", condition: "version_equals", version: 2 },
      );
    },
  },
  {
    title: "a value condition compares with what the operations before it left",
    run: async ({ client }) => {
      const ledger = client();
      const is = (text: string) =>
        ({ condition: { kind: "value_equals", value: new TextEncoder().encode(text) } }) as const;
      await ledger.write([setEntity("k", "a")]);
      await ledger.write([setEntity("k", "b", is("a")), setEntity("k", "c", is("b"))]);
      await expectRefusal(ledger.write([setEntity("k", "d", is("a"))]), "PRECONDITION_FAILED");
      const { statuses } = await ledger.write([deleteEntity("k", is("c").condition)]);
      expect(statuses).toEqual(["deleted"]);
    },
  },
  {
    title: "what has expired is absent for conditions, and creating it again creates it",
    run: async ({ client, nowMs, later }) => {
      const ledger = client();
      const expiresAtMs = nowMs() + SOON_MS;
      await ledger.write([
        createTuple(ALICE, { expiresAtMs }),
        createTuple(BOB, { expiresAtMs: expiresAtMs + 3_600_000 }),
        setEntity("lock:a", "me", { expiresAtMs }),
      ]);
      await later(SOON_MS);
      expect((await ledger.hasTuples([ALICE, BOB])).stored).toEqual([false, true]);
      expect((await ledger.read("lock:a")).entity).toBeUndefined();
      await expectRefusal(ledger.write([tupleMustExist(ALICE)]), "PRECONDITION_FAILED");
      const condition = { kind: "must_not_exist" } as const;
      const { statuses } = await ledger.write([
        tupleMustNotExist(ALICE),
        createTuple(ALICE),
        setEntity("lock:a", "you", { condition }),
      ]);
      expect(statuses).toEqual(["satisfied", "created", "created"]);
    },
  },
  {
    title: "a request that comes again under its key is answered as the first time",
    run: async ({ client }) => {
      const ledger = client({ clientId: "importer" });
      const transaction = { operations: [createTuple(ALICE)], idempotencyKey: "one" };
      const first = await ledger.write(transaction);
      await ledger.write([createTuple(BOB)]);
      const again = await ledger.write(transaction);
      expect(again).toEqual({ ...first, replayed: true, token: again.token });
      await expectRefusal(
        ledger.write({ operations: [createTuple(BOB)], idempotencyKey: "one" }),
        "IDEMPOTENCY_KEY_REUSED",
        { key: "one" },
      );
      // Another client's key is another key.
      const other = await client({ clientId: "other" }).write(transaction);
      expect([other.replayed, other.statuses]).toEqual([false, ["already_exists"]]);
    },
  },
  {
    title: "a client's transactions are numbered in its vault, others are not",
    run: async ({ client }) => {
      const named = client({ clientId: "importer" });
      const numbers = [];
      for (const tuple of [ALICE, BOB])
        numbers.push((await named.write([createTuple(tuple)])).sequence);
      numbers.push((await client({ clientId: "b" }).write([deleteTuple(BOB)])).sequence);
      numbers.push((await client().write([deleteTuple(BOB)])).sequence);
      expect(numbers).toEqual([1n, 2n, 1n, 0n]);
    },
  },
  {
    title: "a batch applies independent transactions in order, each with an outcome of its own",
    run: async ({ client }) => {
      const ledger = client();
      const { outcomes, token } = await ledger.batchWrite([
        { operations: [createTuple(ALICE)], reason: "asked for" },
        { operations: [createTuple(BOB), tupleMustNotExist(ALICE)] },
        { operations: [tupleMustExist(ALICE), deleteTuple(ALICE)] },
      ]);
      expect(outcomes.map(({ kind }) => kind)).toEqual(["applied", "refused", "applied"]);
      const [, refused, last] = outcomes;
      if (refused?.kind !== "refused" || last?.kind !== "applied") throw new Error("other kinds");
      expect(refused.error.code).toBe("PRECONDITION_FAILED");
      expect(refused.error.details).toMatchObject({
        operation: 1,
        condition: "tuple_must_not_exist",
      });
      expect(last.statuses).toEqual(["satisfied", "deleted"]);
      expect(token.length).toBeGreaterThan(0);
      expect((await ledger.hasTuples([ALICE, BOB])).stored).toEqual([false, false]);
    },
  },
  {
    title: "writes of one tick are transactions of their own",
    run: async ({ client }) => {
      const ledger = client();
      const results = await Promise.allSettled([
        ledger.write([createTuple(ALICE)]),
        ledger.write([tupleMustExist(ALICE), createTuple(BOB)]),
        ledger.write([tupleMustNotExist(BOB), setEntity("k", "v")]),
      ]);
      expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
      expect((await ledger.hasTuples([ALICE, BOB])).stored).toEqual([true, true]);
      expect((await ledger.read("k")).entity).toBeUndefined();
    },
  },
  ...wrong(),
];

/** Every condition over an entity, on one that is there and on one that is not. */
function conditions(): Behaviour[] {
  const kinds = { must_exist: [true, false], must_not_exist: [false, true] } as const;
  return Object.entries(kinds).map(([kind, [whenThere, whenNot]]) => ({
    title: `the condition ${kind} holds as its name says`,
    run: async ({ client }) => {
      const ledger = client();
      await ledger.write([setEntity("there", "v")]);
      const condition = { kind: kind as keyof typeof kinds };
      for (const [key, holds] of [
        ["there", whenThere],
        ["not", whenNot],
      ] as const) {
        const call = ledger.write([setEntity(key, "w", { condition })]);
        if (holds) expect((await call).statuses).toHaveLength(1);
        else await expectRefusal(call, "PRECONDITION_FAILED", { key, condition: kind });
      }
    },
  }));
}

/** What is refused before anything happens. */
function wrong(): Behaviour[] {
  const one = [createTuple(ALICE)];
  const cases: [
    string,
    { operations: WriteOperation[]; reason?: string; idempotencyKey?: string },
    string,
    string,
  ][] = [
    ["no operation", { operations: [] }, "INVALID_ARGUMENT", "operations"],
    [
      "more than 1,000 operations",
      { operations: Array(1_001).fill(one[0]) },
      "LIMIT_EXCEEDED",
      "operations",
    ],
    [
      "a reason of 1,025 bytes",
      { operations: one, reason: "x".repeat(1_025) },
      "LIMIT_EXCEEDED",
      "reason",
    ],
    [
      "a key of 129 bytes",
      { operations: one, idempotencyKey: "x".repeat(129) },
      "LIMIT_EXCEEDED",
      "idempotency_key",
    ],
    [
      "a key with a control character",
      { operations: one, idempotencyKey: "a\u0007" },
      "INVALID_ARGUMENT",
      "idempotency_key",
    ],
  ];
  const refused = cases.map(
    ([what, transaction, code, field]): Behaviour => ({
      title: `a transaction with ${what} is refused: ${code}`,
      run: ({ client }) => expectRefusal(client().write(transaction), code, { field }),
    }),
  );
  return [
    ...refused,
    {
      title: "a value over 1 MiB, a transaction over 2 MiB, and a batch of none are refused",
      run: async ({ client }) => {
        const ledger = client();
        const value = new Uint8Array((1 << 20) + 1);
        expect((await refusal(ledger.write([setEntity("k", value)]))).code).toBe("LIMIT_EXCEEDED");
        const large = ["a", "b", "c"].map((key) => setEntity(key, value.subarray(1)));
        await expectRefusal(ledger.write(large), "LIMIT_EXCEEDED", { field: "transaction" });
        await expectRefusal(ledger.batchWrite([] as TransactionInput[]), "INVALID_ARGUMENT", {
          field: "transactions",
        });
      },
    },
  ];
}
