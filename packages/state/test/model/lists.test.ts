/** Lists of tuples against a filter over all of them. */
import { type LedgerRecord, tupleKey } from "@authledger/proof";
import { compareBytes, type Tuple } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { type ListedTuple, listTuples, rangeOf, type TupleFilter } from "../../src/index.js";
import type { OpenVault } from "../../src/open-vault.js";
import { LIST_SCAN_MAX } from "../../src/reader.js";
import { u32Key } from "../../src/tables.js";
import { Ledger, type PlainOp } from "../state-support.js";

const RESOURCES = ["document:a", "document:b", "folder:a", "user:ann"];
const RELATIONS = ["viewer", "editor", "member"];
const SUBJECTS = ["user:ann", "user:bob", "group:g#member", "document:a", "user:*"];

type Random = ReturnType<typeof testRandom>;

function randomTuple(random: Random): Tuple {
  return {
    resource: random.pick(RESOURCES),
    relation: random.pick(RELATIONS),
    subject: random.chance(0.5) ? random.pick(SUBJECTS) : `user:u${random.int(20)}`,
  };
}

/** Tuples of a vault, some of them expired, and what a list of each must say. */
async function filled(random: Random): Promise<{ made: Ledger; all: ListedTuple[] }> {
  const made = await Ledger.create(random, 2);
  const stored = new Map<string, Tuple>();
  for (let i = 0; i < 6; i++) {
    const ops = Array.from({ length: 25 }, (): PlainOp => {
      const tuple = randomTuple(random);
      stored.set(JSON.stringify(Object.values(tuple)), tuple);
      const expiresAtMs = random.chance(0.3) ? made.leader.timeMs + random.between(1, 2_000) : 0;
      return { op: "create_tuple", tuple, expiresAtMs };
    });
    made.write(1, ops);
    made.write(2, [{ op: "create_tuple", tuple: randomTuple(random), expiresAtMs: 0 }]);
  }
  made.leader.timeMs += 1_000;
  const vault = made.state.vault(1)!;
  const all = [...stored.values()]
    .map((tuple) => ({ tuple, record: vault.record(tupleKey(tuple))! }))
    .filter(({ record }) => isLive(record, made.leader.timeMs))
    .map(({ tuple, record: { version, expiresAtMs } }) => {
      return { tuple, version: Number(version), expiresAtMs: Number(expiresAtMs) };
    });
  return { made, all };
}

const isLive = ({ expiresAtMs }: LedgerRecord, timeMs: number) =>
  expiresAtMs === 0n || expiresAtMs > timeMs;

/** Every combination of the three fields. */
function* filters(random: Random): Generator<TupleFilter> {
  for (let given = 0; given < 8; given++) {
    const { resource, relation, subject } = randomTuple(random);
    yield {
      ...((given & 1) !== 0 && { resource }),
      ...((given & 2) !== 0 && { relation }),
      ...((given & 4) !== 0 && { subject }),
    };
  }
}

/** What a list must say: in the order of paths, of the index that the filter takes. */
function expected(
  vault: OpenVault,
  all: readonly ListedTuple[],
  filter: TupleFilter,
): ListedTuple[] {
  const { kind } = rangeOf(filter);
  const pathOf = ({ resource, relation, subject }: Tuple) => {
    const [partition, item] = kind === 1 ? [resource, subject] : [subject, resource];
    return vault.paths.path({ kind, partition, group: relation, item }).slice();
  };
  return all
    .filter(({ tuple }) =>
      Object.entries(filter).every(([field, text]) => tuple[field as keyof Tuple] === text),
    )
    .map((listed) => ({ listed, path: pathOf(listed.tuple) }))
    .sort((a, b) => compareBytes(a.path, b.path))
    .map(({ listed }) => listed);
}

describe("a list of tuples", () => {
  test("by any of resource, relation and subject is what a filter over all of them finds, page by page", async () => {
    const random = testRandom("lists");
    for (let round = 0; round < testRounds(6); round++) {
      const { made, all } = await filled(random);
      const vault = made.state.vault(1)!;
      const { timeMs } = made.leader;
      for (const filter of [...filters(random), ...filters(random)]) {
        const whole = expected(vault, all, filter);
        const page = listTuples(vault, filter, { limit: 1_000, timeMs });
        expect(page).toEqual({ tuples: whole, next: undefined });
        const limit = 1 + random.int(7);
        const pages: ListedTuple[] = [];
        let from: Uint8Array | undefined;
        do {
          const next = listTuples(vault, filter, { limit, from, timeMs });
          expect(next.tuples.length).toBeLessThanOrEqual(limit);
          pages.push(...next.tuples);
          from = next.next;
        } while (from !== undefined);
        expect(pages).toEqual(whole);
      }
    }
  });

  test("takes the index of the resource, else of the subject, and else looks at everything", () => {
    expect(rangeOf({ resource: "r", relation: "v", subject: "s" })).toEqual({
      kind: 1,
      partition: "r",
      group: "v",
    });
    expect(rangeOf({ relation: "v", subject: "s" })).toEqual({
      kind: 2,
      partition: "s",
      group: "v",
    });
    expect(rangeOf({ relation: "v" })).toEqual({ kind: 1, partition: undefined, group: undefined });
  });

  test("goes on where a page ended, past rows that came and went meanwhile", async () => {
    const random = testRandom("list changes");
    const { made, all } = await filled(random);
    const vault = made.state.vault(1)!;
    const { timeMs } = made.leader;
    const whole = expected(vault, all, {});
    const first = listTuples(vault, {}, { limit: 5, timeMs });
    const [gone, kept] = [whole[5]!, whole.slice(6)];
    made.write(1, [
      { op: "delete_tuple", tuple: whole[0]!.tuple },
      { op: "delete_tuple", tuple: gone.tuple },
    ]);
    const { next: from } = first;
    const rest = listTuples(vault, {}, { limit: 1_000, from, timeMs });
    expect([first.tuples, rest.tuples]).toEqual([whole.slice(0, 5), kept]);
  });

  test(`looks at ${LIST_SCAN_MAX} rows for one page, and then says where to go on`, async () => {
    const random = testRandom("list scan");
    const made = await Ledger.create(random);
    // Each tuple is two rows, so this is more than the limit.
    for (let i = 0; i < 11; i++) {
      made.write(
        1,
        Array.from({ length: 1_000 }, (_, j): PlainOp => {
          const tuple = { resource: `document:${i}`, relation: "viewer", subject: `user:${j}` };
          return { op: "create_tuple", tuple, expiresAtMs: 0 };
        }),
      );
    }
    const vault = made.state.vault(1)!;
    const { timeMs } = made.leader;
    const page = listTuples(vault, { relation: "owner" }, { limit: 1, timeMs });
    expect(page.tuples).toEqual([]);
    const cursor = made.state.tables.leaf.cursor();
    cursor.seek(u32Key(1));
    for (let looked = 0; looked < LIST_SCAN_MAX; looked++) cursor.next();
    expect(page.next).toEqual(cursor.key.slice(4));
    const { next: from } = page;
    const rest = listTuples(vault, { relation: "owner" }, { limit: 1, from, timeMs });
    expect(rest).toEqual({ tuples: [], next: undefined });
  });
});
