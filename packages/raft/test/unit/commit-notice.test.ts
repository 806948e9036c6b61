import { describe, expect, test } from "vitest";
import { changeOf, node, TestGroup } from "../support/group.js";

/** A settled group of three, led by node 1, in which notices of commits wait for the end of the turn. */
function settled(): TestGroup {
  const group = new TestGroup(3, { commitNotice: "at-turn" });
  group.elect(1);
  return group;
}

const commitOf = (group: TestGroup, id: number): number => group.node(id).core.commit;

describe("who follows hears of a commit with what is sent next (Raft 5.3)", () => {
  test("a commit sends no message of its own; the next entry carries it", () => {
    const group = settled();
    group.propose(1, "a");
    group.settle();
    expect([commitOf(group, 1), commitOf(group, 2)]).toEqual([2, 1]);
    group.propose(1, "b");
    group.settle();
    expect([commitOf(group, 1), commitOf(group, 2), commitOf(group, 3)]).toEqual([3, 2, 2]);
  });

  test("at the end of a turn they are told, once", () => {
    const group = settled();
    group.propose(1, "a");
    group.settle();
    group.node(1).step({ kind: "turn" });
    expect(group.messages.map(({ type, to }) => [type, to])).toEqual([
      ["append", node(2)],
      ["append", node(3)],
    ]);
    group.settle();
    expect([commitOf(group, 2), commitOf(group, 3)]).toEqual([2, 2]);
    group.node(1).step({ kind: "turn" });
    expect(group.messages).toEqual([]);
  });

  test("without an end of a turn, or where that notice was lost, a heartbeat tells them", () => {
    const group = settled();
    group.propose(1, "a");
    group.settle();
    group.node(1).step({ kind: "turn" });
    group.messages = [];
    group.tick(1);
    group.settle();
    expect([commitOf(group, 2), commitOf(group, 3)]).toEqual([2, 2]);
  });

  test("the heartbeats of a round for reads tell them too: the turn adds nothing (dissertation 6.4)", () => {
    const group = settled();
    group.propose(1, "a");
    group.settle();
    group.node(1).step({ kind: "read", context: 1 });
    group.node(1).step({ kind: "turn" });
    expect(group.messages.map(({ type }) => type)).toEqual(["heartbeat", "heartbeat"]);
    group.settle();
    expect([commitOf(group, 2), commitOf(group, 3)]).toEqual([2, 2]);
  });

  test("the commit of a change of the configuration is told at once (dissertation 4.1)", () => {
    const group = settled();
    group.node(1).step({ kind: "propose-change", proposal: 1, change: changeOf("r3") });
    group.settle();
    expect(commitOf(group, 2)).toBe(2);
    expect(group.node(2).core.membership.voters).toEqual([node(1), node(2)]);
  });

  test("a node that recovers, which takes no heartbeat's word for it, is told at once", () => {
    const group = settled();
    const third = group.node(3);
    third.restart({ isRecovering: true });
    group.tick(1);
    group.settle();
    group.tick(3);
    group.settle(({ type }) => type === "read-response");
    expect(third.core.isRecovering).toBe(true);
    group.propose(1, "a");
    group.settle();
    expect([commitOf(group, 1), commitOf(group, 2), commitOf(group, 3)]).toEqual([2, 1, 2]);
  });
});
