import type { Message } from "@authledger/raft";
import { describe, expect, test } from "vitest";
import { changeOf, membershipOf, node, TestGroup } from "../support/group.js";

const vote = (from: number, to: number, term: number, index: number, logTerm: number) =>
  ({
    kind: "message",
    message: {
      type: "vote",
      from: node(from),
      to: node(to),
      term,
      index,
      logTerm,
      isTransfer: false,
    },
  }) as const;

const granted = (from: number, to: number, term: number) =>
  ({
    kind: "message",
    message: {
      type: "vote-response",
      from: node(from),
      to: node(to),
      term,
      reject: false,
      commit: 0,
      commitTerm: 0,
    },
  }) as const;

describe("votes", () => {
  test("INV-RAFT-9: a candidate that loses keeps the vote it has cast in the term (Raft 5.2, museum row 1)", () => {
    const group = new TestGroup(3, { preVote: false });
    const candidate = group.node(1);
    candidate.step({ kind: "campaign" });
    candidate.sync();
    // The leader of the same term makes it a follower: that is no reason to vote again.
    const { term } = candidate.core;
    const heartbeat = { type: "heartbeat", from: node(2), to: node(1), term } as const;
    candidate.step({ kind: "message", message: { ...heartbeat, commit: 0, round: 0 } });
    expect(candidate.core.role).toBe("follower");
    expect(candidate.core.vote).toBe(node(1));
    candidate.step(vote(3, 1, term, 9, 9));
    candidate.sync();
    expect(candidate.hardState.vote).toBe(node(1));
    expect(group.takeMessages("vote-response", 3).map(({ reject }) => reject)).toEqual([true]);
  });

  test("INV-RAFT-10: one vote in a term, also after a restart; it leaves when it is durable (Raft 5.2, museum row 3)", () => {
    const group = new TestGroup(3, { preVote: false });
    const voter = group.node(1);
    voter.step(vote(2, 1, 5, 0, 0));
    expect(group.takeMessages("vote-response")).toEqual([]);
    voter.sync();
    expect(group.takeMessages("vote-response", 2).map(({ reject }) => reject)).toEqual([false]);
    voter.restart();
    voter.step(vote(3, 1, 5, 0, 0));
    voter.step(vote(2, 1, 5, 0, 0));
    voter.sync();
    expect(group.takeMessages("vote-response", 3).map(({ reject }) => reject)).toEqual([true]);
    expect(group.takeMessages("vote-response", 2).map(({ reject }) => reject)).toEqual([false]);
  });

  // Seed 500001434: elected by the others' votes alone, it crashed before its term was on its disk, was elected in the same
  // term by the same votes, and wrote another entry where one of its first reign was.
  test("INV-RAFT-18: whom the others elect leads when its own vote is durable, not before (Raft 5.2)", () => {
    const group = new TestGroup(3, { preVote: false });
    const candidate = group.node(1);
    candidate.step({ kind: "campaign" });
    const { term } = candidate.core;
    candidate.step(granted(2, 1, term));
    candidate.step(granted(3, 1, term));
    expect(candidate.core.role).toBe("candidate");
    expect(group.takeMessages("append")).toEqual([]);
    candidate.sync();
    expect([candidate.core.role, candidate.hardState.term]).toEqual(["leader", term]);
  });

  test("INV-RAFT-10: a log that is less complete gets no vote (Raft 5.4.1)", () => {
    const group = new TestGroup(3, { preVote: false, checkQuorum: false });
    group.elect(1);
    const voter = group.node(2);
    const answers = [vote(3, 2, 2, 0, 0), vote(3, 2, 3, 9, 0), vote(3, 2, 4, 1, 1)].map((event) => {
      voter.step(event);
      voter.sync();
      return group.takeMessages("vote-response", 3).map(({ reject }) => reject);
    });
    expect(answers).toEqual([[true], [true], [false]]);
  });

  test("INV-RAFT-11: a vote that arrives twice counts once, and one of a stranger not at all (museum row 2)", () => {
    const group = new TestGroup(5, { preVote: false });
    const candidate = group.node(1);
    candidate.step({ kind: "campaign" });
    candidate.sync();
    for (const from of [2, 2, 2, 9]) candidate.step(granted(from, 1, 1));
    expect(candidate.core.role).toBe("candidate");
    candidate.step(granted(3, 1, 1));
    expect(candidate.core.role).toBe("leader");
  });

  test("INV-RAFT-11: a vote of a learner does not elect (dissertation 4.2.1)", () => {
    const group = new TestGroup(0, { preVote: false });
    for (const id of [1, 2, 3]) group.add(id, membershipOf([1, 2], [3]));
    const candidate = group.node(1);
    candidate.step({ kind: "campaign" });
    candidate.sync();
    candidate.step(granted(3, 1, 1));
    expect(candidate.core.role).toBe("candidate");
  });

  test("a candidate's own vote counts when it is durable (museum row 14)", () => {
    const group = new TestGroup(3, { preVote: false });
    const candidate = group.node(1);
    candidate.step({ kind: "campaign" });
    candidate.step(granted(2, 1, 1));
    expect(candidate.core.role).toBe("candidate");
    candidate.sync();
    expect(candidate.core.role).toBe("leader");
  });

  test("a vote of an earlier term does not count (Raft 5.1)", () => {
    const group = new TestGroup(3, { preVote: false });
    const candidate = group.node(1);
    for (let i = 0; i < 2; i++) {
      group.tick(1, 20);
      candidate.sync();
    }
    expect(candidate.core.term).toBeGreaterThan(1);
    candidate.step(granted(2, 1, 1));
    expect(candidate.core.role).toBe("candidate");
  });
});

