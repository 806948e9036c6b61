/** What the recorder notes: enough to read the same again, and no more than was read. */
import { Kind, type ProvenTrie, scanState, tupleKey, tupleOfKey } from "@authledger/proof";
import type { Tuple } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, thrownBy } from "../../../../test/support.js";
import { EVIDENCE_READS_MAX, EvidenceRecorder, type TupleReader } from "../../src/index.js";
import { CommittedReader, CommittedState, NOW_MS } from "../support/committed-state.js";

const tuple = (resource: string, relation: string, subject: string): Tuple => ({
  resource,
  relation,
  subject,
});

function stateOf(tuples: readonly Tuple[]): CommittedState {
  const state = new CommittedState();
  for (const each of tuples) state.addTuple({ tuple: each });
  return state;
}

/** A group of 30 people and 10 groups, and noise beside it. */
const GROUP = [
  ...Array.from({ length: 30 }, (_, i) => tuple("group:eng", "member", `user:${i}`)),
  ...Array.from({ length: 10 }, (_, i) => tuple("group:eng", "member", `group:${i}#member`)),
  ...Array.from({ length: 50 }, (_, i) => tuple(`group:${i}`, "member", "user:anne")),
];

function shownBy(state: CommittedState, recorder: EvidenceRecorder): ProvenTrie {
  return state.shown(state.prove(recorder.questions(state.paths)));
}

function scanned(trie: ProvenTrie, kind: Kind, partition: string, group: string): Tuple[] {
  const found: Tuple[] = [];
  const list = { kind, partition, group };
  for (const { record } of scanState(trie, list, BigInt(NOW_MS)))
    found.push(tupleOfKey(record.key));
  return found;
}

describe("evidence", () => {
  test("INV-DECISION-1: a list that was left early is shown up to the last tuple that was taken, whichever it was", () => {
    const random = testRandom("early ends");
    const state = stateOf(GROUP);
    const reader = new CommittedReader(state);
    const all = reader.ofObject("group:eng", "member");
    for (let round = 0; round < 20; round++) {
      const recorder = new EvidenceRecorder(reader);
      const count = 1 + random.int(all.length - 2);
      const isUsersets = random.chance(0.5);
      const list = isUsersets ? reader.usersetsOf("group:eng", "member", "group") : all;
      const read = isUsersets ? "usersetsOf" : "ofObject";
      const last = take(
        recorder[read]("group:eng", "member", "group"),
        Math.min(count, list.length - 1),
      );
      const trie = shownBy(state, recorder);
      const walk = trie.walk({
        kind: Kind.tupleByResource,
        partition: "group:eng",
        group: "member",
      });
      const end = all.indexOf(last);
      for (let i = 0; i <= end; i++) {
        const { value } = walk.next();
        expect(typeof value === "object" && tupleOfKey(value.record.key).subject).toBe(
          all[i]!.subject,
        );
      }
      expect(walk.next()).toEqual({ done: true, value: "insufficient" });
    }
  });

  test("INV-DECISION-1: a list that was read to its end is shown whole, and its points with it", () => {
    const state = stateOf(GROUP);
    const recorder = new EvidenceRecorder(new CommittedReader(state));
    recorder.find("group:eng", "member", "user:3");
    recorder.find("group:eng", "member", "user:nobody");
    take(recorder.usersetsOf("group:eng", "member", "group"), Number.POSITIVE_INFINITY);
    const { gets, lists } = recorder.questions(state.paths);
    expect(gets).toEqual([]);
    expect(lists).toHaveLength(1);
    const trie = shownBy(state, recorder);
    expect(trie.get(tupleKey(tuple("group:eng", "member", "user:3"))).kind).toBe("present");
    expect(trie.get(tupleKey(tuple("group:eng", "member", "user:nobody"))).kind).toBe("absent");
    expect(scanned(trie, Kind.tupleByResource, "group:eng", "member")).toHaveLength(40);
  });

  test("INV-DECISION-2: what was found by subject is shown by resource too, and goes on behind a position", () => {
    const state = stateOf(GROUP);
    const reader = new CommittedReader(state);
    const all = reader.ofSubject("user:anne", "member", "group");
    const recorder = new EvidenceRecorder(reader);
    const position = take(recorder.ofSubject("user:anne", "member", "group"), 7).position;
    take(recorder.ofSubject("user:anne", "member", "group", position), 8);
    const trie = shownBy(state, recorder);
    const list = { kind: Kind.tupleBySubject, partition: "user:anne", group: "member" };
    const scan = scanState(trie, list, BigInt(NOW_MS));
    for (let i = 0; i < 15; i++) {
      const { value } = scan.next();
      expect(value && tupleOfKey(value.record.key).resource).toBe(all[i]!.object);
    }
    expect(thrownBy(() => scan.next()).code).toBe("PROOF_INSUFFICIENT");
  });

  test("what was never asked is not shown", () => {
    const state = stateOf(GROUP);
    const recorder = new EvidenceRecorder(new CommittedReader(state));
    recorder.ofObject("group:eng", "member");
    expect(recorder.questions(state.paths)).toEqual({ gets: [], lists: [] });
  });

  test("evidence has a limit", () => {
    const endless: TupleReader = {
      find: () => undefined,
      *ofObject(object, relation) {
        for (let i = 0; ; i++) yield { object, relation, subject: `user:${i}` };
      },
      usersetsOf: () => [],
      ofSubject: () => [],
    };
    const recorder = new EvidenceRecorder(endless);
    const refused = thrownBy(() =>
      take(recorder.ofObject("group:g", "member"), EVIDENCE_READS_MAX + 1),
    );
    expect(refused.code).toBe("LIMIT_EXCEEDED");
    expect(refused.details["limit"]).toBe(EVIDENCE_READS_MAX);
  });
});

/** The last one taken. */
function take<T>(items: Iterable<T>, count: number): T {
  let last: T | undefined;
  let taken = 0;
  for (const item of items) {
    last = item;
    if (++taken >= count) break;
  }
  if (last === undefined) throw new Error("nothing to take");
  return last;
}
