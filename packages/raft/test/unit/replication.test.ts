import type { Entry, Message } from "@authledger/raft";
import { describe, expect, test } from "vitest";
import { Inflights } from "../../src/inflights.js";
import { Progress } from "../../src/progress.js";
import { bytes, membershipOf, node, TestGroup, type TestNode } from "../support/group.js";
import { MemoryLog } from "../support/memory-log.js";

const entry = (index: number, term: number, payload = ""): Entry => ({
  index,
  term,
  payload: bytes(payload),
});

/** An append of node 2, which leads in this term. */
function append(term: number, index: number, logTerm: number, entries: Entry[], commit = 0) {
  const header = { from: node(2), to: node(1), term } as const;
  const message: Message = { type: "append", ...header, index, logTerm, entries, commit };
  return { kind: "message", message } as const;
}

/** Node 1 of three as a follower with these entries, written and durable. */
function follower(group: TestGroup, entries: readonly Entry[], term: number): TestNode {
  const log = new MemoryLog(1, 0, entries);
  return group.add(1, membershipOf([1, 2, 3]), log, { term, vote: undefined, commit: 0 });
}

describe("a follower", () => {
  test("INV-RAFT-12: acknowledges what was compared, not the end of its log (museum row 5)", () => {
    const group = new TestGroup(0);
    const one = follower(group, [entry(1, 1), entry(2, 1), entry(3, 1)], 1);
    one.step(append(2, 1, 1, []));
    one.sync();
    expect(group.takeMessages("append-response").map(({ index }) => index)).toEqual([1]);
  });

  test("INV-RAFT-12: commits up to what was compared (Raft 5.3, museum row 6)", () => {
    const group = new TestGroup(0);
    const one = follower(group, [entry(1, 1), entry(2, 1), entry(3, 1)], 1);
    one.step(append(2, 1, 1, [], 3));
    expect(one.core.commit).toBe(1);
  });

  test("INV-RAFT-12: an old append cuts nothing off (Raft 5.3, museum row 8)", () => {
    const group = new TestGroup(0);
    const one = follower(group, [], 1);
    one.step(append(2, 0, 0, [entry(1, 2), entry(2, 2), entry(3, 2)]));
    one.step(append(2, 0, 0, [entry(1, 2)]));
    expect(one.core.lastIndex).toBe(3);
    one.sync();
    expect(one.log.lastIndex).toBe(3);
  });

  test("what differs from the leader's entries goes, and leaves with the new ones in one batch (Raft 5.3)", () => {
    const group = new TestGroup(0);
    const one = follower(group, [entry(1, 1), entry(2, 1), entry(3, 1)], 1);
    one.step(append(2, 1, 1, [entry(2, 2)]));
    const [batch] = one.appends;
    expect(batch).toMatchObject({ truncateFrom: 2, hardState: { term: 2 }, mustSync: true });
    expect(batch!.entries.map(({ index, term }) => [index, term])).toEqual([[2, 2]]);
    one.sync();
    expect(one.log.all.map(({ term }) => term)).toEqual([1, 2]);
  });

  test("INV-RAFT-4: nothing is acknowledged before it is durable (museum row 13)", () => {
    const group = new TestGroup(0);
    const one = follower(group, [], 1);
    one.step(append(2, 0, 0, [entry(1, 2)]));
    expect(group.takeMessages("append-response")).toEqual([]);
    one.sync();
    expect(group.takeMessages("append-response")).toHaveLength(1);
  });

  test("a refusal names where the logs may agree, a whole term at a time (Raft 5.3)", () => {
    const group = new TestGroup(0);
    const log = [entry(1, 1), entry(2, 3), entry(3, 3), entry(4, 3)];
    const one = follower(group, log, 3);
    one.step(append(4, 4, 2, []));
    one.sync();
    const [refusal] = group.takeMessages("append-response");
    expect(refusal).toMatchObject({ reject: true, index: 4, hint: 1, logTerm: 1 });
  });

  test("a leader of an earlier term learns of the later one (Raft 5.1)", () => {
    const group = new TestGroup(0);
    const one = follower(group, [], 5);
    one.step(append(2, 0, 0, [entry(1, 2)]));
    one.sync();
    expect(one.core.lastIndex).toBe(0);
    expect(group.takeMessages("append-response")).toMatchObject([{ term: 5, reject: false }]);
  });

  /**
   * Swarm, seed 300003997: a node that had been a voter and was to be a learner stood for election among nodes that were
   * gone, at a term of its own, and kept silent to its leader, whom it did not know for a voter: it never caught up.
   */
  test("a leader learns of the later term from a node that will not ask it for its vote (Raft 5.1)", () => {
    const group = new TestGroup(0, { preVote: false, checkQuorum: false });
    const hardState = { term: 5, vote: undefined, commit: 0 };
    for (const [id, voters] of [
      [1, [1, 2]],
      [3, [3, 4]],
    ] as const) {
      const one = group.add(id, membershipOf(voters), undefined, hardState);
      const header = { from: node(2), to: node(id), term: 2 } as const;
      one.step({ kind: "message", message: { ...header, type: "heartbeat", commit: 0, round: 0 } });
      one.sync();
    }
    expect(group.takeMessages("append-response")).toMatchObject([{ from: node(3), term: 5 }]);
  });
});

