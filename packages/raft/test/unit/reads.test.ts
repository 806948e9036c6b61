import type { Action, Message } from "@authledger/raft";
import { describe, expect, test } from "vitest";
import { changeOf, membershipOf, node, TestGroup, type TestNode } from "../support/group.js";
import { MemoryLog } from "../support/memory-log.js";

function answered(one: TestNode): { context: number; index: number }[] {
  return one.take("read-ready").map(({ context, index }) => ({ context, index }));
}

function begin(one: TestNode, ...contexts: number[]): void {
  for (const context of contexts) one.step({ kind: "read", context });
  one.step({ kind: "turn" });
}

const answers = (from: number, term: number, round: number) =>
  ({
    kind: "message",
    message: { type: "heartbeat-response", from: node(from), to: node(1), term, round },
  }) as const;

describe("reads of a leader", () => {
  test("all reads of a turn share one round, and none is answered without a majority (dissertation 6.4, museum row 17)", () => {
    const group = new TestGroup(5);
    const leader = group.elect(1);
    leader.take("send");
    begin(leader, 1, 2, 3);
    expect(group.takeMessages("heartbeat").map(({ round }) => round)).toEqual([1, 1, 1, 1]);
    leader.step(answers(2, 1, 1));
    leader.step(answers(2, 1, 1));
    expect(answered(leader)).toEqual([]);
    leader.step(answers(3, 1, 1));
    expect(answered(leader)).toEqual([1, 2, 3].map((context) => ({ context, index: 1 })));
  });

  test("INV-RAFT-5: asking again takes a new number, and an answer to an old one answers no later read (museum row 18)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    begin(leader, 1);
    group.takeMessages("heartbeat");
    group.tick(1);
    expect(group.takeMessages("heartbeat", 2)[0]!.round).toBe(2);
    begin(leader, 2);
    leader.actions.length = 0;
    leader.step(answers(2, 1, 1));
    leader.step(answers(3, 1, 0));
    expect(answered(leader)).toEqual([{ context: 1, index: 1 }]);
    leader.step(answers(2, 1, 3));
    expect(answered(leader)).toEqual([{ context: 2, index: 1 }]);
  });

  test("INV-RAFT-6: no answer before an entry of the leader's own term is committed (Raft 8, museum row 18)", () => {
    const group = new TestGroup(3, { checkQuorum: false });
    group.elect(2);
    group.propose(2, "a");
    group.settle();
    const leader = group.node(1);
    leader.step({ kind: "campaign" });
    group.settle(({ type }) => type === "append");
    expect([leader.core.role, leader.core.commit]).toEqual(["leader", 2]);
    begin(leader, 1);
    leader.step(answers(3, leader.core.term, 1));
    expect(answered(leader)).toEqual([]);
    group.settle();
    group.tick(1);
    group.settle();
    expect(answered(leader)).toEqual([{ context: 1, index: 3 }]);
  });

  test("INV-RAFT-6: a group of one waits for its own entry too", () => {
    const group = new TestGroup(1);
    const leader = group.node(1);
    group.tick(1);
    leader.sync();
    begin(leader, 1);
    expect(answered(leader)).toEqual([]);
    leader.sync();
    leader.step({ kind: "turn" });
    expect(answered(leader)).toEqual([{ context: 1, index: 1 }]);
  });

  test("a leader that is one no more answers nothing that waits (museum row 17)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    begin(leader, 1);
    const heartbeat = { type: "heartbeat", from: node(2), to: node(1), term: 9 } as const;
    leader.actions.length = 0;
    leader.step({ kind: "message", message: { ...heartbeat, commit: 0, round: 0 } });
    expect(leader.take("read-dropped")).toEqual([
      { kind: "read-dropped", context: 1, why: "term-ended" },
    ]);
  });

  test("answers of learners confirm nothing", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    const change = { transition: "auto", context: new Uint8Array(0) } as const;
    const changes = [{ action: "add-learner", node: node(4) }] as const;
    leader.step({ kind: "propose-change", proposal: 1, change: { ...change, changes } });
    group.settle();
    begin(leader, 1);
    leader.actions.length = 0;
    leader.step(answers(4, 1, 99));
    expect(answered(leader)).toEqual([]);
  });
});

describe("reads of a leader whose only other voter is removed", () => {
  // The answer of the removed node came when it was no voter any more, and counted for nothing. The leader, now alone, asked nobody
  // again: the read had no answer until its deadline, while later ones were answered at once.
  test("are answered with the next heartbeat, also if their round was on its way (dissertation 6.4)", () => {
    const group = new TestGroup(2);
    const leader = group.elect(1);
    leader.isApplying = false;
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("r2") });
    group.settle();
    const { commit } = leader.core;
    begin(leader, 7);
    const late = group.messages.splice(0);
    expect(late).toMatchObject([{ type: "heartbeat", to: node(2), round: 1 }]);
    leader.isApplying = true;
    leader.apply(commit, commit);
    expect(leader.membership.voters).toEqual([node(1)]);
    leader.step(answers(2, 1, 1));
    expect(answered(leader)).toEqual([]);
    group.tick(1);
    expect(answered(leader)).toEqual([{ context: 7, index: commit }]);
  });
});

