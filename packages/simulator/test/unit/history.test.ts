/** Both judges of client histories, on histories made by hand and at random. */
import type { SeededRandom } from "@authledger/io";
import { describe, expect, it } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { judgeHistory } from "../../src/history/judge.js";
import { checkLinearizability } from "../../src/history/linearizability.js";
import {
  formatHistory,
  HistoryFormatError,
  type LoggedWrite,
  type Operation,
  parseHistory,
} from "../../src/history/record.js";
import { HistoryRecorder } from "../../src/history/recorder.js";
import { agrees, type RegisterValue, run } from "../../src/history/register.js";
import { checkReplay, type ReplayProblem } from "../../src/history/replay.js";

const operation = (
  op: Operation["op"],
  [call, ret]: readonly [number, number | null],
  about: Partial<Operation> = {},
): Operation => ({
  ...{ proc: 0, op, key: "k", in: null, exp: null, call, ret, out: null },
  ok: ret === null ? null : true,
  ...about,
});
const put = (value: string, times: readonly [number, number | null], about?: Partial<Operation>) =>
  operation("put", times, { in: value, id: `put/${value}`, ...about });
const get = (out: string | null, times: readonly [number, number], about?: Partial<Operation>) =>
  operation("get", times, { out, ...about });
const cas = (
  exp: string | null,
  value: string,
  times: readonly [number, number | null],
  out = true,
) => operation("cas", times, { exp, in: value, out, id: `cas/${value}` });
const logged = (
  log: number,
  id: string,
  op: LoggedWrite["op"],
  about: Partial<LoggedWrite> = {},
) => ({
  ...{ log, id, op, key: "k", in: null, exp: null },
  ...about,
});
const verdictOf = (...operations: Operation[]) => checkLinearizability(operations).kind;
const replayOf = (operations: Operation[], writes: LoggedWrite[]): ReplayProblem["invariant"][] =>
  checkReplay({ operations, writes, blocks: [] }).problems.map(({ invariant }) => invariant);

