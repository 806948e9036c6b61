/**
 * The public suites: every assertion as it stands, with all tuples passed along instead of stored, and explained.
 * A case that failed is named with what came instead.
 */
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { check, MapTupleReader, type World } from "../../src/index.js";
import { type ConformanceCase, conformanceCases, suiteCode } from "../support/conformance.js";

const cases = [...conformanceCases()];

type Answer = ConformanceCase["expected"];

function answer({ model, stored, contextualTuples, context, question }: ConformanceCase): Answer {
  const world: World = { model, tuples: new MapTupleReader(stored) };
  try {
    const asked = { contextualTuples, context };
    switch (question.kind) {
      case "check":
        return check(world, { ...asked, ...question }).allowed;
      default:
        return [];
    }
  } catch (thrown) {
    if (thrown instanceof LedgerError) return { errorCode: suiteCode(thrown, question) };
    throw thrown;
  }
}

function failures(of: readonly ConformanceCase[]): string[] {
  return of.flatMap((test) => {
    const found = JSON.stringify(answer(test));
    const expected = JSON.stringify(test.expected);
    return found === expected ? [] : [`${test.title}: ${found}, expected ${expected}`];
  });
}

function counted(name: string, kind: ConformanceCase["question"]["kind"]): ConformanceCase[] {
  const of = cases.filter(({ question }) => question.kind === kind);
  process.stderr.write(`${name}: ${of.length} assertions\n`);
  return of;
}

describe.skipIf(cases.length === 0)("public suites", () => {
  it("agree on every check", () => {
    expect(failures(counted("check", "check"))).toEqual([]);
  });
});
