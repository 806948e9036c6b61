/** Checks: what they read, what they remember, what they refuse. */
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import {
  CONTEXTUAL_TUPLES_MAX,
  check,
  MapTupleReader,
  type RelationTuple,
  type World,
} from "../../src/index.js";
import { NotingReader, questionOf, tupleOf, worldOf } from "../support/world.js";

const GROUPS = `
type user
type bot
type group
  relations
    define member: [user, group#member]
type team
  relations
    define member: [user]
type document
  relations
    define banned: [user, group#member]
    define owner: [user]
    define machine: [bot]
    define viewer: [user, user:*, group#member, team#member] or owner
    define reader: viewer but not banned
    define both: viewer and banned
`;

function isAllowed(world: World, question: string, more: object = {}): boolean {
  return check(world, { ...questionOf(question), ...more }).allowed;
}

/** What a check reads, and its answer at the end. */
function readsOf({ model, tuples }: World, question: string): string[] {
  const noting = new NotingReader(tuples);
  const { allowed } = check({ model, tuples: noting }, questionOf(question));
  return [...noting.reads, String(allowed)];
}

describe("reads of a check", () => {
  const world = worldOf(GROUPS, [
    "document:1#viewer@user:anne",
    "document:1#viewer@user:bob",
    "document:1#viewer@group:a#member",
    "document:1#viewer@team:t#member",
    "document:1#owner@user:olga",
    "group:a#member@group:b#member",
    "group:b#member@user:dora",
    "team:t#member@user:tom",
  ]);

  it("are none where the subject's kind cannot have the relation (INV-EVAL-5)", () => {
    expect(readsOf(world, "document:1#viewer@bot:1")).toEqual(["false"]);
    expect(readsOf(world, "document:1#machine@group:a#member")).toEqual(["false"]);
    expect(readsOf(world, "group:a#member@group:a#member")).toEqual(["true"]);
  });

  it("are points before lists, and end with what is true (INV-EVAL-5)", () => {
    expect(readsOf(world, "document:1#viewer@user:anne")).toEqual([
      "find document:1#viewer@user:anne",
      "true",
    ]);
    expect(readsOf(world, "document:1#viewer@user:olga")).toEqual([
      "find document:1#viewer@user:olga",
      "find document:1#viewer@user:*",
      "find document:1#owner@user:olga",
      "true",
    ]);
    expect(readsOf(world, "document:1#viewer@user:dora").slice(3)).toEqual([
      "list document:1#viewer@group:",
      "  document:1@group:a#member",
      "find group:a#member@user:dora",
      "list group:a#member@group:",
      "  group:a@group:b#member",
      "find group:b#member@user:dora",
      "true",
    ]);
  });

  it("of a group of 10,000 members are points", () => {
    const members = Array.from({ length: 10_000 }, (_, i) => `team:t#member@user:m${i}`);
    const big = worldOf(GROUPS, ["document:1#viewer@team:t#member", ...members]);
    for (const [subject, allowed] of [
      ["user:m9999", true],
      ["user:nobody", false],
    ] as const) {
      const answer = check(big, questionOf(`document:1#viewer@${subject}`));
      expect(answer).toEqual({ allowed, cost: 7 });
    }
  });

  it("are the same every time, and over them alone the answer is the same (INV-EVAL-4)", () => {
    for (const subject of ["user:dora", "user:tom", "user:nobody", "group:b#member"]) {
      const question = `document:1#reader@${subject}`;
      const reads = readsOf(world, question);
      expect(readsOf(world, question)).toEqual(reads);
      const shown = reads.flatMap((read): RelationTuple[] => {
        const [, object, relation, user] = /^find (.+?)#(.+?)@(.+)$/.exec(read) ?? [];
        if (object !== undefined) return [world.tuples.find(object, relation!, user!) ?? []].flat();
        const [, of, listed] = /^ {2}(.+?)@(.+)$/.exec(read) ?? [];
        if (of === undefined) return [];
        return ["viewer", "banned", "member"].flatMap(
          (name) => world.tuples.find(of, name, listed!) ?? [],
        );
      });
      const replay = { model: world.model, tuples: new MapTupleReader(shown) };
      expect(readsOf(replay, question)).toEqual(reads);
    }
  });
});