describe("reads of a follower", () => {
  test("wait for the leader's round, and are asked again where messages are lost (dissertation 6.4)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    group.propose(1, "a");
    group.settle();
    const follower = group.node(2);
    begin(follower, 7, 8);
    expect(group.takeMessages("read", 1)).toHaveLength(1);
    group.tick(2);
    group.settle();
    leader.step({ kind: "turn" });
    group.settle();
    expect(answered(follower)).toEqual([7, 8].map((context) => ({ context, index: 2 })));
  });

  test("are given up without a leader, and after two election timeouts", () => {
    const group = new TestGroup(3);
    const why = (one: TestNode): Action[] => one.take("read-dropped");
    begin(group.node(2), 1);
    expect(why(group.node(2))).toMatchObject([{ context: 1, why: "no-leader" }]);
    group.elect(1);
    begin(group.node(2), 2);
    for (let i = 0; i < 20; i++) {
      group.tick(1);
      group.tick(2);
      group.settle(({ type }) => type === "read");
    }
    expect(why(group.node(2))).toMatchObject([{ context: 2, why: "no-leader" }]);
  });

  test("are refused by who does not lead", () => {
    const group = new TestGroup(3);
    group.elect(1);
    const message = { type: "read", from: node(3), to: node(2), term: 0, context: 5 } as const;
    group.node(2).step({ kind: "message", message: { ...message, isRecovering: false } });
    expect(group.takeMessages("read-response", 3)).toMatchObject([{ context: 5, reject: true }]);
  });
});

describe("leases", () => {
  /** With 10 ticks and clocks that may differ by a tenth: floor(9 * 0.9) - 1 ticks from when the round left. */
  const LENGTH = 7;

  function leased(): { group: TestGroup; leader: TestNode } {
    const group = new TestGroup(3, { readMode: "lease", heartbeatTicks: 2 });
    for (const id of [1, 2, 3]) group.tick(id, 8);
    for (const id of [1, 2, 3]) group.tick(id, 1);
    const leader = group.node(1);
    for (const id of [2, 3]) group.tick(id, 2);
    group.tick(1, 2);
    group.settle();
    if (leader.core.role !== "leader") {
      leader.step({ kind: "campaign" });
      group.settle();
    }
    expect(leader.core.role).toBe("leader");
    return { group, leader };
  }

  test("INV-RAFT-7: a lease begins when the confirmed round left, not when it was answered (dissertation 6.4.1, museum row 16)", () => {
    const { group, leader } = leased();
    expect(leader.core.hasLease).toBe(false);
    group.tick(1, 2);
    const heartbeats = group.takeMessages("heartbeat");
    // The answers are late by five ticks.
    group.tick(1, 1);
    group.takeMessages("heartbeat");
    group.tick(1, 4);
    group.takeMessages("heartbeat");
    for (const message of heartbeats)
      group.nodes.get(message.to)!.step({ kind: "message", message });
    group.settle();
    expect(leader.core.hasLease).toBe(true);
    leader.step({ kind: "read", context: 1 });
    expect(answered(leader)).toHaveLength(1);
    group.tick(1, LENGTH - 5);
    expect(leader.core.hasLease).toBe(true);
    group.tick(1, 1);
    expect(leader.core.hasLease).toBe(false);
    leader.step({ kind: "read", context: 2 });
    expect(answered(leader)).toEqual([]);
  });

  test("INV-RAFT-7: a lease ends before another is asked to stand for election, and none begins in that term (dissertation 6.4.1)", () => {
    const { group, leader } = leased();
    group.tick(1, 2);
    group.settle();
    expect(leader.core.hasLease).toBe(true);
    leader.step({ kind: "transfer", to: node(2) });
    expect(leader.core.hasLease).toBe(false);
    expect(group.takeMessages("timeout-now", 2)).toHaveLength(1);
    group.tick(1, 2);
    group.settle(({ type }) => type === "timeout-now");
    expect([leader.core.role, leader.core.hasLease]).toEqual(["leader", false]);
  });

  test("INV-RAFT-7: a node that begins anew may have promised not to vote, and keeps to that for a timeout", () => {
    const { group } = leased();
    const voter = group.node(2);
    voter.restart();
    const term = voter.core.term + 1;
    const request = { type: "vote", from: node(3), to: node(2), index: 9, logTerm: 9 } as const;
    const ask = (at: number): boolean => {
      voter.step({ kind: "message", message: { ...request, term: at, isTransfer: false } });
      voter.sync();
      return group.takeMessages("vote-response", 3).every(({ reject }) => !reject);
    };
    expect(ask(term)).toBe(false);
    group.tick(2, 11);
    expect(ask(voter.core.term + 1)).toBe(true);
  });
});

