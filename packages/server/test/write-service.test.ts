/** Changes: every operation and condition crosses the port, and every outcome comes back. */
import type { write } from "@authledger/proto";
import { limits } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { call, errorOf, failureOf, type Harness, startHarness } from "./support/harness.js";
import { createTuple, TUPLE, transaction } from "./support/requests.js";

function send(h: Harness, body: object, prove = false): Promise<write.WriteResponse> {
  return call(h.client, ["write", "write"], { ...h.tenant, transaction: body, prove });
}

const op = ($case: string, value: object): object => ({ operation: { $case, value } });
const VALUE = new Uint8Array([1]);
const entity = (rest: object): object =>
  op("setEntity", { key: "k", value: VALUE, expiresAtMs: 0n, ...rest });

describe("Write", () => {
  it("sends every kind of operation and condition to the engine", async () => {
    const h = await startHarness();
    await send(h, transaction([createTuple()]));
    const conditions: readonly (readonly [object | undefined, object])[] = [
      [undefined, { kind: "none" }],
      [{ $case: "mustNotExist", value: {} }, { kind: "must_not_exist" }],
      [{ $case: "mustExist", value: {} }, { kind: "must_exist" }],
      [
        { $case: "versionEquals", value: 0n },
        { kind: "version_equals", version: 0 },
      ],
      [
        { $case: "versionEquals", value: 7n },
        { kind: "version_equals", version: 7 },
      ],
    ];
    const operations = [
      op("tupleMustExist", TUPLE),
      op("tupleMustNotExist", { ...TUPLE, relation: "editor" }),
      op("deleteRelationship", { tuple: TUPLE }),
      op("deleteEntity", { key: "k" }),
      ...conditions.map(([condition]) => entity({ condition: condition && { condition } })),
    ];
    // No entity meets all of these conditions: what the engine was asked counts, not what became of it.
    const about = { clientId: "c", idempotencyKey: "i", reason: "why" };
    await errorOf(send(h, transaction(operations, about)));
    const [made] = h.engine.requests("write")[1]!.transactions;
    expect(made).toMatchObject({ clientId: "c", idempotencyKey: "i", reason: "why" });
    expect(made!.operations.map((sent) => sent.op)).toEqual([
      "tuple_must_exist",
      "tuple_must_not_exist",
      "delete_tuple",
      "delete_entity",
      ...conditions.map(() => "set_entity"),
    ]);
    expect(
      made!.operations.flatMap((sent) => (sent.op === "set_entity" ? [sent.condition] : [])),
    ).toEqual(conditions.map(([, expected]) => expected));
  });

  it("returns statuses, height and a token", async () => {
    const h = await startHarness();
    const { result, token } = await send(h, transaction([createTuple(), createTuple()]));
    expect(result).toMatchObject({ height: 1n, sequence: 3n, statuses: [1, 2], replayed: false });
    expect([result!.transactionId.length, token.length, result!.proof]).toEqual([
      16,
      33,
      undefined,
    ]);
  });

  it("returns the inclusion of the transaction where it is asked for", async () => {
    const h = await startHarness();
    const { result } = await send(h, transaction([createTuple()]), true);
    const { header, transaction: bytes, index, path } = result!.proof!;
    expect([[...header], [...bytes], index, path.map((p) => [...p])]).toEqual([[1], [2], 4, [[3]]]);
  });

  it("answers a refusal as an error with its details and the time to wait", async () => {
    const h = await startHarness();
    const failed = await failureOf(
      send(h, transaction([op("tupleMustExist", { ...TUPLE, subject: "user:nobody" })])),
    );
    expect(failed.status).toBe(9);
    expect(failed.details).toMatchObject({
      code: "PRECONDITION_FAILED",
      number: 3020,
      retryAfterMs: 1500n,
      context: { operation: "0" },
    });
  });

  it("takes the actor from the front and never from the request", async () => {
    const h = await startHarness();
    await send(h, transaction([createTuple()], { clientId: "somebody" }));
    expect(h.engine.requests("write")[0]!.actor).toBe("anonymous");
  });

  const long = (bytes: number): string => "x".repeat(bytes);
  const wrong: readonly (readonly [string, object | undefined, string, string])[] = [
    ["no transaction", undefined, "INVALID_ARGUMENT", "transaction"],
    ["no operation", transaction([]), "INVALID_ARGUMENT", "operations"],
    ["an operation of no kind", transaction([{}]), "INVALID_ARGUMENT", "operations[0]"],
    [
      "too many operations",
      transaction(
        Array.from({ length: limits.TRANSACTION_OPERATIONS_MAX + 1 }, () => createTuple()),
      ),
      "LIMIT_EXCEEDED",
      "operations",
    ],
    [
      "a malformed resource",
      transaction([createTuple(), createTuple({ ...TUPLE, resource: "none" })]),
      "INVALID_TUPLE",
      "operations[1].resource",
    ],
    [
      "a long subject",
      transaction([createTuple({ ...TUPLE, subject: `u:${long(limits.SUBJECT_BYTES_MAX)}` })]),
      "LIMIT_EXCEEDED",
      "operations[0].subject",
    ],
    [
      "a long key",
      transaction([entity({ key: long(limits.ENTITY_KEY_BYTES_MAX + 1) })]),
      "LIMIT_EXCEEDED",
      "operations[0].key",
    ],
    ["an empty key", transaction([entity({ key: "" })]), "INVALID_ARGUMENT", "operations[0].key"],
    [
      "a large value",
      transaction([entity({ value: new Uint8Array(limits.VALUE_BYTES_MAX + 1) })]),
      "LIMIT_EXCEEDED",
      "operations[0].value",
    ],
    [
      "an expiry beyond 2^53",
      transaction([entity({ expiresAtMs: 2n ** 53n })]),
      "INVALID_ARGUMENT",
      "operations[0].expires_at_ms",
    ],
    [
      "a long client id",
      transaction([createTuple()], { clientId: long(limits.CLIENT_ID_BYTES_MAX + 1) }),
      "LIMIT_EXCEEDED",
      "client_id",
    ],
    [
      "a long idempotency key",
      transaction([createTuple()], { idempotencyKey: long(limits.IDEMPOTENCY_KEY_BYTES_MAX + 1) }),
      "LIMIT_EXCEEDED",
      "idempotency_key",
    ],
    [
      "a long reason",
      transaction([createTuple()], { reason: long(limits.REASON_BYTES_MAX + 1) }),
      "LIMIT_EXCEEDED",
      "reason",
    ],
  ];
  it.each(wrong)("refuses %s before the engine sees it", async (_, body, code, field) => {
    const h = await startHarness();
    const failed = await failureOf(send(h, body as object));
    expect([failed.status, failed.details.code, failed.details.context["field"]]).toEqual([
      3,
      code,
      field,
    ]);
    if (code === "LIMIT_EXCEEDED") {
      expect(Number(failed.details.context["actual"])).toBeGreaterThan(
        Number(failed.details.context["limit"]),
      );
    }
    expect(h.engine.requests("write")).toEqual([]);
  });

  it("accepts everything that is exactly at its limit", async () => {
    const h = await startHarness();
    const operations = [
      entity({ key: long(limits.ENTITY_KEY_BYTES_MAX), expiresAtMs: 2n ** 53n - 1n }),
      entity({ value: new Uint8Array(limits.VALUE_BYTES_MAX) }),
      createTuple({ ...TUPLE, subject: `u:${long(limits.SUBJECT_BYTES_MAX - 2)}` }),
    ];
    const labels = {
      clientId: long(limits.CLIENT_ID_BYTES_MAX),
      idempotencyKey: long(limits.IDEMPOTENCY_KEY_BYTES_MAX),
      reason: long(limits.REASON_BYTES_MAX),
    };
    const { result } = await send(h, transaction(operations, labels));
    expect(result?.statuses).toEqual([1, 1, 1]);
  });

  it("refuses slug 0, which is the system's", async () => {
    const h = await startHarness();
    for (const field of ["organization", "vault"]) {
      const request = {
        ...h.tenant,
        [field]: 0n,
        transaction: transaction([createTuple()]),
        prove: false,
      };
      const failed = await failureOf(call(h.client, ["write", "write"], request));
      expect(failed.details).toMatchObject({ code: "SLUG_REQUIRED", context: { field } });
    }
    expect(h.engine.calls).toEqual([]);
  });
});