describe("INV-JUDGE-1: an order that keeps to real time explains every answer", () => {
  it("takes what one client does in turn", () => {
    expect(verdictOf(put("a", [0, 1]), get("a", [2, 3]), put("b", [4, 5]), get("b", [6, 7]))).toBe(
      "linearizable",
    );
  });

  it("refuses a stale read, and says what the key may have held", () => {
    const stale = get("a", [4, 5]);
    const verdict = checkLinearizability([put("a", [0, 1]), put("b", [2, 3]), stale]);
    expect(verdict).toMatchObject({
      kind: "violated",
      violation: { key: "k", operation: stale, possible: ["b"] },
    });
  });

  it("refuses a lost write", () => {
    expect(verdictOf(put("a", [0, 1]), get(null, [2, 3]))).toBe("violated");
  });

  it("refuses two creators of one tuple, and a doubled delete", () => {
    const create = (times: [number, number]) => operation("create", times, { out: true });
    expect(verdictOf(create([0, 1]), create([0, 2]))).toBe("violated");
    const remove = (times: [number, number]) => operation("delete", times, { out: true });
    expect(verdictOf(create([0, 1]), remove([2, 3]), remove([2, 4]))).toBe("violated");
    const check = (out: boolean) => operation("check", [5, 6], { out });
    expect(verdictOf(create([0, 1]), remove([2, 3]), check(false))).toBe("linearizable");
    expect(verdictOf(create([0, 1]), check(false))).toBe("violated");
  });

  it("lets overlapping operations happen in either order, but in one order for all who look", () => {
    const both = [put("a", [0, 9]), put("b", [0, 9])];
    expect(verdictOf(...both, get("a", [10, 11]))).toBe("linearizable");
    expect(verdictOf(...both, get("b", [10, 11]))).toBe("linearizable");
    expect(verdictOf(...both, get("a", [1, 2]), get("b", [3, 4]), get("a", [5, 6]))).toBe(
      "violated",
    );
  });

  it("lets a write without an answer happen late, or never, but not twice and not before it was asked", () => {
    const lost = put("u", [2, null]);
    expect(verdictOf(put("a", [0, 1]), lost, get("a", [3, 4]), get("u", [90, 91]))).toBe(
      "linearizable",
    );
    expect(verdictOf(put("a", [0, 1]), lost, get("a", [90, 91]))).toBe("linearizable");
    const twice = [get("u", [3, 4]), put("b", [5, 6]), get("u", [7, 8])];
    expect(verdictOf(put("a", [0, 1]), lost, ...twice)).toBe("violated");
    expect(verdictOf(get("u", [0, 1]), lost)).toBe("violated");
  });

  it("takes what was refused before it was proposed as never done", () => {
    const refused = put("r", [0, 1], { ok: false });
    expect(verdictOf(refused, get(null, [2, 3]))).toBe("linearizable");
    expect(verdictOf(refused, get("r", [2, 3]))).toBe("violated");
  });

  it("follows compare-and-set, also where it does not match", () => {
    expect(verdictOf(cas(null, "a", [0, 1]), cas("a", "b", [2, 3]), get("b", [4, 5]))).toBe(
      "linearizable",
    );
    expect(verdictOf(cas(null, "a", [0, 5]), cas(null, "b", [0, 5]))).toBe("violated");
    expect(verdictOf(put("a", [0, 1]), cas("a", "b", [2, 3], false))).toBe("violated");
    expect(verdictOf(put("a", [0, 1]), put("b", [2, 5]), cas("a", "c", [2, 5], false))).toBe(
      "linearizable",
    );
  });

  it("binds neither stale reads nor keys of other vaults", () => {
    const old = get(null, [2, 3], { read: "any" });
    const elsewhere = get(null, [2, 3], { vault: "other" });
    expect(verdictOf(put("a", [0, 1]), old, elsewhere)).toBe("linearizable");
  });

  it("decides a history with two hundred writes that were never answered", () => {
    const lost = Array.from({ length: 200 }, (_, i) => put(`u${i}`, [i * 10, null]));
    const reads = lost.map((write, i) =>
      get(i % 2 === 0 ? write.in : `u${i - 1}`, [i * 10 + 1, i * 10 + 2]),
    );
    expect(verdictOf(...lost, ...reads)).toBe("linearizable");
    expect(verdictOf(...lost, ...reads, get("u2", [9_000, 9_001]))).toBe("violated");
  });

  it("says that it is undecided where the search grows too large", () => {
    const open = Array.from({ length: 12 }, (_, i) => put(`v${i}`, [0, 100]));
    const verdict = checkLinearizability([...open, get("none", [50, 60])], {
      configurationsMax: 50,
    });
    expect(verdict).toMatchObject({ kind: "undecided", key: "k" });
    expect(
      judgeHistory({ operations: [...open, get("none", [50, 60])], writes: [], blocks: [] }).isGood,
    ).toBe(false);
  });

  it("agrees with brute force on random small histories", () => {
    const random = testRandom("histories against brute force");
    const seen = { linearizable: 0, violated: 0 };
    for (let round = testRounds(1_500); round > 0; round--) {
      const operations = randomHistory(random);
      const expected = bruteForce(operations) ? "linearizable" : "violated";
      expect(verdictOf(...operations), JSON.stringify(operations)).toBe(expected);
      seen[expected]++;
    }
    expect(Math.min(seen.linearizable, seen.violated)).toBeGreaterThan(testRounds(1_500) / 20);
  });
});