/** Node 2 of a group of four recovered, and its last word to the leader was lost; then node 3 is removed, which the leader has not applied. */
function removalNotApplied(): TestGroup {
  const group = new TestGroup(4);
  const leader = group.elect(1);
  group.tick(1);
  group.settle();
  group.node(2).restart({ isRecovering: true });
  const isLastWord = (message: Message): boolean =>
    message.type === "append-response" && message.from === node(2) && !message.isRecovering;
  for (let i = 0; i < 6; i++) {
    for (const id of [1, 2, 3, 4]) group.tick(id);
    group.settle(isLastWord);
    leader.step({ kind: "turn" });
    group.settle(isLastWord);
  }
  expect(group.node(2).core.isRecovering).toBe(false);
  expect(leader.core.progress[1]).toMatchObject({ isRecovering: true });
  leader.isApplying = false;
  const fromTwo = ({ from, to }: Message): boolean => from === node(2) && to === node(1);
  leader.step({ kind: "propose-change", proposal: 1, change: changeOf("r3") });
  group.settle(fromTwo);
  group.tick(1);
  group.settle(fromTwo);
  return group;
}

describe("half of the voters", () => {
  // The leader and the removed node were half of the four it still counted. The other two had applied the removal, were a
  // majority of three, had elected another, and had committed a write that the read did not see.
  test("confirm no read while a change of members is committed that the leader has not applied (dissertation 4.1, 6.4)", () => {
    const group = removalNotApplied();
    const leader = group.node(1);
    expect(group.node(4).membership.voters).toEqual([1, 2, 4].map(node));
    expect(leader.membership.voters).toEqual([1, 2, 3, 4].map(node));
    const isCut = ({ from, to }: Message): boolean =>
      [1, 3].includes(Number(from)) !== [1, 3].includes(Number(to));
    const other = group.node(4);
    // The time of an election passes for node 2 as well, or it would stick to its leader.
    for (let i = 0; i < 15; i++) group.tick(2);
    for (let i = 0; i < 40 && other.core.role !== "leader"; i++) {
      group.tick(4);
      group.settle(isCut);
    }
    expect([leader.core.role, other.core.role]).toEqual(["leader", "leader"]);
    group.propose(4, "written");
    group.settle(isCut);
    expect(other.core.commit).toBeGreaterThan(leader.core.commit);
    leader.actions.length = 0;
    begin(leader, 7);
    group.settle(isCut);
    expect(answered(leader)).toEqual([]);
  });

  // Node 1 had the removal of node 3 in its log when it was elected, and did not know that it was committed. Node 4 had applied it, and with
  // node 2 was a majority of three. Then node 2 lost the end of its log, and half of four told it that node 1 led.
  test("end no doubt while the log of a leader has a change that may be in force elsewhere (dissertation 4.1)", () => {
    const group = new TestGroup(4, { electionTicks: 10 });
    group.doVotesTell = false;
    const old = group.elect(4);
    group.tick(4);
    group.settle();
    old.step({ kind: "propose-change", proposal: 1, change: changeOf("r3") });
    const isWord = ({ from, to, type, ...rest }: Message): boolean =>
      from === node(4) &&
      to !== node(2) &&
      (type === "heartbeat" || ("commit" in rest && rest.commit > 1));
    group.settle(isWord);
    expect(group.node(2).membership.voters).toEqual([1, 2, 4].map(node));
    const leader = group.node(1);
    expect(leader.membership.voters).toEqual([1, 2, 3, 4].map(node));
    const isOfFour = ({ from, to }: Message): boolean => from === node(4) || to === node(4);
    for (const id of [2, 3]) group.tick(id, 15);
    for (let i = 0; i < 40 && leader.core.role !== "leader"; i++) {
      group.tick(1);
      const isToThree = ({ type, to }: Message): boolean => type === "append" && to === node(2);
      group.settle((message) => isOfFour(message) || isToThree(message));
    }
    expect(leader.core).toMatchObject({ role: "leader", commit: 1 });
    const two = group.node(2);
    const log = new MemoryLog(1, 0, two.log.all.slice(0, 2));
    const found = { term: 2, vote: undefined, commit: 1 };
    const lost = group.add(2, membershipOf([1, 2, 4]), log, found);
    lost.restart({ isRecovering: true });
    const isCut = ({ from, to }: Message): boolean =>
      from === node(4) || to === node(4) || (from === node(3) && to === node(2));
    for (let i = 0; i < 5; i++) {
      for (const id of [1, 2]) group.tick(id);
      group.settle(
        (message) =>
          isCut(message) || (message.type === "append-response" && message.from === node(3)),
      );
      leader.step({ kind: "turn" });
      group.settle(
        (message) =>
          isCut(message) || (message.type === "append-response" && message.from === node(3)),
      );
    }
    expect(leader.core.commit).toBe(1);
    expect(lost.core.isRecovering).toBe(true);
  });
});
