/** Relations of one object that follow from each other in a circle: OpenFGA's language allows them where a union has another way in. */
import { expect, test } from "vitest";
import { check, compileModel, listObjects, listUsers, MapTupleReader } from "../../src/index.js";
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
