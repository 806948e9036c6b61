/** Decisions over states of vaults: what they see, now and at a height, what is kept of them, and what they may cost. */
import { check, compileModel, MapTupleReader, type RelationTuple } from "@authledger/authz";
import { parseOpenFga } from "@authledger/authz/language";
import { height, type Operation, parseTuple } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { rejectedBy, testRandom } from "../../../../test/support.js";
import { DecisionResults } from "../../src/authorization/decision-results.js";
import { applied, LINEARIZABLE, refusalOf, writeOne } from "../engine-support.js";
import {
  create,
  DOCUMENTS,
  decide,
  deploy,
  type ModelNode,
  nodeWith,
  STRICTER,
} from "../models-support.js";

const atHeight = (of: number) => ({ kind: "at_height", height: height(of) }) as const;

async function write(node: ModelNode, ...operations: readonly Operation[]): Promise<number> {
  return applied(await writeOne(node.engine, node.vault, operations)).height;
}

const remove = (text: string): Operation => ({ op: "delete_tuple", tuple: parseTuple(text) });

describe("a decision", () => {
  test("follows from stored tuples by the active model", async () => {
    const node = await nodeWith(DOCUMENTS);
    await write(
      node,
      create("document:1#editor@user:ed"),
      create("document:1#viewer@group:g#member"),
      create("group:g#member@group:h#member"),
      create("group:h#member@user:hal"),
      create("document:2#viewer@user:*"),
    );
    const expected = {
      "document:1#viewer@user:ed": true,
      "document:1#editor@user:hal": false,
      "document:1#viewer@user:hal": true,
      "document:1#viewer@group:h#member": true,
      "document:1#viewer@user:eve": false,
      "document:2#viewer@user:eve": true,
    };
    for (const [text, allowed] of Object.entries(expected)) {
      expect(await decide(node, text), text).toBe(allowed);
    }
    const { relations } = await node.engine.call("list_relations", {
      ...{ vault: node.vault, consistency: LINEARIZABLE },
      ...{ object: "document:1", subject: "user:ed" },
    });
    expect([...relations].sort()).toEqual(["editor", "viewer"]);
  });

  test("reads the conditions of tuples, and what the question says of their parameters", async () => {
    const node = await nodeWith(DOCUMENTS);
    const { engine, vault } = node;
    await write(node, create("document:1#viewer@user:a", { name: "early", context: {} }));
    const ask = (context?: { readonly hour: number }) => {
      const tuples = [parseTuple("document:1#viewer@user:a")];
      const about = { vault, consistency: LINEARIZABLE, tuples };
      return engine.call("authorize", { ...about, ...(context && { context }) });
    };
    expect((await ask({ hour: 8 })).allowed).toEqual([true]);
    expect((await ask({ hour: 9 })).allowed).toEqual([false]);
    expect((await rejectedBy(ask())).code).toBe("CONDITION_FAILED");
    await write(node, create("document:1#viewer@user:a", { name: "early", context: { hour: 7 } }));
    expect((await ask({ hour: 9 })).allowed).toEqual([true]);
  });

  test("takes tuples that come with the question for this question only", async () => {
    const { engine, vault } = await nodeWith(DOCUMENTS);
    const contextualTuples = [{ object: "document:1", relation: "editor", subject: "user:ed" }];
    const tuples = [parseTuple("document:1#viewer@user:ed")];
    const about = { vault, consistency: LINEARIZABLE, tuples };
    const brought = await engine.call("authorize", { ...about, contextualTuples });
    expect(brought).toMatchObject({ allowed: [true], modelVersion: 1 });
    expect((await engine.call("authorize", about)).allowed).toEqual([false]);
  });

  test("of a batch that cannot be answered is named", async () => {
    const { engine, vault } = await nodeWith(DOCUMENTS);
    const tuples = ["document:1#viewer@user:a", "document:1#owner@user:a"].map(parseTuple);
    const about = { vault, consistency: LINEARIZABLE, tuples };
    const refused = await rejectedBy(engine.call("authorize", about));
    expect(refused).toMatchObject({ code: "RELATION_NOT_FOUND", details: { field: "tuples[1]" } });
  });

  test("in a vault without a model is the stored tuple, and no condition is guessed", async () => {
    const node = await nodeWith(DOCUMENTS);
    await write(
      node,
      create("document:1#viewer@user:a"),
      create("document:1#viewer@user:b", { name: "early", context: { hour: 1 } }),
    );
    const { engine, vault } = node;
    await engine.call("activate_model", { vault, actor: "a", reason: "", version: 0 });
    expect(await decide(node, "document:1#viewer@user:a")).toBe(true);
    expect(await decide(node, "document:1#editor@user:a")).toBe(false);
    const refused = await rejectedBy(decide(node, "document:1#viewer@user:b"));
    expect(refused.code).toBe("NO_ACTIVE_MODEL");
  });

  test("may be about any height, by the model that was active there", async () => {
    const node = await nodeWith(DOCUMENTS);
    const granted = await write(node, create("document:1#editor@user:ed"));
    const stricter = await deploy(node, STRICTER, { activate: true });
    const removed = await write(node, remove("document:1#editor@user:ed"));
    const viewer = "document:1#viewer@user:ed";
    const editor = "document:1#editor@user:ed";
    const answers: [boolean, boolean][] = [];
    for (const at of [granted - 1, granted, stricter.at.height, removed]) {
      answers.push([
        await decide(node, viewer, atHeight(at)),
        await decide(node, editor, atHeight(at)),
      ]);
    }
    expect(answers).toEqual([
      [false, false],
      [true, true],
      [false, true],
      [false, false],
    ]);
  });
});

