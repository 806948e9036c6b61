import { describe, expect, test } from "vitest";
import { changeOf, membershipOf, node, TestGroup, text } from "../support/group.js";

describe("a group elects, replicates and commits", () => {
  test("one leader is elected and its entries are applied everywhere (Raft 5.2, 5.3)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    expect(leader.core.term).toBe(1);
    group.propose(1, "a");
    group.propose(1, "b");
    group.settle();
    for (const one of group.nodes.values()) {
      expect(one.core.leader).toBe(node(1));
      expect(one.applied.map((entry) => text(entry.payload))).toEqual(["", "a", "b"]);
    }
  });

  test("a group of one becomes leader on its first tick, without a message, once its vote is durable", () => {
    const group = new TestGroup(1);
    const only = group.node(1);
    group.tick(1);
    expect(only.core.role).toBe("candidate");
    expect(only.hardState.term).toBe(0);
    only.sync();
    expect(only.core.role).toBe("leader");
    expect(only.hardState).toEqual({ term: 1, vote: node(1), commit: 0 });
    expect(only.core.commit).toBe(0);
    only.sync();
    expect(only.core.commit).toBe(1);
    expect(group.messages).toEqual([]);
    only.step({ kind: "read", context: 7 });
    expect(only.take("read-ready")).toEqual([{ kind: "read-ready", context: 7, index: 1 }]);
  });

  test("a learner is added, promoted, and takes over from a removed leader (dissertation 4.2.1, 4.2.2)", () => {
    const group = new TestGroup(1);
    const leader = group.elect(1);
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("l2") });
    group.add(2, membershipOf([1], [2]));
    group.settle();
    expect(leader.core.membership.learners).toEqual([node(2)]);
    leader.step({ kind: "propose-change", proposal: 2, change: changeOf("v2") });
    group.settle();
    expect(group.node(2).core.membership.voters).toEqual([node(1), node(2)]);
    leader.step({ kind: "propose-change", proposal: 3, change: changeOf("r1") });
    group.settle();
    expect(leader.core.role).toBe("follower");
    group.tick(2, 20);
    group.settle();
    expect(group.node(2).core.role).toBe("leader");
  });

  test("reads of the leader and of a follower wait for a round of a majority (dissertation 6.4)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    const follower = group.node(2);
    leader.take("send");
    leader.step({ kind: "read", context: 1 });
    follower.step({ kind: "read", context: 2 });
    leader.step({ kind: "turn" });
    follower.step({ kind: "turn" });
    expect(leader.take("read-ready")).toEqual([]);
    group.settle();
    expect(leader.take("read-ready").map((ready) => ready.context)).toEqual([1]);
    leader.step({ kind: "turn" });
    group.settle();
    expect(follower.take("read-ready").map((ready) => ready.context)).toEqual([2]);
  });

  test("joint configurations are entered and left by the leader itself (dissertation 4.3)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    for (const id of [4, 5]) group.add(id, membershipOf([1, 2, 3]));
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("v4 v5 r2") });
    group.settle();
    expect(leader.core.membership).toEqual(membershipOf([1, 3, 4, 5]));
    expect(group.node(5).core.commit).toBe(leader.core.commit);
  });
});