describe("cycles", () => {
  it("end, and what is found behind them counts whatever was remembered (INV-EVAL-1)", () => {
    // c is first met under a and b, where a is not known yet; what it comes to there must not stay.
    const world = worldOf(GROUPS, [
      "document:1#viewer@group:a#member",
      "document:1#banned@group:c#member",
      "group:a#member@group:b#member",
      "group:b#member@group:c#member",
      "group:c#member@group:a#member",
      "group:a#member@group:x#member",
      "group:x#member@user:anne",
    ]);
    expect(isAllowed(world, "document:1#both@user:anne")).toBe(true);
    expect(isAllowed(world, "document:1#reader@user:anne")).toBe(false);
    expect(isAllowed(world, "document:1#both@user:bob")).toBe(false);
  });

  it("that are subtracted give nothing", () => {
    const world = worldOf(GROUPS, [
      "document:1#viewer@user:anne",
      "document:1#banned@group:a#member",
      "group:a#member@group:a#member",
    ]);
    expect(isAllowed(world, "document:1#viewer@user:anne")).toBe(true);
    expect(isAllowed(world, "document:1#reader@user:anne")).toBe(false);
  });

  it("of many groups in each other take steps by their number, not by their paths", () => {
    const ids = Array.from({ length: 24 }, (_, i) => i);
    const tuples = ids.flatMap((a) =>
      ids
        .map((b) => `group:${a}#member@group:${b}#member`)
        .filter((text) => !text.includes(`:${a}#member@group:${a}#`)),
    );
    const world = worldOf(GROUPS, ["document:1#viewer@group:0#member", ...tuples]);
    const { allowed, cost } = check(world, questionOf("document:1#viewer@user:anne"));
    expect(allowed).toBe(false);
    expect(cost).toBeLessThan(1_000);
    const member = worldOf(GROUPS, [
      "document:1#viewer@group:0#member",
      ...tuples,
      "group:23#member@user:anne",
    ]);
    expect(isAllowed(member, "document:1#viewer@user:anne")).toBe(true);
  });
});

describe("limits", () => {
  const chain = (length: number) =>
    Array.from({ length }, (_, i) => `group:${i}#member@group:${i + 1}#member`);

  it("allow 25 relations on a path and no more, but for what is true otherwise", () => {
    const world = worldOf(GROUPS, [
      ...chain(26),
      "group:25#member@user:anne",
      "group:26#member@user:bob",
    ]);
    expect(isAllowed(world, "group:0#member@user:anne")).toBe(true);
    expect(thrownBy(() => isAllowed(world, "group:0#member@user:bob")).code).toBe(
      "EVALUATION_TOO_COMPLEX",
    );
    expect(isAllowed(world, "group:1#member@user:bob")).toBe(true);
    const limits = { depth: 26, cost: 1_000 };
    expect(isAllowed(world, "group:0#member@user:bob", { limits })).toBe(true);
  });

  it("of depth leave nothing behind for a shorter path to the same group (INV-EVAL-1)", () => {
    const world = worldOf(GROUPS, [
      ...chain(26),
      "group:26#member@user:bob",
      "document:1#viewer@group:0#member",
      "document:1#viewer@group:4#member",
    ]);
    expect(isAllowed(world, "document:1#viewer@user:bob")).toBe(true);
  });

  it("bound the reads of a question", () => {
    const world = worldOf(GROUPS, chain(10));
    const question = { ...questionOf("group:0#member@user:anne"), limits: { depth: 25, cost: 20 } };
    const error = thrownBy(() => check(world, question));
    expect([error.code, error.details["limit"]]).toEqual(["EVALUATION_TOO_COMPLEX", 20]);
    expect(check(world, { ...question, limits: { depth: 25, cost: 100 } }).allowed).toBe(false);
  });

  it("bound the tuples that come along", () => {
    const contextualTuples = Array.from({ length: CONTEXTUAL_TUPLES_MAX + 1 }, (_, i) =>
      tupleOf(`document:${i}#owner@user:anne`),
    );
    const question = { ...questionOf("document:1#owner@user:anne"), contextualTuples };
    expect(thrownBy(() => check(worldOf(GROUPS, []), question)).code).toBe("LIMIT_EXCEEDED");
  });
});