describe("a leader", () => {
  const acknowledges = (from: number, term: number, index: number) =>
    ({
      kind: "message",
      message: {
        type: "append-response",
        from: node(from),
        to: node(1),
        term,
        index,
        reject: false,
        hint: 0,
        logTerm: 0,
        isRecovering: false,
      },
    }) as const;

  /** Figure 8 of the paper: an entry of term 2 that a later leader replicates. */
  test("INV-RAFT-3: commits no entry of an earlier term by counting (Raft 5.4.2, museum row 4)", () => {
    const group = new TestGroup(0, { preVote: false });
    const log = (): MemoryLog => new MemoryLog(1, 0, [entry(1, 1), entry(2, 2)]);
    const state = { term: 3, vote: undefined, commit: 1 };
    for (const id of [1, 2, 3]) group.add(id, membershipOf([1, 2, 3]), log(), state);
    const leader = group.node(1);
    leader.step({ kind: "campaign" });
    group.settle(({ type }) => type === "append");
    expect(leader.core.role).toBe("leader");
    leader.step(acknowledges(2, 4, 2));
    leader.step(acknowledges(3, 4, 2));
    expect(leader.core.commit).toBe(1);
    leader.step(acknowledges(2, 4, 3));
    expect(leader.core.commit).toBe(3);
  });

  test("INV-RAFT-4: counts itself when its own entry is durable (museum row 14)", () => {
    const group = new TestGroup(2);
    const leader = group.elect(1);
    group.propose(1, "a");
    leader.step(acknowledges(2, 1, 2));
    expect(leader.core.commit).toBe(1);
    leader.sync();
    expect(leader.core.commit).toBe(2);
  });

  test("INV-RAFT-4: a majority may commit what is not durable on the leader, and it is applied there when it is", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    group.propose(1, "a");
    leader.step(acknowledges(2, 1, 2));
    leader.step(acknowledges(3, 1, 2));
    expect([leader.core.commit, leader.core.applied]).toEqual([2, 1]);
    leader.sync();
    expect(leader.core.applied).toBe(2);
  });

  test("INV-RAFT-4: a learner does not count (museum row 11)", () => {
    const group = new TestGroup(0);
    for (const id of [1, 2, 3]) group.add(id, membershipOf([1, 2], [3]));
    const leader = group.elect(1);
    group.propose(1, "a");
    leader.sync();
    leader.step(acknowledges(3, 1, 2));
    expect(leader.core.commit).toBe(1);
  });

  test("the hint of a refusal is no acknowledgment (museum row 7), and goes back no further than what was (row 9)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    group.propose(1, "a");
    group.settle();
    const refusal = { ...acknowledges(2, 1, 1).message, reject: true, hint: 2, logTerm: 1 };
    leader.step({ kind: "message", message: { ...refusal, hint: 0, logTerm: 0 } });
    const progress = leader.core.progress[1]!;
    expect([progress.match, progress.next]).toEqual([2, 3]);
    const fresh = new Progress(node(2), 8, new Inflights(4, 100));
    expect(fresh.refuse(7, 5)).toBe(true);
    expect([fresh.match, fresh.next]).toEqual([0, 6]);
  });

  test("entries of one message follow each other, whatever its size allows (museum row 31)", () => {
    for (const messageBytesMax of [1, 2, 3, 7, 100]) {
      const group = new TestGroup(2, { messageBytesMax, inflightMessagesMax: 1_000 });
      const leader = group.elect(1);
      const payloads = ["a", "bb", "", "cccc", "d"].map(bytes);
      leader.step({ kind: "propose", proposal: 1, payloads });
      group.settle();
      expect(group.node(2).log.all.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
    }
  });

  test("a follower that needs what was compacted gets a state, and no append with an unknown term (museum row 19)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    const cutOff = ({ from, to }: Message): boolean => from === node(3) || to === node(3);
    for (const payload of ["a", "b", "c"]) {
      group.propose(1, payload);
      group.settle(cutOff);
    }
    leader.log.compact(4);
    leader.step({ kind: "unreachable", node: node(3) });
    leader.actions.length = 0;
    group.tick(1);
    group.settle();
    expect(leader.take("send-snapshot")).toEqual([
      { kind: "send-snapshot", to: node(3), index: 4 },
    ]);
    expect(group.takeMessages("append", 3)).toEqual([]);
    expect(leader.core.progress[2]!.state).toBe("snapshot");
  });

  test("a heartbeat's answer takes a follower out of probing (museum row 29)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    leader.step({ kind: "unreachable", node: node(2) });
    expect(leader.core.progress[1]!.state).toBe("probe");
    group.tick(1);
    group.settle();
    expect(leader.core.progress[1]!.state).toBe("replicate");
  });
});

