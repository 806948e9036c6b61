/** A node that lost what it had acknowledged (storage.md). */
import type { Message } from "@authledger/raft";
import { describe, expect, test } from "vitest";
import { changeOf, membershipOf, node, TestGroup } from "../support/group.js";
import { MemoryLog } from "../support/memory-log.js";

/** Node 2 of a settled group loses its last entries, and knows that it lost some. */
function losing(group: TestGroup, kept: number): void {
  const two = group.node(2);
  const log = new MemoryLog(1, 0, two.log.all.slice(0, kept));
  const lost = group.add(2, membershipOf([1, 2, 3]), log, { term: 1, vote: undefined, commit: 0 });
  lost.restart({ isRecovering: true });
}

function settledGroup(): TestGroup {
  const group = new TestGroup(3);
  group.elect(1);
  for (const payload of ["a", "b", "c"]) group.propose(1, payload);
  group.settle();
  return group;
}

describe("a node that may have lost what it acknowledged", () => {
  test("INV-RAFT-17: neither votes nor stands for election", () => {
    const group = settledGroup();
    losing(group, 1);
    const two = group.node(2);
    group.tick(2, 50);
    two.step({ kind: "campaign" });
    expect([two.core.role, two.core.isRecovering]).toEqual(["follower", true]);
    const request = {
      type: "vote",
      from: node(3),
      to: node(2),
      term: 9,
      isTransfer: false,
    } as const;
    two.step({ kind: "message", message: { ...request, index: 99, logTerm: 9 } });
    two.sync();
    expect(group.takeMessages("vote-response", 3)).toMatchObject([{ reject: true }]);
  });

  test("INV-RAFT-17: what it acknowledges and confirms does not count", () => {
    const group = settledGroup();
    losing(group, 1);
    const leader = group.node(1);
    const onlyTwo = group.node(2).id;
    group.tick(1);
    group.propose(1, "d");
    const before = leader.core.commit;
    group.settle(({ from, to, type }) => from === node(3) || to === node(3) || type === "read");
    expect(leader.core.progress[1]).toMatchObject({ match: 5, isRecovering: true, node: onlyTwo });
    expect(leader.core.commit).toBe(before);
    leader.step({ kind: "read", context: 1 });
    leader.step({ kind: "turn" });
    leader.actions.length = 0;
    group.settle(({ from }) => from === node(3));
    expect(leader.take("read-ready")).toEqual([]);
  });

  test("INV-RAFT-17: votes again when its log was compared up to the leader's end, after a majority without it", () => {
    const group = settledGroup();
    losing(group, 1);
    const two = group.node(2);
    const run = (drops: (from: number) => boolean): void => {
      for (let i = 0; i < 5; i++) {
        for (const id of [1, 2, 3]) group.tick(id);
        group.settle(({ from, to }) => drops(Number(from)) || drops(Number(to)));
        group.node(1).step({ kind: "turn" });
        group.settle(({ from, to }) => drops(Number(from)) || drops(Number(to)));
      }
    };
    run((id) => id === 3);
    expect(two.core.isRecovering).toBe(true);
    run(() => false);
    expect(two.core.isRecovering).toBe(false);
    expect(two.take("recovered")).toEqual([{ kind: "recovered" }]);
    // Its vote of this term may be among what it lost.
    expect(two.hardState).toMatchObject({ term: 1, vote: node(1) });
    expect(group.node(1).core.progress[1]).toMatchObject({ isRecovering: false, match: 4 });
  });

  test("INV-RAFT-17: an answer to a former life's question ends nothing", () => {
    const group = settledGroup();
    losing(group, 1);
    const two = group.node(2);
    group.tick(1);
    group.settle(({ type }) => type === "read");
    group.tick(2);
    const [question] = group.takeMessages("read", 1);
    const answer = { type: "read-response", from: node(1), to: node(2), term: 1 } as const;
    for (const context of [question!.context - 1, question!.context + 1]) {
      two.step({ kind: "message", message: { ...answer, context, index: 0, reject: false } });
    }
    expect(two.core.isRecovering).toBe(true);
  });

  test("a leader that believes it to have what it lost sends that again", () => {
    const group = settledGroup();
    losing(group, 1);
    group.tick(1);
    group.propose(1, "d");
    group.settle();
    group.tick(1);
    group.settle();
    expect(group.node(2).log.lastIndex).toBe(5);
  });

  test("one of two voters recovers too, though the other commits nothing meanwhile", () => {
    const group = new TestGroup(2);
    group.elect(1);
    group.propose(1, "a");
    group.settle();
    const log = new MemoryLog(1, 0, group.node(2).log.all.slice(0, 1));
    const state = { term: 1, vote: undefined, commit: 0 };
    group.add(2, membershipOf([1, 2]), log, state).restart({ isRecovering: true });
    group.propose(1, "b");
    for (let i = 0; i < 5; i++) {
      for (const id of [1, 2]) group.tick(id);
      group.settle();
      group.node(1).step({ kind: "turn" });
      group.settle();
    }
    expect(group.node(2).core.isRecovering).toBe(false);
    expect(group.node(1).core.commit).toBe(3);
  });

  // The acknowledgment of an entry was lost, the third node committed it, and node 2 began anew in doubt with that commit. What the leader
  // sent next lay below it, and was not taken for compared; then nobody had anything to say. With the leader gone nobody was elected.
  test("comes to rest in a group that is idle", () => {
    const group = settledGroup();
    group.propose(1, "d");
    group.settle(
      ({ from, to, type }) => type === "append-response" && from === node(2) && to === node(1),
    );
    group.tick(1);
    group.settle(({ from, type }) => type === "append-response" && from === node(2));
    const two = group.node(2);
    expect([group.node(1).core.commit, two.log.lastIndex]).toEqual([5, 5]);
    two.hardState = { ...two.hardState, commit: 5 };
    two.restart({ isRecovering: true });
    group.messages = [];
    for (let i = 0; i < 20; i++) {
      for (const id of [1, 2, 3]) group.tick(id);
      // What the leader had on its way before it knew of the doubt is all that is late.
      group.settle(({ to, type }) => i < 2 && type === "append" && to === node(2));
      group.node(1).step({ kind: "turn" });
      group.settle();
    }
    expect(two.core.isRecovering).toBe(false);
    expect(group.node(1).core.progress[1]).toMatchObject({ isRecovering: false, match: 5 });
  });

  test("is believed to be in doubt no longer though its last word was lost, also in a group that is idle", () => {
    const group = settledGroup();
    losing(group, 1);
    let isLost = false;
    const isFirstLastWord = (message: Message): boolean => {
      const isLast = message.type === "append-response" && !message.isRecovering;
      if (isLost || !isLast || message.from !== node(2)) return false;
      isLost = true;
      return true;
    };
    for (let i = 0; i < 20; i++) {
      for (const id of [1, 2, 3]) group.tick(id);
      group.settle(isFirstLastWord);
      group.node(1).step({ kind: "turn" });
      group.settle(isFirstLastWord);
    }
    expect(isLost).toBe(true);
    expect(group.node(1).core.progress[1]).toMatchObject({ isRecovering: false, match: 4 });
  });

  // With the third node down the leader heard of the one in doubt and led on for ever: no round of reads was confirmed and
  // none was ended, a million a day, and writes waited without a word.
  test("keeps no leader that can confirm nothing", () => {
    const group = settledGroup();
    losing(group, 1);
    const leader = group.node(1);
    for (let i = 0; i < 60; i++) {
      for (const id of [1, 2]) group.tick(id);
      leader.step({ kind: "read", context: i });
      leader.step({ kind: "turn" });
      group.settle(({ from, to }) => from === node(3) || to === node(3));
    }
    expect(leader.core.role).not.toBe("leader");
    const dropped = leader.take("read-dropped").map(({ context }) => context);
    expect(dropped).toEqual(Array.from({ length: 60 }, (_, i) => i));
  });

  // Node 1 removed node 3, and did not hear from node 2, which did not know that this was committed: it was elected by node 3, and
  // committed an entry there. Then it lost the end of its log. Node 1, one of two by its own account, told it alone that it led.
  test("INV-RAFT-19: is led by the other of two only where it had told that it knows of these two", () => {
    const group = new TestGroup(3);
    group.doVotesTell = false;
    const leader = group.elect(1);
    group.tick(1);
    group.settle();
    const two = group.node(2);
    const isUntold = ({ from, to, type }: Message): boolean =>
      (from === node(2) && to === node(1)) || (to === node(2) && type === "heartbeat");
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("r3") });
    let isAppended = false;
    group.settle((message) => {
      const isMore = message.to === node(2) && message.type === "append" && isAppended;
      isAppended ||= message.to === node(2) && message.type === "append";
      return isMore || isUntold(message);
    });
    expect(leader.membership.voters).toEqual([1, 2].map(node));
    expect(two.membership.voters).toEqual([1, 2, 3].map(node));
    const isCut = ({ from, to }: Message): boolean => (from === node(1)) !== (to === node(1));
    group.tick(3, 15);
    for (let i = 0; i < 40 && two.core.role !== "leader"; i++) {
      group.tick(2);
      group.settle(isCut);
    }
    expect([leader.core.role, two.core.role, two.core.commit]).toEqual(["leader", "leader", 3]);
    const log = new MemoryLog(1, 0, two.log.all.slice(0, 2));
    const found = { term: 1, vote: undefined, commit: 0 };
    const lost = group.add(2, membershipOf([1, 2, 3]), log, found);
    lost.restart({ isRecovering: true });
    for (let i = 0; i < 5; i++) {
      for (const id of [1, 2]) group.tick(id);
      group.settle(({ from, to }) => from === node(3) || to === node(3));
      leader.step({ kind: "turn" });
      group.settle(({ from, to }) => from === node(3) || to === node(3));
    }
    expect(lost.core.isRecovering).toBe(true);
  });
});