describe("the replay of the log", () => {
  const writes = [logged(5, "put/a", "put", { in: "a" }), logged(7, "put/b", "put", { in: "b" })];
  const done = [put("a", [0, 1], { index: 5 }), put("b", [2, 3], { index: 7 })];

  it("INV-JUDGE-2: an answer is that of its index, and not of another", () => {
    expect(replayOf([...done, get("b", [4, 5], { index: 9 })], writes)).toEqual([]);
    expect(replayOf([...done, get("a", [2, 4], { index: 6, read: "any" })], writes)).toEqual([]);
    expect(replayOf([...done, get("b", [2, 4], { index: 6 })], writes)).toEqual(["INV-JUDGE-2"]);
    const miss = operation("cas", [4, 6], { exp: "b", in: "c", out: false, id: "cas/c", index: 8 });
    expect(replayOf([...done, miss], writes)).toEqual(["INV-JUDGE-2"]);
    expect(replayOf([...done, { ...miss, call: 1 }], writes)).toEqual([]);
  });

  it("INV-JUDGE-2: an answer of a height is that of the vault before its next block", () => {
    const blocks = [
      { log: 5, height: 1, root: "aa" },
      { log: 7, height: 2, root: "bb" },
    ];
    const judged = (about: Partial<Operation>, call = 2) =>
      checkReplay({
        ...{ writes, blocks },
        operations: [...done, get("a", [call, 6], { height: 1, index: 9, ...about })],
      }).problems.map(({ invariant }) => invariant);
    expect(judged({})).toEqual([]);
    expect(judged({ out: "b" })).toEqual(["INV-JUDGE-2"]);
    expect(judged({ out: "b", height: 2 })).toEqual([]);
    // The next block was there before it was asked.
    expect(judged({}, 4)).toEqual(["INV-JUDGE-3"]);
    expect(judged({ read: "at_least", atLeast: 7 })).toEqual(["INV-JUDGE-3"]);
  });

  it("INV-JUDGE-3: the order of indexes is that of real time; only stale reads may look back", () => {
    const back = get("a", [4, 5], { index: 6 });
    expect(replayOf([...done, back], writes)).toEqual(["INV-JUDGE-3"]);
    expect(replayOf([...done, { ...back, read: "any" }], writes)).toEqual([]);
    expect(replayOf([...done, { ...back, read: "at_least", atLeast: 7 }], writes)).toEqual([
      "INV-JUDGE-3",
    ]);
    const crossed = [
      logged(5, "put/b", "put", { in: "b" }),
      logged(7, "put/a", "put", { in: "a" }),
    ];
    const answers = [put("a", [0, 1], { index: 7 }), put("b", [2, 3], { index: 7 })];
    expect(replayOf(answers, crossed)).toEqual(["INV-JUDGE-3"]);
    expect(replayOf([put("b", [2, 3], { index: 6 })], writes)).toEqual(["INV-JUDGE-3"]);
  });

  it("INV-JUDGE-4: every acknowledged write is in the log once, and no refused one", () => {
    expect(replayOf([...done, put("c", [4, 5])], writes)).toEqual(["INV-JUDGE-4"]);
    expect(replayOf(done, [...writes, logged(9, "put/a", "put", { in: "a" })])).toEqual([
      "INV-JUDGE-4",
    ]);
    expect(replayOf([put("a", [0, 1], { ok: false })], writes)).toEqual(["INV-JUDGE-4"]);
    expect(replayOf([put("a", [0, null])], writes)).toEqual([]);
    expect(replayOf([put("z", [0, null])], writes)).toEqual([]);
    const pair = [
      logged(5, "t/1", "put", { in: "a" }),
      logged(5, "t/1", "put", { in: "b", key: "l" }),
    ];
    expect(replayOf([], pair)).toEqual([]);
    expect(replayOf([], [...pair, ...pair])).toEqual(["INV-JUDGE-4", "INV-JUDGE-4"]);
  });

  it("INV-JUDGE-5: roots are those of the log, and proofs verify", () => {
    const blocks = [{ log: 5, height: 1, root: "aa" }];
    const judged = (about: Partial<Operation>) =>
      checkReplay({
        operations: [get("a", [4, 5], { index: 5, ...about })],
        writes,
        blocks,
      }).problems.map(({ invariant }) => invariant);
    expect(judged({ height: 1, root: "aa", proof: true })).toEqual([]);
    expect(judged({ height: 1, root: "bb" })).toEqual(["INV-JUDGE-5"]);
    expect(judged({ proof: false })).toEqual(["INV-JUDGE-5"]);
    expect(judged({ height: 1, root: "aa", index: 4, out: null })).toEqual(["INV-JUDGE-2"]);
  });
});