describe("what may be on its way", () => {
  test("a full window by count or by bytes stops entries until one is acknowledged", () => {
    const byCount = new Inflights(2, 1_000);
    byCount.add(1, 1);
    expect(byCount.isFull).toBe(false);
    byCount.add(2, 1);
    expect(byCount.isFull).toBe(true);
    byCount.freeTo(1);
    expect([byCount.isFull, byCount.count, byCount.bytes]).toEqual([false, 1, 1]);
    const byBytes = new Inflights(100, 10);
    byBytes.add(1, 11);
    expect(byBytes.isFull).toBe(true);
  });

  test("forgetting what is on its way forgets its bytes (museum row 28)", () => {
    const inflights = new Inflights(8, 100);
    for (let round = 0; round < 50; round++) {
      for (let i = 1; i <= 5; i++) inflights.add(round * 5 + i, 20);
      expect(inflights.isFull).toBe(true);
      if (round % 2 === 0) inflights.reset();
      else inflights.freeTo(round * 5 + 5);
      expect([inflights.count, inflights.bytes]).toEqual([0, 0]);
    }
  });

  test("a full window is opened again though all messages of it were lost", () => {
    const group = new TestGroup(2, { inflightMessagesMax: 2 });
    const leader = group.elect(1);
    for (const payload of ["a", "b", "c", "d"]) group.propose(1, payload);
    expect(leader.core.progress[1]).toMatchObject({ inflight: 2, isFull: true, isPaused: true });
    group.settle(({ type }) => type === "append");
    group.tick(1);
    group.settle();
    expect(group.node(2).log.lastIndex).toBe(5);
  });
});
