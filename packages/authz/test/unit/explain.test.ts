/** Explanations and userset trees: what people see. */
import { describe, expect, it } from "vitest";
import { EXPLANATION_PARTS_MAX, type Explanation, expand, explain } from "../../src/index.js";
import { questionOf, tupleOf, worldOf } from "../support/world.js";

const MODEL = `
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define viewer: [user]
type document
  relations
    define parent: [folder]
    define banned: [user]
    define viewer: [user, group#member, user with small] or viewer from parent
    define reader: viewer but not banned
condition small(x: int) {
  x < 10
}
`;

/** Steps by depth: kind, outcome and reason. */
function linesOf(step: Explanation, indent = ""): string[] {
  const own = `${indent}${step.kind} ${step.outcome}: ${step.reason}`;
  return [own, ...step.children.flatMap((child) => linesOf(child, `${indent}  `))];
}

describe("explanations", () => {
  const world = worldOf(MODEL, [
    "document:1#viewer@group:a#member",
    "document:1#viewer@group:b#member",
    "document:1#parent@folder:f",
    "group:b#member@user:anne",
    "document:1#banned@user:bob",
    "document:1#viewer@user:bob",
    tupleOf("document:1#viewer@user:eve", "small", { x: 50 }),
  ]);
  const lines = (question: string) => linesOf(explain(world, questionOf(question)).tree);

  it("show of what is true the winning path", () => {
    const { tree, question, allowed } = explain(world, questionOf("document:1#viewer@user:anne"));
    expect([question, allowed]).toEqual(["document:1#viewer@user:anne", true]);
    expect(linesOf(tree)).toEqual([
      "relation true: document:1#viewer is true",
      "  union true: one operand is true",
      "    usersets true: through group:b#member",
      "      relation true: group:b#member is true",
      "        direct true: tuple group:b#member@user:anne",
    ]);
  });

  it("show of what is false every reason", () => {
    expect(lines("document:1#reader@user:bob")).toContain(
      "  exclusion false: what is subtracted is true",
    );
    const denied = lines("document:1#viewer@user:eve");
    expect(denied).toContain(
      "    direct false: condition small of document:1#viewer@user:eve does not hold, or is not the model's",
    );
    expect(denied).toContain("      relation false: folder:f#viewer is false");
    expect(denied.join("\n")).toContain("direct false: no tuple group:b#member@user:eve");
    expect(lines("document:1#parent@user:anne")).toEqual([
      "unreachable false: no tuple can give user:anne document:1#parent: the model allows no such subject",
    ]);
  });

  it("are bounded, and say what they leave out", () => {
    const groups = Array.from({ length: 3_000 }, (_, i) => `document:2#viewer@group:${i}#member`);
    const wide = worldOf(MODEL, [...groups, "group:2999#member@user:anne"]);
    const parts = (step: Explanation): number =>
      step.tuples.length + step.children.reduce((sum, child) => sum + 1 + parts(child), 0);
    const denied = explain(wide, questionOf("document:2#viewer@user:bob")).tree;
    expect(parts(denied)).toBeLessThanOrEqual(EXPLANATION_PARTS_MAX);
    expect(linesOf(denied).some((line) => line.includes("more parts are not shown"))).toBe(true);
    const allowed = explain(wide, questionOf("document:2#viewer@user:anne")).tree;
    expect(linesOf(allowed).at(-1)).toContain("direct true: tuple group:2999#member@user:anne");
  });
});

describe("userset trees", () => {
  const world = worldOf(MODEL, [
    "document:1#viewer@group:a#member",
    "document:1#parent@folder:f",
    tupleOf("document:1#viewer@user:eve", "small"),
    "document:1#viewer@folder:f",
    "group:a#member@group:a#member",
    "group:a#member@user:anne",
  ]);

  it("are one level of tuples, of those that the model allows", () => {
    const { tree } = expand(world, { object: "document:1", relation: "viewer" });
    const at = { object: "document:1", relation: "viewer" };
    expect(tree).toEqual({
      kind: "union",
      ...at,
      children: expect.arrayContaining([
        {
          kind: "leaf",
          ...at,
          subjects: [{ subject: "group:a#member" }, { subject: "user:eve", condition: "small" }],
        },
        { kind: "tuple_to_userset", ...at, tupleset: "parent", usersets: ["folder:f#viewer"] },
      ]),
    });
  });

  it("are deep where asked for, each userset once", () => {
    const { tree } = expand(world, { object: "group:a", relation: "member", deep: true });
    const subjects = [{ subject: "group:a#member" }, { subject: "user:anne" }];
    expect(tree).toEqual({
      kind: "leaf",
      object: "group:a",
      relation: "member",
      subjects,
      expanded: [],
    });
    const reader = expand(world, { object: "document:1", relation: "reader", deep: true }).tree;
    expect(JSON.stringify(reader)).toContain('"subject":"user:anne"');
  });
});
