/** Entities by prefix and resources by type, against a walk over plain sets, whatever the size of the pages. */
import { compareBytes, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { listEntities, listResources, type StateView } from "../../src/index.js";
import { Ledger, type PlainOp } from "../state-support.js";

type Tables = Ledger["state"]["tables"];

function entityKeys(
  view: StateView,
  tables: Tables,
  about: {
    prefix: string;
    includeExpired: boolean;
    timeMs: number;
    limit: number;
    bytesMax?: number;
  },
): string[] {
  const keys: string[] = [];
  let from: Uint8Array | undefined;
  do {
    const page = listEntities(view, tables, { bytesMax: 1_000_000, ...about, from });
    expect(page.entities.length).toBeLessThanOrEqual(about.limit);
    keys.push(...page.entities.map(({ key }) => key));
    from = page.next;
  } while (from !== undefined);
  return keys;
}

function resources(
  view: StateView,
  about: { type: string; timeMs: number; limit: number },
): string[] {
  const found: string[] = [];
  let from: Uint8Array | undefined;
  do {
    const page = listResources(view, { ...about, from });
    found.push(...page.resources);
    from = page.next;
  } while (from !== undefined);
  return found;
}

const inOrder = (keys: Iterable<string>): string[] =>
  [...keys].sort((a, b) => compareBytes(utf8(a), utf8(b)));

describe("lists", () => {
  test("of entities are in the order of their keys, with and without what has expired, at every height that is kept", async () => {
    const random = testRandom("entity lists");
    const ledger = await Ledger.create(random, 2);
    const { leader, state } = ledger;
    const names = [
      "a",
      "a:b",
      "a:c",
      "b:",
      "b:x",
      "config:1",
      "config:10",
      "config:2",
      "\u00e9",
      "z",
    ];
    const model = new Map<string, number>();
    const past: { height: number; timeMs: number; model: Map<string, number> }[] = [];
    for (let step = 0; step < 30; step++) {
      leader.timeMs += 10;
      const ops = names
        .filter(() => random.chance(0.3))
        .map((key): PlainOp => {
          if (random.chance(0.4)) {
            model.delete(key);
            return { op: "delete_entity", key, condition: { kind: "none" } };
          }
          const expiresAtMs = random.chance(0.5) ? leader.timeMs + 1 + random.int(100) : 0;
          model.set(key, expiresAtMs);
          return { op: "set_entity", key, plain: random.bytes(5), expiresAtMs };
        });
      ops.push({ op: "set_entity", key: "always", plain: random.bytes(5), expiresAtMs: 0 });
      model.set("always", 0);
      ledger.write(1, ops);
      past.push({ height: step + 1, timeMs: leader.timeMs, model: new Map(model) });
    }
    for (const { height, timeMs, model: was } of past) {
      const view = state.vault(1)!.at(height);
      for (const prefix of ["", "a", "config:1", "none"]) {
        const limit = 1 + random.int(4);
        const all = inOrder([...was.keys()].filter((key) => key.startsWith(prefix)));
        const alive = all.filter((key) => was.get(key) === 0 || was.get(key)! > timeMs + 20);
        const about = { prefix, timeMs: timeMs + 20, limit };
        expect(entityKeys(view, state.tables, { ...about, includeExpired: true })).toEqual(all);
        expect(entityKeys(view, state.tables, { ...about, includeExpired: false })).toEqual(alive);
      }
    }
    // The other vault has none of them.
    const other = { prefix: "", includeExpired: true, timeMs: 0, limit: 9 };
    expect(entityKeys(state.vault(2)!, state.tables, other)).toEqual([]);
  });

  test("of large entities end a page before its values are too many, and give at least one", async () => {
    const ledger = await Ledger.create(testRandom("large entities"));
    const plain = new Uint8Array(1_000);
    ledger.write(
      1,
      ["a", "b", "c"].map((key): PlainOp => ({ op: "set_entity", key, plain, expiresAtMs: 0 })),
    );
    const query = { prefix: "", includeExpired: false, timeMs: 0, limit: 9, from: undefined };
    const { vault, tables } = { vault: ledger.state.vault(1)!, tables: ledger.state.tables };
    expect(listEntities(vault, tables, { ...query, bytesMax: 2_500 }).entities).toHaveLength(2);
    expect(listEntities(vault, tables, { ...query, bytesMax: 10 }).entities).toHaveLength(1);
    const all = { ...query, bytesMax: 10 };
    expect(entityKeys(vault, tables, all)).toEqual(["a", "b", "c"]);
  });

  test("of resources have each one of the type with a live tuple once, at every height that is kept", async () => {
    const random = testRandom("resource lists");
    const ledger = await Ledger.create(random, 2);
    const { leader, state } = ledger;
    const model = new Map<string, number>();
    const past: { height: number; timeMs: number; model: Map<string, number> }[] = [];
    for (let step = 0; step < 25; step++) {
      leader.timeMs += 10;
      const ops = Array.from({ length: 1 + random.int(8) }, (): PlainOp => {
        const type = random.pick(["document", "doc", "user"]);
        const tuple = {
          resource: `${type}:${random.int(4)}`,
          relation: random.pick(["viewer", "editor"]),
          subject: `user:${random.int(3)}`,
        };
        const name = JSON.stringify(tuple);
        if (random.chance(0.4)) {
          model.delete(name);
          return { op: "delete_tuple", tuple };
        }
        const expiresAtMs = random.chance(0.5) ? leader.timeMs + 1 + random.int(100) : 0;
        model.set(name, expiresAtMs);
        return { op: "create_tuple", tuple, expiresAtMs };
      });
      ledger.write(1, ops);
      // A transaction of no-ops makes a block all the same.
      past.push({ height: step + 1, timeMs: leader.timeMs, model: new Map(model) });
    }
    for (const { height, timeMs, model: was } of past) {
      for (const type of ["document", "doc", "none"]) {
        const alive = [...was].filter(([, at]) => at === 0 || at > timeMs + 20);
        const names = alive.map(([name]) => (JSON.parse(name) as { resource: string }).resource);
        const expected = new Set(names.filter((name) => name.startsWith(`${type}:`)));
        const about = { type, timeMs: timeMs + 20, limit: 1 + random.int(3) };
        const found = resources(state.vault(1)!.at(height), about);
        expect(inOrder(found)).toEqual(inOrder(expected));
        if (height === past.length)
          expect(inOrder(resources(state.vault(1)!, about))).toEqual(inOrder(expected));
      }
    }
  });
});