describe("conditions", () => {
  const CONDITIONS = `
type user
type group
  relations
    define member: [user, user with small]
type document
  relations
    define owner: [user]
    define viewer: [user with small, group#member with small] or owner
    define reader: viewer but not owner
condition small(x: int) {
  x < 10
}
`;
  const world = worldOf(CONDITIONS, [
    tupleOf("document:1#viewer@user:anne", "small"),
    tupleOf("document:1#viewer@group:g#member", "small", { x: 1 }),
    tupleOf("document:2#viewer@user:anne"),
    tupleOf("document:2#owner@user:olga"),
    tupleOf("document:3#viewer@group:g#member", "small"),
    tupleOf("document:3#owner@user:olga"),
    tupleOf("group:g#member@user:bob"),
  ]);

  it("count with the values of request and tuple, those of the tuple first", () => {
    expect(isAllowed(world, "document:1#viewer@user:anne", { context: { x: 5 } })).toBe(true);
    expect(isAllowed(world, "document:1#viewer@user:anne", { context: { x: 50 } })).toBe(false);
    expect(isAllowed(world, "document:1#viewer@user:bob", { context: { x: 50 } })).toBe(true);
  });

  it("without a value are an error, unless the answer is decided without them", () => {
    const error = thrownBy(() => isAllowed(world, "document:1#viewer@user:anne"));
    expect([error.code, error.details["parameters"]]).toEqual(["CONDITION_FAILED", "x"]);
    expect(thrownBy(() => isAllowed(world, "document:3#viewer@user:bob")).code).toBe(
      "CONDITION_FAILED",
    );
    expect(isAllowed(world, "document:3#viewer@user:olga")).toBe(true);
    expect(isAllowed(world, "document:3#reader@user:olga")).toBe(false);
  });

  it("that the model does not allow make a tuple count for nothing (INV-EVAL-3)", () => {
    expect(isAllowed(world, "document:2#viewer@user:anne", { context: { x: 5 } })).toBe(false);
  });
});

describe("questions", () => {
  const world = worldOf(GROUPS, []);

  it.each([
    ["folder:1#viewer@user:anne", "TYPE_NOT_FOUND", "type"],
    ["document:1#writer@user:anne", "RELATION_NOT_FOUND", "relation"],
    ["document:1#viewer@person:anne", "TYPE_NOT_FOUND", "subject"],
    ["document:1#viewer@group:a#boss", "RELATION_NOT_FOUND", "subject"],
  ])("that name what the model lacks are refused: %s", (text, code, field) => {
    const error = thrownBy(() => check(world, questionOf(text)));
    expect([error.code, error.details["field"]]).toEqual([code, field]);
  });

  it.each([
    "folder:1#viewer@user:anne",
    "document:1#writer@user:anne",
    "document:1#viewer@person:anne",
    "document:1#owner@user:*",
    "document:1#reader@user:anne",
  ])("with a tuple that could not be written are refused: %s", (text) => {
    const question = questionOf("document:1#viewer@user:anne");
    const error = thrownBy(() => check(world, { ...question, contextualTuples: [tupleOf(text)] }));
    expect([error.code, error.details["field"]]).toEqual(["INVALID_TUPLE", "contextual_tuples"]);
  });
});
