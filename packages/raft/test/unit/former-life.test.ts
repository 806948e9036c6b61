/**
 * What a node said before a crash, and what comes back to it afterwards.
 *
 * Both bugs were found by the swarm of packages/simulator before the core was ever released.
 */
import { expect, test } from "vitest";
import { node, TestGroup } from "../support/group.js";

/**
 * Seed 41, at 13.6 s: a follower asked for a read, crashed, and asked again under numbers that begin at a random place.
 * The late answer to the former life's request had a higher number than all requests of the new one, so it passed for
 * their answer, and a read missed thirteen acknowledged entries.
 */
test("an answer to a read request of a former life answers no read of this one (dissertation 6.4)", () => {
  const group = new TestGroup(3);
  group.elect(1);
  const follower = group.node(2);
  follower.restart({ jitter: () => 0.9 });
  group.tick(1);
  group.settle();
  follower.step({ kind: "read", context: 1 });
  follower.step({ kind: "turn" });
  const [request] = group.takeMessages("read", 1);
  group.node(1).step({ kind: "message", message: request! });
  group.node(1).step({ kind: "turn" });
  group.settle((message) => message.type === "read-response");
  const late = { ...request!, from: node(1), to: node(2), type: "read-response" } as const;

  follower.restart({ jitter: () => 0.1 });
  group.tick(1);
  group.settle();
  follower.step({ kind: "read", context: 2 });
  follower.step({ kind: "turn" });
  follower.take("send");
  follower.step({
    kind: "message",
    message: { ...late, term: follower.core.term, index: 1, reject: false },
  });
  expect(follower.take("read-ready")).toEqual([]);
  group.settle();
  group.tick(1);
  group.settle();
  expect(follower.take("read-ready").map(({ context }) => context)).toEqual([2]);
});

/**
 * The judge's rule "durable before it asks" on the first seed it saw. A candidate that asks with entries that are not
 * durable may crash, forget them and the term, ask again in the same term with a shorter log, and be elected by the
 * answers to what it asked before: without an entry that was committed. A log that is durable it asks with again, so
 * that its own sync runs beside the questions.
 */
test("a candidate whose log is not durable asks for votes when it is (Raft 3.8)", () => {
  const group = new TestGroup(3, { preVote: false });
  const leader = group.elect(1);
  group.propose(1, "a");
  const [append] = group.takeMessages("append", 2);
  const candidate = group.node(2);
  candidate.step({ kind: "message", message: append! });
  candidate.step({ kind: "campaign" });
  expect(group.takeMessages("vote")).toEqual([]);
  candidate.sync();
  expect(candidate.hardState).toMatchObject({ term: 2, vote: node(2) });
  expect(group.takeMessages("vote")).toHaveLength(2);
  expect(leader.core.term).toBe(1);
});

test("a candidate whose log is durable asks at once; its own vote counts when that is durable (Raft 5.2)", () => {
  const group = new TestGroup(2, { preVote: false });
  const candidate = group.node(1);
  candidate.step({ kind: "campaign" });
  const [request] = group.takeMessages("vote");
  expect(candidate.hardState.term).toBe(0);
  group.node(2).step({ kind: "message", message: request! });
  group.node(2).sync();
  const [granted] = group.takeMessages("vote-response");
  candidate.step({ kind: "message", message: granted! });
  expect(candidate.core.role).toBe("candidate");
  candidate.sync();
  expect(candidate.core.role).toBe("leader");
});

/**
 * Seed 120: a node in doubt asked the leader where its log ends, and the answer passed for that to a read that it had
 * asked as well; and the answer to a read, which is only the commit index, would have ended the doubt too early.
 */
test("the answer to a node in doubt answers no read, and the answer to a read ends no doubt (INV-RAFT-17)", () => {
  const group = new TestGroup(3);
  group.elect(1);
  const follower = group.node(2);
  follower.restart({ isRecovering: true });
  follower.step({
    kind: "message",
    message: { type: "heartbeat", from: node(1), to: node(2), term: 1, commit: 0, round: 0 },
  });
  group.tick(2);
  follower.step({ kind: "read", context: 5 });
  follower.step({ kind: "turn" });
  group.tick(2);
  const requests = group.takeMessages("read", 1);
  const answerTo = (isRecovering: boolean, index: number): void => {
    const { context } = requests.findLast((request) => request.isRecovering === isRecovering)!;
    const { term } = follower.core;
    const header = { from: node(1), to: node(2), term } as const;
    follower.step({
      kind: "message",
      message: { ...header, type: "read-response", context, index, reject: false },
    });
  };
  answerTo(true, 9);
  expect(follower.take("read-ready")).toEqual([]);
  answerTo(false, 1);
  expect(follower.take("read-ready")).toEqual([{ kind: "read-ready", context: 5, index: 1 }]);
  expect(follower.core.isRecovering).toBe(true);
});
