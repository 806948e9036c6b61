/** Definitions that follow from each other without a tuple between them: what they take is counted, not found out. */
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import {
  type AuthorizationModel,
  check,
  compileModel,
  expand,
  explain,
  listObjects,
  listUsers,
  MapTupleReader,
  type RelationDefinition,
  type Rewrite,
} from "../../src/index.js";

/** r0 by a tuple or by r`length` of a parent, and each of the others by the one before, within so many unions. */
function chain(length: number, unions = 0): AuthorizationModel {
  const relations: Record<string, RelationDefinition> = {
    parent: { rewrite: { kind: "direct" }, directTypes: [{ type: "d" }] },
    r0: {
      rewrite: {
        kind: "union",
        children: [
          { kind: "direct" },
          { kind: "tuple_to_userset", tupleset: "parent", relation: `r${length}` },
        ],
      },
      directTypes: [{ type: "user" }],
    },
  };
  for (let i = 1; i <= length; i++) {
    let rewrite: Rewrite = { kind: "computed", relation: `r${i - 1}` };
    for (let union = 0; union < unions; union++) {
      rewrite = { kind: "union", children: [rewrite, { kind: "computed", relation: "r0" }] };
    }
    relations[`r${i}`] = { rewrite, directTypes: [] };
  }
  return { schema: "1.1", types: { user: { relations: {} }, d: { relations } }, conditions: {} };
}

const LEVELS = 20;

function worldOf(length: number) {
  const parents = Array.from({ length: LEVELS }, (_, i) => ({
    ...{ object: `d:${i}`, relation: "parent", subject: `d:${i + 1}` },
  }));
  const tuples = [...parents, { object: `d:${LEVELS}`, relation: "r0", subject: "user:u" }];
  return { model: compileModel(chain(length)), tuples: new MapTupleReader(tuples) };
}

function questionsOf(length: number) {
  const world = worldOf(length);
  const asked = { object: "d:0", relation: `r${length}` };
  return {
    check: () => check(world, { ...asked, subject: "user:u" }).allowed,
    explain: () => explain(world, { ...asked, subject: "user:u" }).allowed,
    listUsers: () => listUsers(world, { ...asked, filters: ["user"], limit: 5 }).users,
    listObjects: () =>
      listObjects(world, { type: "d", relation: asked.relation, subject: "user:u", limit: 5 })
        .objects,
    expand: () => expand(world, { ...asked, deep: true }),
  };
}

describe("INV-EVAL-11: definitions within each other", () => {
  it("are evaluated where there are many", () => {
    const { expand: tree, ...questions } = questionsOf(40);
    expect(questions.check()).toBe(true);
    expect(questions.explain()).toBe(true);
    expect(questions.listUsers()).toEqual(["user:u"]);
    expect(questions.listObjects()).toHaveLength(5);
    expect(tree()).toBeDefined();
  });

  // A hundred definitions on each of twenty levels filled the stack: a RangeError, which clients were told as INTERNAL.
  it.each([100, 400, 3_900])(
    "are too complex beyond the limit, and never fill the stack: %i",
    (length) => {
      for (const [name, ask] of Object.entries(questionsOf(length))) {
        let thrown: unknown;
        try {
          ask();
        } catch (error) {
          thrown = error;
        }
        if (thrown === undefined) continue;
        expect([name, thrown instanceof LedgerError && thrown.code]).toEqual([
          name,
          "EVALUATION_TOO_COMPLEX",
        ]);
      }
      expect(() => questionsOf(length).check()).toThrow(LedgerError);
    },
  );

  // Only relations were counted in a tree: with unions within each of them fewer than the limit filled the stack.
  it.each([
    [990, 5],
    [300, 22],
  ])(
    "count in a tree where one relation holds several: %i relations, each %i unions deep",
    (length, unions) => {
      const model = compileModel(chain(length, unions));
      const world = { model, tuples: new MapTupleReader([]) };
      const ask = () => expand(world, { object: "d:0", relation: `r${length}`, deep: true });
      expect(ask).toThrow(expect.objectContaining({ code: "EVALUATION_TOO_COMPLEX" }));
    },
  );
});