describe("terms", () => {
  /**
   * Core seed 7801571: of the voters 6 and 9 only 9 had the newest entry. Node 4, with an old configuration and an old log,
   * stood every few ticks and kept the term of 6 above that of 9, whose votes 6 did not answer.
   */
  test("who asks for a vote of an earlier term is told the term, and can win the next (Raft 5.1)", () => {
    const group = new TestGroup(2, { preVote: false });
    const voter = group.node(2);
    voter.step(vote(3, 2, 7, 0, 0));
    voter.sync();
    group.messages = [];
    const candidate = group.node(1);
    candidate.step({ kind: "campaign" });
    group.settle();
    expect([candidate.core.role, candidate.core.term]).toEqual(["follower", 7]);
    candidate.step({ kind: "campaign" });
    group.settle();
    expect([candidate.core.role, candidate.core.term]).toEqual(["leader", 8]);
  });
});

describe("asking first, and sticking to a leader", () => {
  test("a question beforehand raises no term and casts no vote (dissertation 9.6)", () => {
    const group = new TestGroup(3);
    group.node(1).step({ kind: "campaign" });
    const { term } = group.node(1).core;
    expect(term).toBe(0);
    expect(group.node(1).appends).toEqual([]);
    const [request] = group.takeMessages("pre-vote", 2);
    group.node(2).step({ kind: "message", message: request! });
    expect(group.node(2).core.term).toBe(0);
    expect(group.node(2).core.vote).toBeUndefined();
    expect(group.takeMessages("pre-vote-response", 1)).toHaveLength(1);
  });

  test("a node that was cut off does not disturb the group when it comes back (dissertation 4.2.3, 9.6)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    const cutOff = node(3);
    for (let i = 0; i < 100; i++) {
      for (const id of [1, 2, 3]) group.tick(id);
      group.settle(({ from, to }) => from === cutOff || to === cutOff);
    }
    group.tick(3, 20);
    group.settle();
    expect(leader.core.role).toBe("leader");
    expect(group.node(3).core.term).toBe(1);
  });

  test("voters ignore who asks while they hear from a leader, unless the leader asked for it (dissertation 4.2.3)", () => {
    const group = new TestGroup(3);
    group.elect(1);
    const voter = group.node(2);
    voter.step(vote(3, 2, 9, 9, 9));
    expect(voter.core.term).toBe(1);
    const request = vote(3, 2, 9, 9, 9).message;
    voter.step({ kind: "message", message: { ...request, isTransfer: true } });
    expect(voter.core.term).toBe(9);
    expect(voter.core.vote).toBe(node(3));
  });

  test("a leader that hears from no majority steps down (dissertation 6.2)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    for (let i = 0; i < 25; i++) {
      group.tick(1);
      group.settle(() => true);
    }
    expect(leader.core.role).toBe("follower");
    expect(leader.core.term).toBe(1);
  });

  test("a leader may be given more time than an election timeout to hear from a majority (dissertation 6.2)", () => {
    const group = new TestGroup(3, { quorumTicks: 20 });
    const leader = group.elect(1);
    const silently = (ticks: number): void => {
      group.tick(1, ticks);
      group.settle(() => true);
    };
    // Whoever was heard of in the span before counts; so the second whole one decides.
    silently(20);
    silently(19);
    expect(leader.core.role).toBe("leader");
    silently(1);
    expect(leader.core.role).toBe("follower");
  });

  test("a leader whose owner was held beats at once, and gives nobody up for it (Raft 5.6)", () => {
    const group = new TestGroup(3, { heartbeatTicks: 3 });
    const leader = group.elect(1);
    group.tick(1, 2);
    expect(group.takeMessages("heartbeat")).toEqual([]);
    for (let i = 0; i < 50; i++) leader.step({ kind: "beat" });
    expect(leader.core.role).toBe("leader");
    expect(group.takeMessages("heartbeat")).toHaveLength(100);
    // The next ones are due a whole interval later.
    group.tick(1, 2);
    expect(group.takeMessages("heartbeat")).toEqual([]);
    group.tick(1);
    expect(group.takeMessages("heartbeat")).toHaveLength(2);
    group.node(2).step({ kind: "beat" });
    expect(group.messages).toEqual([]);
  });

  /**
   * Swarm, seed 1423: a node that may not be elected began its election timeout anew each time it ran out, and took that
   * for hearing from the leader: it ignored the only candidate for ever.
   */
  test("a learner that hears from no leader votes for who asks, though its own timeout began anew (dissertation 4.2.3)", () => {
    const group = new TestGroup(0);
    for (const id of [1, 2]) group.add(id, membershipOf([1], [2]));
    group.elect(1);
    const learner = group.node(2);
    group.tick(2, 25);
    learner.step(vote(3, 2, 9, 9, 9));
    learner.sync();
    expect(group.takeMessages("vote-response", 3).map(({ reject }) => reject)).toEqual([false]);
  });
});

