/** Readers over tuples in memory, and one over another. */
import { describe, expect, it } from "vitest";
import {
  MapTupleReader,
  OverlayReader,
  type RelationTuple,
  type TupleReader,
} from "../../src/index.js";

function tuple(text: string): RelationTuple {
  const [, object, relation, subject] = /^(.+?)#(.+?)@(.+)$/.exec(text)!;
  return { object: object!, relation: relation!, subject: subject! };
}

const text = ({ object, relation, subject }: RelationTuple) => `${object}#${relation}@${subject}`;
const texts = (tuples: Iterable<RelationTuple>) => [...tuples].map(text);

/** All of a list by subject, read anew from the position of every tuple. */
function pagedOfSubject(reader: TupleReader, [subject, relation, type]: [string, string, string]) {
  const found: string[] = [];
  for (let after: Uint8Array | undefined; ; ) {
    const [next] = reader.ofSubject(subject, relation, type, after);
    if (next === undefined) return found;
    found.push(text(next));
    after = next.position;
  }
}

const STORED = [
  "document:2#viewer@user:anne",
  "document:1#viewer@user:bob",
  "document:1#viewer@user:anne",
  "document:1#viewer@group:b#member",
  "document:1#viewer@group:a#member",
  "document:1#viewer@groups:a#member",
  "folder:1#viewer@user:anne",
].map(tuple);

describe("tuples in memory", () => {
  it("are found by key, by object, by kind of userset and by subject, in the order of keys", () => {
    const reader = new MapTupleReader(STORED);
    expect(reader.find("document:1", "viewer", "user:bob")).toEqual(STORED[1]);
    expect(reader.find("document:1", "viewer", "user:bo")).toBeUndefined();
    expect(texts(reader.ofObject("document:1", "viewer"))).toHaveLength(5);
    expect(texts(reader.usersetsOf("document:1", "viewer", "group"))).toEqual([
      "document:1#viewer@group:a#member",
      "document:1#viewer@group:b#member",
    ]);
    expect(pagedOfSubject(reader, ["user:anne", "viewer", "document"])).toEqual([
      "document:1#viewer@user:anne",
      "document:2#viewer@user:anne",
    ]);
    expect(texts(reader.ofSubject("user:anne", "viewer", "group"))).toEqual([]);
  });

  it("give way to a later one of the same key and can be removed", () => {
    const reader = new MapTupleReader(STORED);
    const condition = { name: "c", context: {} };
    reader.add({ ...STORED[1]!, condition });
    expect(reader.find("document:1", "viewer", "user:bob")?.condition).toBe(condition);
    expect(texts(reader.ofObject("document:1", "viewer"))).toHaveLength(5);
    expect(reader.remove("document:1", "viewer", "user:anne")).toBe(true);
    expect(reader.remove("document:1", "viewer", "user:anne")).toBe(false);
    expect(texts(reader.ofSubject("user:anne", "viewer", "document"))).toEqual([
      "document:2#viewer@user:anne",
    ]);
  });
});

describe("tuples of a question over stored ones", () => {
  it("come first, hide what has their key, and positions go on from either", () => {
    const condition = { name: "c", context: {} };
    const own = new MapTupleReader([
      { ...STORED[2]!, condition },
      tuple("document:0#viewer@user:anne"),
    ]);
    const reader = new OverlayReader(own, new MapTupleReader(STORED));
    expect(reader.find("document:1", "viewer", "user:anne")?.condition).toBe(condition);
    expect(reader.find("document:1", "viewer", "user:bob")).toEqual(STORED[1]);
    expect(pagedOfSubject(reader, ["user:anne", "viewer", "document"])).toEqual([
      "document:0#viewer@user:anne",
      "document:1#viewer@user:anne",
      "document:2#viewer@user:anne",
    ]);
    const [first, ...others] = reader.ofObject("document:1", "viewer");
    expect(first?.condition).toBe(condition);
    expect(others).toHaveLength(4);
    expect(texts(reader.usersetsOf("document:1", "viewer", "group"))).toHaveLength(2);
  });
});
