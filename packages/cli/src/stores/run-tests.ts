/** Tries a store's model: every expectation against the evaluator that the ledger itself uses. Needs no node. */
import {
  type CompiledModel,
  check,
  compileModel,
  type Explanation,
  explain,
  listObjects,
  listUsers,
  MapTupleReader,
  validateAgainstModel,
  type World,
} from "@authledger/authz";
import { readModel } from "@authledger/authz/language";
import { LedgerError } from "@authledger/types";
import { type Expectation, type Store, type StoreTest, textOf } from "./store.js";

/** Enough for what people write by hand; a list that is longer fails its expectation. */
const LIST_MAX = 10_000;

export interface TestResult {
  readonly store: string;
  readonly test: string;
  readonly kind: Expectation["kind"];
  readonly question: string;
  readonly passed: boolean;
  readonly expected: string;
  readonly got: string;
  /** Of a check that failed: why it was decided so. */
  readonly explanation?: Explanation;
  readonly ms: number;
}

/**
 * @throws LedgerError MODEL_INVALID, and INVALID_TUPLE for tuples that the model does not allow: they would be refused when they
 *   are written
 */
export function runStoreTests(store: Store): TestResult[] {
  const model = compileModel(readModel(store.language, store.files));
  for (const tuple of store.tuples) validateAgainstModel(model, tuple);
  return store.tests.flatMap((test) => runTest(store, model, test));
}

function runTest(store: Store, model: CompiledModel, test: StoreTest): TestResult[] {
  for (const tuple of test.tuples) validateAgainstModel(model, tuple);
  const world = { model, tuples: new MapTupleReader([...store.tuples, ...test.tuples]) };
  return test.expectations.map((asked) => {
    const startMs = performance.now();
    const got = answer(world, asked);
    const expected = shown(asked.expected);
    const passed = got === expected;
    return {
      ...{ store: store.name, test: test.name, kind: asked.kind, question: textOf(asked) },
      ...{ passed, expected, got, ms: performance.now() - startMs },
      ...(!passed && asked.kind === "check" && explained(world, asked)),
    };
  });
}

function answer(world: World, asked: Expectation): string {
  try {
    switch (asked.kind) {
      case "check":
        return shown(check(world, asked).allowed);
      case "list_objects":
        return whole(listObjects(world, { ...asked, limit: LIST_MAX }), ({ objects }) => objects);
      case "list_users":
        return whole(listUsers(world, { ...asked, limit: LIST_MAX }), ({ users }) => users);
    }
  } catch (thrown) {
    const { code, message } = LedgerError.from(thrown);
    if (code === "INTERNAL") throw thrown;
    const isConditional = asked.kind === "check" && asked.expected === "conditional";
    return isConditional && code === "CONDITION_FAILED" ? "conditional" : `${code}: ${message}`;
  }
}

function whole<A extends { readonly complete: boolean }>(
  list: A,
  entries: (list: A) => readonly string[],
): string {
  return list.complete ? shown(entries(list)) : `more than ${LIST_MAX}`;
}

/** As people read it, and so that equal answers are equal texts. */
function shown(value: boolean | "conditional" | readonly string[]): string {
  if (typeof value === "boolean") return value ? "allowed" : "denied";
  return typeof value === "string" ? value : `[${[...new Set(value)].sort().join(", ")}]`;
}

function explained(
  world: World,
  asked: Extract<Expectation, { readonly kind: "check" }>,
): { explanation?: Explanation } {
  try {
    return { explanation: explain(world, asked).tree };
  } catch {
    // The answer itself is an error, and says why.
    return {};
  }
}
