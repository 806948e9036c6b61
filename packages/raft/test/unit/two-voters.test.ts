/** Of two voters one recovers by the word of the other alone (INV-RAFT-19): when it may, and when it may not. */
import type { Membership, Message } from "@authledger/raft";
import { describe, expect, test } from "vitest";
import { changeOf, membershipOf, node, TestGroup, type TestNode } from "../support/group.js";
import { MemoryLog } from "../support/memory-log.js";

/** Nodes 1 and 2 vote, node 3 learns; node 1 leads, and nothing is under way. */
function twoAndLearner(leader = 1): TestGroup {
  const membership = membershipOf([1, 2], [3]);
  const group = new TestGroup(0);
  for (const id of [1, 2, 3]) group.add(id, membership);
  group.elect(leader);
  group.tick(leader);
  group.settle();
  return group;
}

/** Node 2 begins anew without the last of what it had acknowledged, and in doubt. */
function inDoubt(group: TestGroup, membership: Membership): TestNode {
  const two = group.node(2);
  const log = new MemoryLog(1, 0, two.log.all.slice(0, -1));
  const { term } = two.hardState;
  const begun = group.add(2, membership, log, { term, vote: undefined, commit: 0 });
  begun.restart({ isRecovering: true });
  return begun;
}

/** What the two say to each other for a while; nobody else is there. */
function talk(group: TestGroup, ticks = 8): void {
  const isOther = ({ from, to }: { from: bigint; to: bigint }): boolean => from > 2n || to > 2n;
  for (let i = 0; i < ticks; i++) {
    for (const id of [1, 2]) group.tick(id);
    group.settle(isOther);
    group.node(1).step({ kind: "turn" });
    group.settle(isOther);
  }
}

describe("one of two voters", () => {
  test("recovers by the other in a group that does nothing", () => {
    const group = twoAndLearner();
    const two = inDoubt(group, membershipOf([1, 2], [3]));
    talk(group);
    expect(two.core.isRecovering).toBe(false);
  });

  test("recovers when it has just come to vote beside the only voter", () => {
    const group = new TestGroup(0);
    for (const id of [1, 2]) group.add(id, membershipOf([1], [2]));
    group.elect(1);
    group.node(1).step({ kind: "propose-change", proposal: 1, change: changeOf("v2") });
    group.settle();
    expect(group.node(1).membership.voters).toEqual([1, 2].map(node));
    const two = inDoubt(group, membershipOf([1], [2]));
    talk(group);
    expect(two.core.isRecovering).toBe(false);
  });

  test("recovers after a removal, from the first entry behind it on", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("r3") });
    group.settle();
    group.propose(1, "behind");
    group.settle();
    const two = inDoubt(group, membershipOf([1, 2]));
    talk(group);
    expect(two.core.isRecovering).toBe(false);
  });

  // A learner more or less was taken for other voters: with nothing written behind it the doubt never ended.
  test("recovers after a change of learners with nothing behind it", () => {
    const group = twoAndLearner();
    group.node(1).step({ kind: "propose-change", proposal: 1, change: changeOf("r3") });
    group.settle();
    expect(group.node(1).membership.learners).toEqual([]);
    const two = inDoubt(group, membershipOf([1, 2], [3]));
    talk(group);
    expect(two.core.isRecovering).toBe(false);
  });

  test("recovers by a leader that is behind with applying ordinary entries", () => {
    const group = twoAndLearner(2);
    const one = group.node(1);
    one.isApplying = false;
    for (const payload of ["a", "b"]) group.propose(2, payload);
    group.settle();
    group.node(2).step({ kind: "transfer", to: one.id });
    group.settle();
    expect([one.core.role, one.core.commit]).toEqual(["leader", 4]);
    const two = inDoubt(group, membershipOf([1, 2], [3]));
    talk(group);
    expect(two.core.isRecovering).toBe(false);
  });

  test("does not where a third voter is committed and the other has not applied that", () => {
    const group = twoAndLearner();
    const one = group.node(1);
    one.isApplying = false;
    one.step({ kind: "propose-change", proposal: 1, change: changeOf("v3") });
    group.settle();
    group.tick(1);
    group.settle();
    expect(group.node(2).membership.voters).toEqual([1, 2, 3].map(node));
    const two = inDoubt(group, membershipOf([1, 2], [3]));
    talk(group);
    expect([one.core.role, two.core.isRecovering]).toEqual(["follower", true]);
  });

  test("does not where a third voter was in the log of the other when that was elected, and is not applied", () => {
    const group = twoAndLearner(2);
    group.doVotesTell = false;
    const [one, two] = [group.node(1), group.node(2)];
    one.isApplying = false;
    two.step({ kind: "propose-change", proposal: 1, change: changeOf("v3") });
    // The word that it is committed does not come to node 1.
    const isWord = ({ to, ...rest }: Message): boolean =>
      to === one.id && "commit" in rest && rest.commit >= 2;
    group.settle(isWord);
    expect(two.membership.voters).toEqual([1, 2, 3].map(node));
    expect(one.core.commit).toBe(1);
    two.step({ kind: "transfer", to: one.id });
    group.settle(
      (message) => isWord(message) || message.from === node(3) || message.to === node(3),
    );
    expect([one.core.role, one.core.commit]).toEqual(["leader", 3]);
    const begun = inDoubt(group, membershipOf([1, 2], [3]));
    talk(group);
    expect(begun.core.isRecovering).toBe(true);
  });
});
