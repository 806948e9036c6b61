/** What operations do, against a model that copies everything before each transaction. */
import { equalBytes } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { testRandom, testRounds } from "../../../test/support.js";
import {
  BlockExecutor,
  type CanonicalCondition,
  type CanonicalOp,
  type ExecutionResult,
  entityKey,
  Kind,
  keyId,
  type LedgerKey,
  type NetChange,
  type StoredRecord,
  tupleKey,
  twinOf,
  type ValueCommitment,
} from "../src/index.js";

type State = Map<string, StoredRecord>;
type Random = ReturnType<typeof testRandom>;

const NOW = 1_000;
const KEYS = 4;

const tupleOf = (n: number) => ({ resource: `doc:${n}`, relation: "viewer", subject: "user:a" });
const valueNumber = (n: number): ValueCommitment => ({
  length: n,
  digest: new Uint8Array(32).fill(n),
});

function randomCondition(random: Random): CanonicalCondition {
  switch (random.int(6)) {
    case 0:
      return { kind: "must_not_exist" };
    case 1:
      return { kind: "must_exist" };
    case 2:
      return { kind: "version_equals", version: random.int(4) };
    case 3:
      return { kind: "value_equals", value: valueNumber(random.int(3)) };
    default:
      return { kind: "none" };
  }
}

function randomOp(random: Random): CanonicalOp {
  const tuple = tupleOf(random.int(KEYS));
  const key = `e:${random.int(KEYS)}`;
  const expiresAtMs = [0, NOW - 1, NOW, NOW + 1][random.int(4)]!;
  const value = valueNumber(random.int(3));
  switch (random.int(9)) {
    case 0:
    case 1:
      return { op: "create_tuple", tuple, expiresAtMs, value: random.int(2) ? value : undefined };
    case 2:
      return { op: "delete_tuple", tuple };
    case 3:
      return { op: "set_entity", key, expiresAtMs, value, condition: randomCondition(random) };
    case 4:
      return { op: "delete_entity", key, condition: randomCondition(random) };
    case 5:
      return { op: "expire_entity", key, expiredAtMs: expiresAtMs };
    case 6:
      return { op: "expire_tuple", tuple, expiredAtMs: expiresAtMs };
    case 7:
      return { op: "tuple_must_exist", tuple };
    default:
      return { op: "tuple_must_not_exist", tuple };
  }
}

function keyOf(op: CanonicalOp): LedgerKey {
  if ("tuple" in op) return tupleKey(op.tuple);
  if (op.op === "set_entity" || op.op === "delete_entity" || op.op === "expire_entity") {
    return entityKey(op.key);
  }
  throw new Error("not made here");
}

const isSame = (a: ValueCommitment | undefined, b: ValueCommitment | undefined): boolean =>
  a === b || (!!a && !!b && a.length === b.length && equalBytes(a.digest, b.digest));

/** The state behind one operation, by the words of the format; undefined when it fails. */
function step(state: State, op: CanonicalOp, height: bigint): State | undefined {
  const id = keyId(keyOf(op));
  const found = state.get(id);
  const isLive = found && (found.expiresAtMs === 0n || found.expiresAtMs > BigInt(NOW));
  const live = isLive ? found : undefined;
  const next = new Map(state);
  const put = (expiresAtMs: number, value: ValueCommitment | undefined): State =>
    next.set(id, { version: height, expiresAtMs: BigInt(expiresAtMs), value });
  switch (op.op) {
    case "create_tuple":
      if (live?.expiresAtMs === BigInt(op.expiresAtMs) && isSame(live.value, op.value)) return next;
      return put(op.expiresAtMs, op.value);
    case "set_entity":
      return holds(op.condition, live) ? put(op.expiresAtMs, op.value) : undefined;
    case "delete_tuple":
      next.delete(id);
      return next;
    case "delete_entity":
      if (!holds(op.condition, live)) return undefined;
      next.delete(id);
      return next;
    case "expire_tuple":
    case "expire_entity": {
      const at = BigInt(op.expiredAtMs);
      if (at === 0n || found?.expiresAtMs !== at || at > BigInt(NOW)) return undefined;
      next.delete(id);
      return next;
    }
    case "tuple_must_exist":
      return live ? next : undefined;
    case "tuple_must_not_exist":
      return live ? undefined : next;
    default:
      throw new Error("not made here");
  }
}

function holds(condition: CanonicalCondition, live: StoredRecord | undefined): boolean {
  if (condition.kind === "none") return true;
  if (condition.kind === "must_not_exist") return live === undefined;
  if (live === undefined) return false;
  if (condition.kind === "must_exist") return true;
  if (condition.kind === "version_equals") return live.version === BigInt(condition.version);
  return isSame(live.value, condition.value);
}

/** The state behind a whole transaction, or the one before it. */
function model(state: State, ops: readonly CanonicalOp[], height: bigint): State | undefined {
  let now: State | undefined = state;
  for (const op of ops) now = now && step(now, op, height);
  return now;
}

function applied(state: State, changes: readonly NetChange[]): State {
  const next = new Map(state);
  for (const { key, after } of changes) {
    if (key.kind === Kind.tupleBySubject) continue;
    if (after === undefined) next.delete(keyId(key));
    else next.set(keyId(key), after);
  }
  return next;
}

interface Ran {
  readonly results: readonly ExecutionResult["kind"][];
  readonly changes: readonly NetChange[];
}

function run(state: State, block: readonly (readonly CanonicalOp[])[], height: number): Ran {
  const executor = new BlockExecutor({ get: (key) => state.get(keyId(key)) }, height, NOW);
  const results = block.map((ops) => executor.runOps(ops).kind);
  return { results, changes: executor.netChanges() };
}

describe("a block of transactions", () => {
  it("happens transaction by transaction, each whole or not at all (INV-EXEC-1, INV-EXEC-2)", () => {
    const random = testRandom("execute");
    let rejected = 0;
    for (let round = 0; round < testRounds(300); round++) {
      let state: State = new Map();
      for (let height = 1; height <= 4; height++) {
        const block = Array.from({ length: 1 + random.int(3) }, () =>
          Array.from({ length: 1 + random.int(4) }, () => randomOp(random)),
        );
        const { results, changes } = run(state, block, height);
        expect(run(state, block, height)).toEqual({ results, changes });
        let expected = state;
        const kinds = block.map((ops) => {
          const after = model(expected, ops, BigInt(height));
          expected = after ?? expected;
          return after === undefined ? "rejected" : "accepted";
        });
        expect(results).toEqual(kinds);
        expect(applied(state, changes)).toEqual(expected);
        rejected += kinds.filter((kind) => kind === "rejected").length;
        state = expected;
      }
    }
    expect(rejected).toBeGreaterThan(100);
  });

  it("changes both directions of a tuple together, with equal records (INV-EXEC-3)", () => {
    const random = testRandom("execute twins");
    for (let round = 0; round < testRounds(200); round++) {
      const ops = Array.from({ length: 6 }, () => [randomOp(random)]);
      const { changes } = run(new Map(), ops, 1);
      const byId = new Map(changes.map((change) => [keyId(change.key), change]));
      expect(byId.size).toBe(changes.length);
      for (const { key, before, after } of changes) {
        if (key.kind === Kind.entity) continue;
        const twin = byId.get(keyId(twinOf(key)));
        expect([twin?.before, twin?.after]).toEqual([before, after]);
      }
    }
  });
});