describe("results that are kept", () => {
  const VIEWER = "document:1#viewer@user:ed";

  test("are never those of before a write, a change of the model or a delete (INV-ACTIVE-5)", async () => {
    const node = await nodeWith(DOCUMENTS);
    const seen = async (): Promise<boolean[]> => [
      await decide(node, VIEWER),
      await decide(node, VIEWER),
    ];
    const steps: [boolean, () => Promise<unknown>][] = [
      [false, async () => undefined],
      [true, () => write(node, create("document:1#editor@user:ed"))],
      [false, () => deploy(node, STRICTER, { activate: true })],
      [true, () => write(node, create("document:1#viewer@user:*"))],
      [false, () => write(node, remove("document:1#viewer@user:*"))],
    ];
    for (const [expected, step] of steps) {
      await step();
      expect(await seen()).toEqual([expected, expected]);
    }
  });

  test("end when the first tuple that they read expires, with no block in between (INV-ACTIVE-5)", async () => {
    const node = await nodeWith(DOCUMENTS);
    const expiresAtMs = node.time.wallMs + 10_000;
    const tuple = parseTuple("document:1#editor@user:ed");
    await write(node, { op: "create_tuple", tuple, expiresAtMs });
    expect(await decide(node, VIEWER)).toBe(true);
    node.time.wallMs += 9_999;
    expect(await decide(node, VIEWER)).toBe(true);
    node.time.wallMs += 1;
    expect(await decide(node, VIEWER)).toBe(false);
  });

  test("of another vault, height or model are others, and there are so many at most", () => {
    const results = new DecisionResults(3);
    const tuple = parseTuple(VIEWER);
    const state = { vault: 1, height: 5, model: "m" };
    const found = { allowed: true, cost: 1, fromMs: 10, untilMs: 20 };
    results.set(state, tuple, found);
    expect(results.get(state, tuple, 10)).toBe(found);
    const others = [{ vault: 2 }, { height: 6 }, { height: 4 }, { model: "n" }];
    for (const other of others) {
      expect(results.get({ ...state, ...other }, tuple, 10)).toBeUndefined();
    }
    for (const timeMs of [9, 20]) expect(results.get(state, tuple, timeMs)).toBeUndefined();
    for (let i = 0; i < 20; i++) {
      results.set({ ...state, height: 5 + (i >> 1) }, parseTuple(`d:${i}#r@u:x`), found);
      expect(results.size).toBeLessThanOrEqual(3);
    }
    expect(results.get(state, tuple, 10)).toBeUndefined();
    results.set(state, tuple, found);
    results.clear();
    expect([results.size, results.get(state, tuple, 10)]).toEqual([0, undefined]);
  });
});

