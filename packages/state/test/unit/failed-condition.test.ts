/** A condition that does not hold names the key and what is there: version and, where it is short, the value (L-134). */
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { Ledger, type PlainOp } from "../state-support.js";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const set = (key: string, plain: Uint8Array, condition?: "must_not_exist"): PlainOp => ({
  op: "set_entity",
  key,
  plain,
  expiresAtMs: 0,
  ...(condition && { condition: { kind: condition } }),
});

function refusalOf(ledger: Ledger, ops: readonly PlainOp[]): Readonly<Record<string, unknown>> {
  const outcome = ledger.apply([ledger.leader.transaction(1, ops)]).outcomes[0]!;
  if (outcome.kind !== "refused") throw new Error("expected a refusal");
  return { code: outcome.code, ...outcome.details };
}

describe("a condition that does not hold", () => {
  test("tells key, version and value of what is there, also of what the same transaction wrote", async () => {
    const ledger = await Ledger.create(testRandom("failed condition"));
    ledger.write(1, [set("config:a", bytes("one"))]);
    expect(refusalOf(ledger, [set("config:a", bytes("two"), "must_not_exist")])).toMatchObject({
      ...{ code: "PRECONDITION_FAILED", key: "config:a", condition: "must_not_exist" },
      ...{ operation: 0, version: 1, valueBytes: 3, valueBase64: btoa("one") },
    });
    const twice = [set("config:b", bytes("new")), set("config:b", bytes("x"), "must_not_exist")];
    expect(refusalOf(ledger, twice)).toMatchObject({ operation: 1, valueBase64: btoa("new") });
  });

  test("tells length and digest alone of a long value", async () => {
    const ledger = await Ledger.create(testRandom("long value"));
    ledger.write(1, [set("config:a", new Uint8Array(129))]);
    const refused = refusalOf(ledger, [set("config:a", bytes("x"), "must_not_exist")]);
    expect(refused).toMatchObject({
      valueBytes: 129,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(refused).not.toHaveProperty("valueBase64");
  });

  test("over a tuple that has expired says that it does not exist", async () => {
    const ledger = await Ledger.create(testRandom("expired tuple"));
    const tuple = { resource: "doc:a", relation: "viewer", subject: "user:a" };
    ledger.write(1, [{ op: "create_tuple", tuple, expiresAtMs: ledger.leader.timeMs + 5 }]);
    ledger.leader.timeMs += 5;
    const refused = refusalOf(ledger, [{ op: "tuple_must_exist", tuple }]);
    expect(refused).toMatchObject({ condition: "tuple_must_exist", key: "doc:a viewer user:a" });
    expect(refused).not.toHaveProperty("version");
  });
});
