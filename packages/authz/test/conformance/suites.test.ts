/**
 * The public suites: every assertion as it stands, with all tuples passed along instead of stored, and explained.
 * What failed is named with what came instead.
 */
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import {
  check,
  explain,
  listObjects,
  listUsers,
  MapTupleReader,
  validateAgainstModel,
  type World,
} from "../../src/index.js";
import { type ConformanceCase, conformanceCases, suiteCode } from "../support/conformance.js";

const cases = [...conformanceCases()];

type Answer = ConformanceCase["expected"];
type Way = (test: ConformanceCase) => ConformanceCase;

function answer(test: ConformanceCase): Answer {
  const { model, stored, contextualTuples, context, question } = test;
  const world: World = { model, tuples: new MapTupleReader(stored) };
  const asked = { contextualTuples, context, limit: 1_000 };
  try {
    switch (question.kind) {
      case "check":
        return check(world, { ...asked, ...question }).allowed;
      case "list_objects":
        return [...listObjects(world, { ...asked, ...question }).objects].sort();
      case "list_users":
        return [...listUsers(world, { ...asked, ...question }).users].sort();
    }
  } catch (thrown) {
    if (thrown instanceof LedgerError) return { errorCode: suiteCode(thrown, question) };
    throw thrown;
  }
}

/** All tuples passed along; those that the model does not allow would be refused, and count for nothing when stored. */
const contextual: Way = (test) => {
  const allowed = test.stored.filter((tuple) => {
    try {
      validateAgainstModel(test.model, tuple);
      return true;
    } catch {
      return false;
    }
  });
  return { ...test, stored: [], contextualTuples: [...allowed, ...test.contextualTuples] };
};

function failures(kind: ConformanceCase["question"]["kind"], way: Way = (test) => test): string[] {
  const of = cases.filter(({ question }) => question.kind === kind);
  const failed = of.flatMap((test) => {
    const found = JSON.stringify(answer(way(test)));
    const expected = JSON.stringify(test.expected);
    return found === expected ? [] : [`${test.title}: ${found}, expected ${expected}`];
  });
  const passed = of.length - failed.length;
  process.stderr.write(`public suites, ${kind}: ${passed} of ${of.length} assertions\n`);
  return failed;
}

describe.skipIf(cases.length === 0)("public suites", () => {
  it.each(["check", "list_objects", "list_users"] as const)("agree on every %s", (kind) => {
    expect(failures(kind)).toEqual([]);
  });

  it.each(["check", "list_objects", "list_users"] as const)(
    "agree on every %s with all tuples passed along",
    (kind) => {
      expect(failures(kind, contextual)).toEqual([]);
    },
  );

  it("are explained as they are answered (INV-EVAL-6)", () => {
    for (const { title, model, stored, contextualTuples, context, question } of cases) {
      if (question.kind !== "check") continue;
      const world = { model, tuples: new MapTupleReader(stored) };
      const asked = { ...question, contextualTuples, context };
      const [plain, explained] = [check, explain].map((run) => {
        try {
          const { allowed, cost } = run(world, asked);
          return { allowed, cost };
        } catch (thrown) {
          return String(thrown);
        }
      });
      expect({ title, explained }).toEqual({ title, explained: plain });
    }
  });
});
