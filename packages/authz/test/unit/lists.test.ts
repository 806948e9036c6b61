/** Lists: what a page costs, where it ends, who is shown. The oracle's tests hold what is in them. */
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { listObjects, listRelations, listUsers, type World } from "../../src/index.js";
import { NotingReader, tupleOf, worldOf } from "../support/world.js";

const MODEL = `
type user
type bot
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user] or viewer from parent
type document
  relations
    define parent: [folder]
    define banned: [user]
    define viewer: [user, user:*, group#member] or viewer from parent
    define reader: viewer but not banned
    define listed: [user with small, user]
condition small(x: int) {
  x < 10
}
`;

function documents(count: number, subject: string): string[] {
  return Array.from({ length: count }, (_, i) => `document:${1000 + i}#viewer@${subject}`);
}

const asked = { type: "document", relation: "viewer", subject: "user:anne", limit: 10 };

describe("lists of objects", () => {
  it("cost the first page the same whatever the total", () => {
    const costs = [20, 2_000].map((count) => {
      const world = worldOf(MODEL, [
        ...documents(count, "user:anne"),
        "group:g#member@user:anne",
        ...documents(count, "group:g#member"),
      ]);
      const { objects, complete, next, cost } = listObjects(world, asked);
      expect([objects.length, complete, next !== undefined]).toEqual([10, false, true]);
      return cost;
    });
    expect(costs[1]).toBe(costs[0]);
    expect(costs[0]).toBeLessThan(20);
  });

  it("go on where a page ended without reading what former pages gave", () => {
    const world = worldOf(MODEL, documents(2_000, "user:anne"));
    const pages: number[] = [];
    for (let cursor: Uint8Array | undefined; ; ) {
      const noting = new NotingReader(world.tuples);
      const page = listObjects(
        { ...world, tuples: noting },
        { ...asked, limit: 500, ...(cursor === undefined ? {} : { cursor }) },
      );
      pages.push(page.objects.length);
      expect(noting.reads.length).toBeLessThan(520);
      cursor = page.next;
      if (cursor === undefined) break;
    }
    expect(pages).toEqual([500, 500, 500, 500]);
  });

  it("of a tree hold every object once, from page to page, though it is met on many ways", () => {
    const folders = Array.from({ length: 40 }, (_, i) => `folder:${i + 1}#parent@folder:${i >> 1}`);
    const shortcuts = Array.from(
      { length: 20 },
      (_, i) => `folder:${i + 1}#parent@folder:${i + 2}`,
    );
    const files = Array.from({ length: 40 }, (_, i) => [
      `document:${i}#parent@folder:${i}`,
      `document:${i}#parent@folder:${i + 1}`,
    ]).flat();
    const world = worldOf(MODEL, [...folders, ...shortcuts, ...files, "folder:0#viewer@user:anne"]);
    for (const type of ["folder", "document"]) {
      const limits = { depth: 25, cost: 10_000 };
      const whole = listObjects(world, { ...asked, type, limit: 100, limits });
      expect(whole.complete).toBe(true);
      expect(whole.objects).toHaveLength(type === "folder" ? 41 : 40);
      const found: string[] = [];
      for (let cursor: Uint8Array | undefined; ; ) {
        const question = { ...asked, type, limit: 3, limits };
        const page = listObjects(world, { ...question, ...(cursor && { cursor }) });
        found.push(...page.objects);
        cursor = page.next;
        if (cursor === undefined) break;
      }
      expect(found).toEqual(whole.objects);
    }
  });

  it("end a page where its budget is spent, and say that it is not all", () => {
    const denied = documents(100, "user:anne").map((text) => text.replace("viewer", "banned"));
    const world = worldOf(MODEL, [
      ...documents(100, "user:anne"),
      ...denied,
      "document:9999#viewer@user:anne",
    ]);
    const limits = { depth: 25, cost: 60 };
    const first = listObjects(world, { ...asked, relation: "reader", limits });
    expect([first.objects, first.complete]).toEqual([[], false]);
    expect(first.cost).toBeLessThan(70);
    let { next } = first;
    const found: string[] = [];
    while (next !== undefined) {
      const page = listObjects(world, { ...asked, relation: "reader", limits, cursor: next });
      found.push(...page.objects);
      next = page.next;
    }
    expect(found).toEqual(["document:9999"]);
  });

  it("fail where finding the groups of a subject takes more than a page's budget", () => {
    const groups = Array.from({ length: 100 }, (_, i) => `group:${i}#member@user:anne`);
    const world = worldOf(MODEL, groups);
    const question = { ...asked, limits: { depth: 25, cost: 60 } };
    const { objects, complete, next } = listObjects(world, question);
    expect([objects, complete]).toEqual([[], false]);
    const error = thrownBy(() => listObjects(world, { ...question, cursor: next! }));
    expect(error.code).toBe("EVALUATION_TOO_COMPLEX");
  });

  it("fail where an object that is met cannot be decided, and not for others", () => {
    const world = worldOf(MODEL, [
      tupleOf("document:1#listed@user:anne", "small"),
      "document:2#listed@user:bob",
    ]);
    const list = (subject: string) => listObjects(world, { ...asked, relation: "listed", subject });
    expect(thrownBy(() => list("user:anne")).code).toBe("CONDITION_FAILED");
    expect(list("user:bob").objects).toEqual(["document:2"]);
  });

  it("refuse a cursor that is none", () => {
    const world = worldOf(MODEL, documents(1, "user:anne"));
    const error = thrownBy(() => listObjects(world, { ...asked, cursor: Uint8Array.of(9) }));
    expect([error.code, error.details["field"]]).toEqual(["INVALID_ARGUMENT", "cursor"]);
  });
});

