/** What the log knows in memory, against plain arrays. */
import { groupId, nodeId, vaultId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import type {
  AnyRecord,
  CarriedRecord,
  EntryRecord,
  GroupRecord,
  SignedRecord,
} from "../../src/format/record.js";
import { type EntryPlace, EntryPlaces } from "../../src/state/entry-places.js";
import { GroupState, type Undo } from "../../src/state/group-state.js";
import { IndexRuns } from "../../src/state/index-runs.js";
import { LogState } from "../../src/state/log-state.js";

const GROUP = groupId(3);
const entry = (index: number, term: number): EntryRecord => {
  return { kind: "entry", group: GROUP, index, term, payload: new Uint8Array(index % 7) };
};

test("runs give every index the value it was given, whatever is cut and released (INV-RUNS-1)", () => {
  const random = testRandom("runs");
  for (let round = 0; round < testRounds(50); round++) {
    const runs = new IndexRuns();
    let values: number[] = [];
    let first = 1;
    for (let step = 0; step < 60; step++) {
      const next = first + values.length;
      if (random.chance(0.7)) {
        const value = random.chance(0.6) && values.length > 0 ? values.at(-1)! : random.int(4);
        runs.extend(next, value);
        values.push(value);
      } else if (values.length > 1 && random.chance(0.5)) {
        const from = random.between(first + 1, next);
        runs.cut(from);
        values = values.slice(0, from - first);
      } else if (values.length > 1) {
        const through = random.between(first, next - 1);
        runs.release(through);
        values = values.slice(through + 1 - first);
        first = through + 1;
      }
      expect(values.map((_, i) => runs.valueAt(first + i))).toEqual(values);
      if (values.length > 0) expect([runs.first, runs.last]).toEqual([values[0], values.at(-1)]);
    }
  }
});

test("places are those of contiguous entries, in their order, whatever is cut, released and moved (INV-PLACES-1)", () => {
  const random = testRandom("places");
  for (let round = 0; round < testRounds(50); round++) {
    let held: EntryPlace[] = [];
    let first = random.between(1, 9);
    const places = new EntryPlaces(first);
    const at = { segment: 1, offset: 0 };
    for (let step = 0; step < 60; step++) {
      const last = first + held.length - 1;
      const kind = random.int(10);
      if (kind < 6) {
        if (random.chance(0.2)) Object.assign(at, { segment: at.segment + 1, offset: 0 });
        const place = { ...at, length: random.int(100) };
        at.offset += 4096;
        places.push(place);
        held.push(place);
      } else if (kind < 8 && held.length > 0) {
        const from = random.between(first, last + 1);
        expect(places.cut(from)).toEqual(held.slice(from - first));
        held = held.slice(0, from - first);
      } else if (kind < 9 && held.length > 0) {
        const through = random.between(first, last + 1);
        places.release(through);
        held = held.slice(through + 1 - first);
        first = through + 1;
      } else if (held.length > 0) {
        const { segment } = held.at(-1)!;
        const move = ({ offset }: { offset: number }) => ({ segment: segment + 1, offset });
        places.relocate(segment, move);
        held = held.map((place) =>
          place.segment === segment ? { ...place, ...move(place) } : place,
        );
        Object.assign(at, { segment: segment + 1 });
      }
      expect(places.last).toBe(first + held.length - 1);
      expect(held.map((_, i) => places.at(first + i))).toEqual(held);
      expect(places.oldestSegment).toBe(held[0]?.segment);
    }
  }
});

describe("the log of a group", () => {
  test("has a place for what was written and keeps what waits, also when changes are taken back (INV-LOGGROUP-1, INV-LOGGROUP-2)", () => {
    const random = testRandom("group log");
    for (let round = 0; round < testRounds(60); round++) {
      const group = new GroupState(GROUP);
      let records: EntryRecord[] = [];
      let base = 0;
      let placed = 0;
      let offset = 4096;
      const place = (count: number): void => {
        for (; count > 0 && placed - base < records.length; count--) {
          const record = records[placed - base]!;
          group.place(record, { segment: 1, offset: offset++ });
          placed++;
        }
      };
      for (let step = 0; step < 60; step++) {
        const last = base + records.length;
        const kind = random.int(10);
        if (kind < 5) {
          const record = entry(last + 1, group.lastTerm + random.int(2));
          group.push(record);
          records.push(record);
        } else if (kind < 7) place(random.int(4));
        else if (kind < 8 && records.length > 0) {
          const before = { records, placed };
          const from = random.between(base + 1, last + 1);
          const undo: Undo = group.truncate(from);
          if (random.chance(0.5)) undo();
          else {
            records = before.records.slice(0, from - 1 - base);
            placed = Math.min(placed, from - 1);
          }
        } else if (kind < 9 && placed > base) {
          const through = random.between(base + 1, placed + 1);
          group.release(through, group.termAt(through)!);
          records = records.slice(through - base);
          base = through;
        } else if (placed < base + records.length) {
          group.pop();
          records = records.slice(0, -1);
        }
        expect([group.base, group.placed, group.last]).toEqual([
          base,
          placed,
          base + records.length,
        ]);
        records.forEach(({ term, payload }, i) => {
          const index = base + 1 + i;
          expect([group.termAt(index), group.payloadBytes(index)]).toEqual([term, payload.length]);
          if (index > placed) expect(group.waiting(index)).toBe(records[i]);
        });
        const terms = records.map(({ term }) => term);
        expect(terms).toEqual([...terms].sort((a, b) => a - b));
      }
    }
  });

  test("gives no entry away that waits for its batch (INV-LOGGROUP-1)", () => {
    const group = new GroupState(GROUP);
    group.push(entry(1, 1));
    expect(() => group.release(1, 1)).toThrow("INV-LOGGROUP-1");
    expect(() => group.waiting(2)).toThrow("INV-LOGGROUP-1");
    group.place(entry(1, 1), { segment: 1, offset: 0 });
    expect([group.placed, group.last]).toEqual([0, 1]);
  });

  test("names what is synced of the entries that are there now (INV-LOGGROUP-3)", () => {
    const group = new GroupState(GROUP);
    for (const index of [1, 2, 3]) group.load(1, { segment: 1, offset: index }, 5);
    group.markDurable();
    expect(group.durableIndex).toBe(3);
    const undo = group.truncate(2);
    expect(group.durableIndex).toBe(1);
    group.push(entry(2, 2));
    group.markDurable();
    expect(group.durableIndex).toBe(1);
    group.pop();
    undo();
    expect([group.placed, group.durableIndex]).toEqual([3, 1]);
    group.markDurable();
    expect(group.durableIndex).toBe(3);
  });
});

describe("terms and votes (INV-LOGSTATE-2)", () => {
  const A = nodeId(1n);
  const B = nodeId(2n);
  test.each([
    ["a later term without a vote", 6, undefined, true],
    ["a later term with another vote", 6, B, true],
    ["the same vote again", 5, A, true],
    ["another vote in the term", 5, B, false],
    ["the vote taken back in the term", 5, undefined, false],
    ["an earlier term", 4, A, false],
  ])("%s", (_, term, vote, isAllowed) => {
    const state = new LogState();
    state.apply({ kind: "group", group: GROUP, action: "create" });
    state.apply({ kind: "hard-state", group: GROUP, term: 5, vote: A });
    const applied = state.apply({ kind: "hard-state", group: GROUP, term, vote });
    expect(typeof applied).toBe(isAllowed ? "function" : "string");
    expect(state.groups.get(GROUP)!.hardState).toEqual(
      isAllowed ? { term, vote } : { term: 5, vote: A },
    );
    if (typeof applied === "function") applied();
    expect(state.groups.get(GROUP)!.hardState).toEqual({ term: 5, vote: A });
  });
});

describe("a log that is read back (INV-LOGSTATE-3)", () => {
  const place = { segment: 4, offset: 4096 };
  const carried: CarriedRecord = {
    kind: "carried",
    group: GROUP,
    last: 7,
    lastTerm: 2,
    base: 6,
    baseTerm: 2,
    commitHint: 6,
    term: 3,
    vote: undefined,
  };
  const read = (beginningReleased: boolean): LogState => {
    const state = new LogState();
    state.beginReading(beginningReleased);
    return state;
  };

  test("from its first record knows no group that was not created, and needs no carried record", () => {
    const state = read(false);
    expect(state.loadEntry({ group: GROUP, index: 1, term: 1 }, place, 5)).toContain(
      "unknown group",
    );
    expect(state.loadOther({ kind: "group", group: GROUP, action: "create" }, 4)).toBeUndefined();
    expect(state.loadEntry({ group: GROUP, index: 1, term: 1 }, place, 5)).toBeUndefined();
    expect(state.endReading()).toBeUndefined();
    expect(state.groups.get(GROUP)).toMatchObject({ base: 0, last: 1, durableIndex: 1 });
  });

  test("whose beginning was released must carry every group that it mentions", () => {
    const state = read(true);
    expect(state.loadEntry({ group: GROUP, index: 7, term: 2 }, place, 5)).toBeUndefined();
    expect(state.endReading()).toBe(`the beginning of group ${GROUP} is missing`);
    const whole = read(true);
    whole.loadEntry({ group: GROUP, index: 7, term: 2 }, place, 5);
    expect(whole.loadOther(carried, 4)).toBeUndefined();
    expect(whole.endReading()).toBeUndefined();
    expect(whole.groups.get(GROUP)).toMatchObject({ base: 6, last: 7, durableIndex: 7 });
  });

  test.each([
    ["another last entry", { last: 8 }],
    ["another term of it", { lastTerm: 3 }],
    ["a beginning behind the end", { base: 9 }],
  ])("is refused where a carried record names %s than was read", (_, wrong) => {
    const state = read(true);
    state.loadEntry({ group: GROUP, index: 7, term: 2 }, place, 5);
    expect(state.loadOther({ ...carried, ...wrong }, 4)).toContain("carries");
  });
});

// A leader fixed a head's time, signed another one as a cosigner, and then appended the mark of the first.
test("a signature mark goes back neither in size nor in time, except in a log that is read (INV-LOGSTATE-1)", () => {
  const state = new LogState();
  const at = (size: number, timeMs: number): SignedRecord => {
    const root = new Uint8Array(32);
    return { kind: "signed", group: GROUP, vault: vaultId(7), size, root, timeMs };
  };
  expect(typeof state.apply({ kind: "group", group: GROUP, action: "create" })).toBe("function");
  expect(typeof state.apply(at(5, 2_000))).toBe("function");
  expect(state.apply(at(4, 2_000))).toContain("lowers");
  expect(state.apply(at(6, 1_999))).toContain("back from 2000 to 1999");
  expect(typeof state.apply(at(5, 2_000))).toBe("function");
  expect(state.loadOther(at(6, 1_999), 4)).toBeUndefined();
});

/**
 * The story (property run 0 of SEED=3338163029): mark A of a vault was written while mark B waited behind it; a
 * full disk took B back, and A, which had never learned its segment, was not carried forward when that went.
 */
describe("what got its place while something newer waited is known to lie there after a full disk took that back", () => {
  const signed = (size: number): SignedRecord => {
    return {
      kind: "signed",
      group: GROUP,
      vault: vaultId(7),
      size,
      root: new Uint8Array(32),
      timeMs: size,
    };
  };
  const create: GroupRecord = { kind: "group", group: GROUP, action: "create" };
  const drop: GroupRecord = { kind: "group", group: GROUP, action: "drop" };
  const place = { segment: 4, offset: 4096 };

  function undoOf(state: LogState, record: AnyRecord): Undo {
    const applied = state.apply(record);
    if (typeof applied === "string") throw new Error(applied);
    return applied;
  }

  test.each([
    ["a newer mark", signed(6)],
    ["the drop of its group", drop],
  ])("a mark behind %s is carried (INV-MARKS-1)", (_, newer) => {
    const state = new LogState();
    undoOf(state, create);
    const mark = signed(5);
    undoOf(state, mark);
    const undo = undoOf(state, newer);
    state.place(mark, place);
    undo();
    expect([...state.marks.before(5)]).toEqual([mark]);
    expect([...state.marks.before(4)]).toEqual([]);
  });

  test("a mark that waits twice is carried from its first place", () => {
    const state = new LogState();
    undoOf(state, create);
    const mark = signed(5);
    undoOf(state, mark);
    undoOf(state, mark);
    state.place(mark, place);
    state.place(mark, { segment: 6, offset: 4096 });
    expect([...state.marks.before(5)]).toEqual([mark]);
  });

  test("an entry behind the drop of its group has its place", () => {
    const state = new LogState();
    undoOf(state, create);
    const first = entry(1, 1);
    undoOf(state, first);
    const undo = undoOf(state, drop);
    const again = undoOf(state, create);
    state.place(first, place);
    again();
    undo();
    expect(state.groups.get(GROUP)!.placed).toBe(1);
    expect(state.groups.get(GROUP)!.placeOf(1)).toMatchObject(place);
  });
});