describe("BatchWrite", () => {
  const batch = (h: Harness, transactions: object[]): Promise<write.BatchWriteResponse> =>
    call(h.client, ["write", "batchWrite"], { ...h.tenant, transactions, prove: false });

  it("gives each transaction a result of its own", async () => {
    const h = await startHarness();
    const { results } = await batch(h, [
      transaction([createTuple()]),
      transaction([op("tupleMustExist", { ...TUPLE, subject: "user:nobody" })]),
      transaction([createTuple()]),
    ]);
    expect(results.map(({ outcome }) => outcome?.$case)).toEqual(["applied", "refused", "applied"]);
    expect(results[1]!.outcome!.value).toMatchObject({
      code: "PRECONDITION_FAILED",
      retryAfterMs: 1500n,
    });
    expect(results[2]!.outcome!.value).toMatchObject({ statuses: [2], height: 2n });
  });

  it("names the transaction that is wrong", async () => {
    const h = await startHarness();
    const bad = transaction([createTuple({ ...TUPLE, resource: "none" })]);
    const failed = await failureOf(batch(h, [transaction([createTuple()]), bad]));
    expect(failed.details.context["field"]).toBe("transactions[1].operations[0].resource");
  });

  it("holds 1 to 1,000 transactions", async () => {
    const h = await startHarness();
    const many = (count: number): object[] =>
      Array.from({ length: count }, () => transaction([createTuple()]));
    expect((await failureOf(batch(h, []))).details.code).toBe("INVALID_ARGUMENT");
    expect((await failureOf(batch(h, many(1001)))).details.code).toBe("LIMIT_EXCEEDED");
    expect((await batch(h, many(1000))).results).toHaveLength(1000);
  });
});