describe("lists of users", () => {
  const users = (world: World, object: string, relation = "viewer", filters = ["user"]) =>
    listUsers(world, { object, relation, filters, limit: 100 }).users;

  it("show the wildcard alone for those who qualify through nothing else (INV-EVAL-8)", () => {
    const world = worldOf(MODEL, [
      "document:1#viewer@user:*",
      "document:1#viewer@user:anne",
      "document:1#viewer@user:bob",
      "document:1#banned@user:bob",
      "document:1#banned@user:carl",
    ]);
    expect(users(world, "document:1")).toEqual(["user:*", "user:anne", "user:bob"]);
    expect(users(world, "document:1", "reader")).toEqual(["user:*", "user:anne"]);
    expect(users(world, "document:1", "viewer", ["bot"])).toEqual([]);
  });

  it("go through groups in each other, and show groups where those are asked for", () => {
    const world = worldOf(MODEL, [
      "document:1#viewer@group:a#member",
      "group:a#member@group:b#member",
      "group:b#member@group:a#member",
      "group:a#member@user:anne",
      "group:b#member@user:bob",
    ]);
    expect(users(world, "document:1")).toEqual(["user:anne", "user:bob"]);
    const groups = ["group:a#member", "group:b#member"];
    expect(users(world, "document:1", "viewer", ["group#member"])).toEqual(groups);
    const all = ["user:anne", "user:bob", ...groups];
    expect(users(world, "document:1", "viewer", ["user", "group#member"])).toEqual(all);
  });

  it("refuse kinds of subjects that are not there, none at all and a cursor that is none", () => {
    const world = worldOf(MODEL, []);
    const question = { object: "document:1", relation: "viewer", limit: 10 };
    const code = (filters: string[], cursor?: Uint8Array) =>
      thrownBy(() => listUsers(world, { ...question, filters, ...(cursor && { cursor }) })).code;
    expect(code(["person"])).toBe("TYPE_NOT_FOUND");
    expect(code(["group#boss"])).toBe("RELATION_NOT_FOUND");
    expect(code([])).toBe("INVALID_ARGUMENT");
    expect(code(["user"], Uint8Array.of(200, 1))).toBe("INVALID_ARGUMENT");
    expect(code(["user"], Uint8Array.of(0, 255))).toBe("INVALID_ARGUMENT");
  });
});

describe("lists of relations", () => {
  it("are in the model's order, or the question's", () => {
    const world = worldOf(MODEL, ["document:1#viewer@user:anne", "document:1#listed@user:anne"]);
    const question = { object: "document:1", subject: "user:anne" };
    expect(listRelations(world, question).relations).toEqual(["viewer", "reader", "listed"]);
    const relations = ["reader", "banned", "viewer"];
    expect(listRelations(world, { ...question, relations }).relations).toEqual([
      "reader",
      "viewer",
    ]);
  });
});
