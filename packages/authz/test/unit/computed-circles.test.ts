/** Relations of one object that follow from each other in a circle: OpenFGA's language allows them where a union has another way in. */
import { expect, test } from "vitest";
import {
  check,
  compileModel,
  type ListObjectsQuestion,
  listObjects,
  listUsers,
  MapTupleReader,
  type World,
} from "../../src/index.js";
import { parseOpenFga } from "../../src/language/index.js";

const MODEL = compileModel(
  parseOpenFga(`
model
  schema 1.1
type user
type document
  relations
    define a: [user] or b
    define b: [user] or c
    define c: [user] or a
    define reader: a and b
`),
);

test("INV-EVAL-2: a circle of computed relations ends, and each has what any of them has", () => {
  const tuples = new MapTupleReader([
    { object: "document:1", relation: "c", subject: "user:anne" },
  ]);
  const world = { model: MODEL, tuples };
  for (const relation of ["a", "b", "c", "reader"]) {
    const asked = { object: "document:1", relation };
    expect(check(world, { ...asked, subject: "user:anne" }).allowed).toBe(true);
    expect(check(world, { ...asked, subject: "user:eve" }).allowed).toBe(false);
    const objects = { type: "document", relation, subject: "user:anne", limit: 10 };
    expect(listObjects(world, objects).objects).toEqual(["document:1"]);
    const users = { ...asked, filters: ["user"], limit: 10 };
    expect(listUsers(world, users).users).toEqual(["user:anne"]);
  }
});

// Of x and y, that follow from each other, the second was taken to lead nowhere for good: the lists that follow from it were not
// made on later pages, and the second page was empty and called itself the last.
test("INV-EVAL-2: pages of a list joined are the whole list, also where relations follow from each other in a circle", () => {
  const ring = (names: readonly string[]) =>
    names.map((name, i) => `    define ${name}: [user] or ${names[(i + 1) % names.length]}`);
  for (const names of [
    ["x", "y"],
    ["x", "y", "z"],
  ]) {
    const lines = ["model", "  schema 1.1", "type user", "type doc", "  relations", ...ring(names)];
    const model = compileModel(parseOpenFga([...lines, "    define t: [doc#x]"].join("\n")));
    for (const held of names) {
      const direct = { object: "doc:a", relation: held, subject: "user:anne" };
      const listed = [1, 2, 3, 4].map((i) => ({
        ...{ object: `doc:t${i}`, relation: "t", subject: "doc:a#x" },
      }));
      const world = { model, tuples: new MapTupleReader([direct, ...listed]) };
      const asked = { type: "doc", relation: "t", subject: "user:anne" };
      const whole = listObjects(world, { ...asked, limit: 100 }).objects;
      expect(whole).toEqual(["doc:t1", "doc:t2", "doc:t3", "doc:t4"]);
      for (const limit of [1, 2, 3]) expect(pagesOf(world, { ...asked, limit })).toEqual(whole);
    }
  }
});

function pagesOf(world: World, question: ListObjectsQuestion): string[] {
  const objects: string[] = [];
  let cursor: Uint8Array | undefined;
  do {
    const page = listObjects(world, cursor === undefined ? question : { ...question, cursor });
    objects.push(...page.objects);
    cursor = page.next;
  } while (cursor !== undefined);
  return objects;
}
