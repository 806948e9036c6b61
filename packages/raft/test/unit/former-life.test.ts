/**
 * What a node said before a crash, and what comes back to it afterwards.
 *
 * Both bugs were found by the swarm of packages/simulator before the core was ever released.
 */
import { expect, test } from "vitest";
import { membershipOf, node, TestGroup } from "../support/group.js";

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
 * The judge's rule "durable before it asks" on the first seed it saw. A candidate that asks before its term is durable
 * may crash, forget the term and the end of its log, ask again in the same term with a shorter log, and be elected by
 * the answers to what it asked before: without an entry that was committed.
 */
test("a candidate asks for votes when its term and its log are durable (Raft 3.8)", () => {
  const group = new TestGroup(3, { preVote: false });
  const candidate = group.add(4, membershipOf([1, 2, 3, 4]));
  candidate.step({ kind: "campaign" });
  expect(group.takeMessages("vote")).toEqual([]);
  candidate.sync();
  expect(candidate.hardState).toEqual({ term: 1, vote: node(4), commit: 0 });
  expect(group.takeMessages("vote")).toHaveLength(3);
});
