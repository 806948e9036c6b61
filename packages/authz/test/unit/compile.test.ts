/** Compiling: references, order, who can reach what, and the edges backwards. */
import { describe, expect, it } from "vitest";
import { parseOpenFga } from "../../src/language/openfga.js";
import { compileModel } from "../../src/model/compile.js";
import type { CompiledRewrite } from "../../src/model/compiled-model.js";
import { findProblems } from "../../src/model/model-rules.js";

const GITHUB = `model
  schema 1.1
type user
type bot
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, user:* with small, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define blocked: [user]
    define allowed: [user, bot]
    define editor: [user]
    define viewer: viewer from parent or [user] or editor
    define can_read: (viewer and allowed) but not blocked
condition small(x: int) {
  x < 10
}
`;
const model = compileModel(
  parseOpenFga(GITHUB.replace("viewer from parent or [user]", "[user] or viewer from parent")),
);
const relation = (type: string, name: string) => model.relation(type, name)!;
const kinds = (rewrite: CompiledRewrite) =>
  rewrite.kind === "union" ? rewrite.children.map(({ kind }) => kind) : [rewrite.kind];

describe("a compiled model", () => {
  it("orders unions and intersections cheapest first", () => {
    expect(kinds(relation("document", "viewer").rewrite)).toEqual([
      "direct",
      "computed",
      "tuple_to_userset",
    ]);
    const { rewrite } = relation("document", "can_read");
    expect(rewrite).toMatchObject({
      kind: "exclusion",
      base: { kind: "intersection", children: [{ relation: { name: "allowed" } }, {}] },
    });
  });

  it("knows which stored tuples it allows", () => {
    const viewer = relation("folder", "viewer");
    expect(viewer.isConditional).toBe(true);
    const cases: [string, string | undefined, boolean][] = [
      ["user:a", undefined, true],
      ["user:a", "small", false],
      ["user:*", "small", true],
      ["user:*", undefined, false],
      ["group:g#member", undefined, true],
      ["group:g", undefined, false],
      ["group:*", undefined, false],
      ["bot:b", undefined, false],
    ];
    for (const [subject, condition, allowed] of cases) {
      expect([subject, condition, viewer.allows(subject, condition)]).toEqual([
        subject,
        condition,
        allowed,
      ]);
    }
  });

  it("INV-MODEL-1 knows who cannot have a relation", () => {
    const reach = (type: string, name: string, subject: string) =>
      relation(type, name).isReachableFrom(subject);
    expect(reach("document", "viewer", "user")).toBe(true);
    expect(reach("document", "viewer", "group#member")).toBe(true);
    expect(reach("document", "viewer", "folder#viewer")).toBe(true);
    expect(reach("document", "viewer", "document#editor")).toBe(true);
    expect(reach("document", "viewer", "bot")).toBe(false);
    expect(reach("document", "allowed", "bot")).toBe(true);
    expect(reach("document", "can_read", "bot")).toBe(false);
    expect(reach("document", "can_read", "group#member")).toBe(false);
    expect(reach("document", "can_read", "document#can_read")).toBe(true);
    expect(reach("document", "viewer", "nobody")).toBe(false);
  });

  it("INV-MODEL-2 has the edges backwards, candidates under intersections and exclusions", () => {
    const edges = (found: ReturnType<typeof model.edgesFromType>) =>
      found.map(
        ({ relation: to, kind, tupleset, isCandidate }) =>
          `${kind} ${to.type}#${to.name}${tupleset ? ` via ${tupleset.name}` : ""}${isCandidate ? "?" : ""}`,
      );
    expect(edges(model.edgesFromType("bot"))).toEqual(["direct document#allowed"]);
    expect(edges(model.edgesFromRelation(relation("document", "allowed")))).toEqual([
      "computed document#can_read?",
    ]);
    expect(edges(model.edgesFromRelation(relation("document", "blocked")))).toEqual([]);
    expect(edges(model.edgesFromRelation(relation("folder", "viewer")))).toEqual([
      "tuple_to_userset folder#viewer via parent",
      "tuple_to_userset document#viewer via parent",
    ]);
    expect(edges(model.edgesFromRelation(relation("group", "member")))).toEqual([
      "direct group#member",
      "direct folder#viewer",
    ]);
    expect(model.leadsTo(relation("group", "member"), relation("document", "viewer"))).toBe(true);
    expect(model.leadsTo(relation("document", "viewer"), relation("group", "member"))).toBe(false);
  });

  it("refuses names that are not there", () => {
    const broken = [
      ["define member: [user, group#member]", "define member: [user, group#members]"],
      ["define allowed: [user, bot]", "define allowed: [user, bots]"],
      ["or editor", "or edit"],
      ["with small", "with tiny"],
      ["x < 10", "y < 10"],
    ] as const;
    for (const [from, to] of broken) {
      expect(() => compileModel(parseOpenFga(GITHUB.replace(from, to)))).toThrowError(
        expect.objectContaining({ code: "MODEL_INVALID" }) as Error,
      );
    }
  });

  it("takes chains as long as a model may be, in whichever order, without recursion", () => {
    // Recursion over relations went out of stack here, and the fixed point took a pass for each link.
    const links = Array.from({ length: 4_000 }, (_, i) => [
      `r${i}`,
      i === 3_999
        ? { rewrite: { kind: "direct" as const }, directTypes: [{ type: "t" }] }
        : { rewrite: { kind: "computed" as const, relation: `r${i + 1}` }, directTypes: [] },
    ]);
    for (const relations of [links, links.toReversed()]) {
      const chain = {
        schema: "1.1" as const,
        types: { t: { relations: Object.fromEntries(relations) } },
        conditions: {},
      };
      expect(findProblems(chain)).toEqual([]);
      expect(compileModel(chain).relation("t", "r0")?.isReachableFrom("t")).toBe(true);
    }
  });

  it("refuses what is over a limit", () => {
    const types = Array.from({ length: 501 }, (_, i) => `type t${i}`).join("\n");
    expect(() => compileModel(parseOpenFga(`model\n  schema 1.1\n${types}\n`))).toThrow(/types of/);
    const deep = `${"(".repeat(200)}a${")".repeat(200)}`;
    const nested = `model\n  schema 1.1\ntype t\n  relations\n    define a: [t]\n    define b: ${deep}\n`;
    expect(() => parseOpenFga(nested)).toThrow(/nested parentheses/);
  });
});