describe("what a decision may cost", () => {
  test("is bounded; what goes over it is refused, and what is beside it answered (INV-ACTIVE-3)", async () => {
    const node = await nodeWith(DOCUMENTS);
    const { engine, vault } = node;
    // A denial has to look into each group.
    const groups = Array.from({ length: 60 }, (_, i) =>
      create(`document:1#viewer@group:g${i}#member`),
    );
    await write(node, ...groups);
    const tuples = Array.from({ length: 1_000 }, (_, i) =>
      parseTuple(`document:1#viewer@user:u${i}`),
    );
    const about = { vault, consistency: LINEARIZABLE };
    const refused = await rejectedBy(engine.call("authorize", { ...about, tuples }));
    expect(refused.code).toBe("EVALUATION_TOO_COMPLEX");
    const { allowed, cost } = await engine.call("authorize", {
      ...about,
      tuples: tuples.slice(0, 9),
    });
    expect(allowed).toEqual(Array(9).fill(false));
    expect(cost).toBeGreaterThan(9 * 60);
    expect(await decide(node, "document:1#viewer@group:g7#member")).toBe(true);
  });
});

describe("the evaluator over a state", () => {
  const random = testRandom("decisions over states");
  const pick = <T>(items: readonly T[]): T => items[random.int(items.length)]!;
  const users = ["user:a", "user:b", "user:c"];
  const groups = ["group:g", "group:h", "group:i"];
  const documents = ["document:1", "document:2"];

  function randomTuple(): string {
    if (random.chance(0.5)) {
      const subject = pick([...users, ...groups.map((group) => `${group}#member`)]);
      return `${pick(groups)}#member@${subject}`;
    }
    const subject = pick([...users, "user:*", ...groups.map((group) => `${group}#member`)]);
    return `${pick(documents)}#viewer@${subject}`;
  }

  function relationTuple(text: string): RelationTuple {
    const { resource: object, relation, subject } = parseTuple(text);
    return { object, relation, subject };
  }

  test("agrees with one over the same tuples in memory, at every height (INV-ACTIVE-2, INV-ACTIVE-4)", async () => {
    const node = await nodeWith(DOCUMENTS);
    const model = compileModel(parseOpenFga(DOCUMENTS));
    const stored = new Set<string>();
    const heights: [number, readonly string[]][] = [];
    for (let block = 0; block < 12; block++) {
      const changed = Array.from({ length: 4 }, randomTuple);
      const operations = changed.map((text) => {
        if (stored.delete(text)) return remove(text);
        stored.add(text);
        return create(text);
      });
      heights.push([await write(node, ...operations), [...stored]]);
    }
    for (const [at, tuples] of heights) {
      const world = { model, tuples: new MapTupleReader(tuples.map(relationTuple)) };
      for (const user of users) {
        for (const document of documents) {
          const text = `${document}#viewer@${user}`;
          const { allowed } = check(world, relationTuple(text));
          const about = `height ${at}: ${text} over ${tuples.join(" ")}`;
          expect(await decide(node, text, atHeight(at)), about).toBe(allowed);
          if (at === heights.at(-1)![0]) expect(await decide(node, text), about).toBe(allowed);
        }
      }
    }
  });
});

describe("tuples with conditions", () => {
  test("are equal only where their conditions are, and lists tell them from both sides", async () => {
    const node = await nodeWith(DOCUMENTS);
    const { engine, vault } = node;
    const text = "document:1#viewer@user:a";
    const statuses: string[] = [];
    const early = (hour: number) => create(text, { name: "early", context: { hour } });
    for (const operation of [early(7), early(7), early(8), create(text), early(8)]) {
      statuses.push(...applied(await writeOne(engine, vault, [operation])).statuses);
    }
    expect(statuses).toEqual(["created", "already_exists", "updated", "updated", "updated"]);
    const twice = applied(await writeOne(engine, vault, [early(6), early(6)]));
    expect(twice.statuses).toEqual(["updated", "already_exists"]);
    const list = async (filter: object, at?: number) => {
      const consistency = at === undefined ? LINEARIZABLE : atHeight(at);
      const { tuples } = await engine.call("list_tuples", {
        ...{ vault, consistency, limit: 9 },
        ...filter,
      });
      return tuples.map(({ condition }) => condition && new TextDecoder().decode(condition.value));
    };
    for (const filter of [{ resource: "document:1" }, { subject: "user:a" }, {}]) {
      expect(await list(filter)).toEqual([expect.stringContaining('{"hour":6}')]);
      expect(await list(filter, twice.height - 1)).toEqual([expect.stringContaining('{"hour":8}')]);
      expect(await list(filter, twice.height - 2)).toEqual([undefined]);
    }
    expect(refusalOf(await writeOne(engine, vault, [create("x:1#viewer@user:a")]))).toBe(
      "TYPE_NOT_FOUND",
    );
  });
});