describe("who stands for election", () => {
  test("a learner does not, nor a node that is no member (museum row 27)", () => {
    const group = new TestGroup(0);
    for (const id of [1, 2, 9]) group.add(id, membershipOf([1], [2]));
    for (const id of [2, 9]) {
      group.tick(id, 50);
      group.node(id).step({ kind: "campaign" });
      expect(group.node(id).core.role).toBe("follower");
    }
    expect(group.messages).toEqual([]);
  });

  test("nobody does with a change of the configuration that is committed and not applied (museum row 27)", () => {
    const group = new TestGroup(3, { checkQuorum: false });
    const leader = group.elect(1);
    const follower = group.node(2);
    follower.isApplying = false;
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("l4") });
    group.settle();
    expect(follower.core.commit).toBe(2);
    group.tick(2, 50);
    expect(follower.core.role).toBe("follower");
    follower.apply(2, 2);
    follower.step({ kind: "campaign" });
    expect(follower.core.role).toBe("pre-candidate");
  });

  /**
   * Swarm, seed 630018404: of four voters one was removed, and of the three that were left one lost its disk. Who knew that the removal is
   * committed had the shorter log, and could not win. Who had the longer one got its vote, did not hear of the removal, and waited
   * for a third vote of four for ever.
   */
  test("a vote says what is committed, so that the candidate learns whose vote it needs no more", () => {
    const group = new TestGroup(4);
    const leader = group.elect(3);
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("r4") });
    const removal = leader.core.lastIndex;
    group.propose(3, "more");
    const isCut = (message: Message): boolean => {
      const { type, to } = message;
      if (to === node(1)) return type === "append" && message.index >= removal;
      return to !== node(3) && "commit" in message && message.commit >= removal;
    };
    group.settle(isCut);
    group.tick(3);
    group.settle(isCut);
    const [knowing, longer] = [group.node(1), group.node(2)];
    expect([knowing.core.commit, knowing.core.lastIndex]).toEqual([removal, removal]);
    expect([longer.core.commit, longer.core.lastIndex]).toEqual([removal - 1, removal + 1]);
    const isLost = ({ from, to }: Message): boolean =>
      [from, to].some((one) => one === node(3) || one === node(4));
    for (let i = 0; i < 100 && longer.core.role !== "leader"; i++) {
      for (const id of [1, 2]) group.tick(id);
      group.settle(isLost);
    }
    expect(longer.core.role).toBe("leader");
    expect(longer.membership.voters).toEqual([1, 2, 3].map(node));
  });

  /**
   * Swarm, seed 1042: of two voters one was removed, stepped down with entries behind the removal, and stood for election
   * no more. The other had not been told that the removal is committed, asked for the vote of the removed one, and
   * was refused for ever for its shorter log.
   */
  test("a refusal says what is committed, so that the last voter learns of the other's removal", () => {
    const group = new TestGroup(2);
    const leader = group.elect(1);
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("r1") });
    const removal = leader.core.lastIndex;
    group.settle(
      ({ type, to }) => type === "append" && to === node(2) && leader.core.commit >= removal,
    );
    group.messages = [];
    expect([leader.core.role, leader.core.commit]).toEqual(["follower", removal]);
    expect(group.node(2).core.commit).toBeLessThan(removal);
    for (let i = 0; i < 100; i++) {
      for (const id of [1, 2]) group.tick(id);
      group.settle();
    }
    expect(group.node(2).core.role).toBe("leader");
    expect(group.node(2).core.membership.voters).toEqual([node(2)]);
  });
});