describe("the file", () => {
  it("is read as it was written", () => {
    let now = 0;
    const recorder = new HistoryRecorder(() => now++);
    const answered = recorder.ask({
      proc: 1,
      op: "put",
      key: "k",
      in: "ü\n",
      exp: null,
      id: "c/1",
    });
    recorder.ask({ proc: 2, op: "get", key: "k", in: null, exp: null, read: "any" });
    answered({ ok: true, out: null, index: 3 });
    const history = {
      operations: recorder.operations,
      writes: [logged(3, "c/1", "put", { in: "ü\n", vault: "v" })],
      blocks: [{ log: 3, height: 0, root: "00" }],
    };
    expect(parseHistory(formatHistory(history))).toEqual(history);
    expect(recorder.operations[1]).toMatchObject({ ret: null, ok: null });
  });

  it.each([
    ['{"proc":1', "line 1: not JSON"],
    ["[]", "line 1: not an object"],
    ['{"proc":1,"op":"move"}', "line 1: call is null, not a number"],
    ['{"proc":1,"op":"move","key":"k","call":1}', 'line 1: op is "move", not one of'],
    ['\n{"proc":1,"op":"get","key":"k","call":2,"ret":1}', "line 2: ret is 1, not not before call"],
    ['{"log":1,"id":2}', "line 1: id is 2, not a string"],
  ])("%s: %s", (text, message) => {
    expect(() => parseHistory(text)).toThrow(HistoryFormatError);
    expect(() => parseHistory(text)).toThrow(message);
  });

  it("is judged by both, in words that name the operation", () => {
    const bad = [put("a", [0, 1]), get(null, [2, 3])];
    const { isGood, report } = judgeHistory({ operations: bad, writes: [], blocks: [] });
    expect(isGood).toBe(false);
    expect(report.join("\n")).toContain("NOT LINEARIZABLE (INV-JUDGE-1): key k");
    expect(report.join("\n")).toContain("-> {");
    const good = judgeHistory({
      operations: bad.slice(0, 1),
      writes: [logged(1, "put/a", "put", { in: "a" })],
      blocks: [],
    });
    expect(good).toMatchObject({ isGood: true });
  });
});

/** Up to seven operations on one key, most answers drawn from the values that were written. */
function randomHistory(random: SeededRandom): Operation[] {
  return Array.from({ length: random.between(2, 8) }, (_, i) => {
    const call = random.int(20);
    const ret = random.chance(0.15) ? null : call + random.int(8);
    const op = random.pick(["put", "get", "get", "cas", "create", "delete", "check"] as const);
    const value = random.pick(["a", "b", "c"]);
    const exp = op === "cas" ? random.pick(["a", "b", "", null]) : null;
    const outs =
      op === "get" ? ["a", "b", "c", "", null] : op === "put" ? [null] : [true, true, false];
    const ok = ret === null ? null : !random.chance(0.05);
    const given = op === "put" || op === "cas" ? value : null;
    return {
      proc: i,
      op,
      key: "k",
      in: given,
      exp,
      call,
      ret,
      ok,
      out: random.pick<string | boolean | null>(outs),
    };
  });
}

/** Tries every order of every choice of operations. */
function bruteForce(operations: readonly Operation[]): boolean {
  const isRead = ({ op }: Operation): boolean => op === "get" || op === "check";
  const all = operations.filter(
    ({ ok, ...rest }) => ok !== false && (ok === true || !isRead({ ok, ...rest })),
  );
  const tryFrom = (left: readonly Operation[], held: RegisterValue): boolean => {
    if (left.every(({ ok }) => ok !== true)) return true;
    return left.some((next) => {
      const others = left.filter((other) => other !== next);
      const end = (other: Operation): number =>
        other.ok === true ? other.ret! : Number.POSITIVE_INFINITY;
      if (others.some((other) => end(other) < next.call)) return false;
      const { out, ...unanswered } = next;
      const judged = next.ok === true ? { ...unanswered, out } : unanswered;
      return agrees(judged, held) && tryFrom(others, run(judged, held).after);
    });
  };
  return tryFrom(all, null);
}
