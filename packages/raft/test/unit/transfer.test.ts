import type { Message } from "@authledger/raft";
import { describe, expect, test } from "vitest";
import { node, TestGroup } from "../support/group.js";

const timeoutNow = (to: number, term: number, index: number, logTerm: number): Message => ({
  type: "timeout-now",
  from: node(1),
  to: node(to),
  term,
  index,
  logTerm,
});

describe("giving the leadership away", () => {
  test("the target leads, though voters hear from the old leader (dissertation 3.10)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    leader.step({ kind: "transfer", to: node(3) });
    group.settle();
    expect(group.node(3).core.role).toBe("leader");
    expect(leader.core.leader).toBe(node(3));
    expect(leader.take("transfer-failed")).toEqual([]);
  });

  test("a follower asks its leader for it", () => {
    const group = new TestGroup(3);
    group.elect(1);
    group.node(2).step({ kind: "transfer", to: node(3) });
    group.settle();
    expect(group.node(3).core.role).toBe("leader");
  });

  test("meanwhile nothing is proposed, and the target gets all entries first (dissertation 3.10)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    group.propose(1, "a");
    leader.step({ kind: "transfer", to: node(3) });
    expect(group.takeMessages("timeout-now")).toEqual([]);
    leader.step({ kind: "propose", proposal: 9, payloads: [new Uint8Array(1)] });
    expect(leader.take("dropped")).toEqual([{ kind: "dropped", proposal: 9, why: "transferring" }]);
    group.settle();
    expect(group.node(3).core.role).toBe("leader");
    expect(group.node(3).core.lastIndex).toBe(3);
  });

  test("it is given up after an election timeout, and the leader keeps its term and vote (dissertation 3.10)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    leader.step({ kind: "transfer", to: node(3) });
    for (let i = 0; i < 10; i++) {
      group.tick(1);
      group.settle(({ to }) => to === node(3));
    }
    expect(leader.take("transfer-failed")).toEqual([{ kind: "transfer-failed", to: node(3) }]);
    expect([leader.core.role, leader.core.term, leader.core.vote]).toEqual(["leader", 1, node(1)]);
    group.propose(1, "a");
    group.settle();
    expect(leader.core.commit).toBe(2);
  });

  test("INV-RAFT-8: a request of an earlier term starts no election (museum row 30)", () => {
    const group = new TestGroup(3);
    group.elect(1);
    group.node(2).step({ kind: "transfer", to: node(2) });
    group.settle();
    expect(group.node(2).core.role).toBe("leader");
    const third = group.node(3);
    third.step({ kind: "message", message: timeoutNow(3, 1, 1, 1) });
    group.settle();
    expect([third.core.role, third.core.term]).toEqual(["follower", 2]);
  });

  test("INV-RAFT-8: a target without the leader's last entry on its disk starts none", () => {
    const group = new TestGroup(3);
    group.elect(1);
    group.propose(1, "a");
    const target = group.node(2);
    for (const message of group.takeMessages("append", 2))
      target.step({ kind: "message", message });
    target.step({ kind: "message", message: timeoutNow(2, 1, 2, 1) });
    expect(target.core.role).toBe("follower");
    target.sync();
    target.step({ kind: "message", message: timeoutNow(2, 1, 3, 1) });
    target.step({ kind: "message", message: timeoutNow(2, 1, 2, 2) });
    expect(target.core.role).toBe("follower");
    target.step({ kind: "message", message: timeoutNow(2, 1, 2, 1) });
    expect(target.core.role).toBe("candidate");
  });

  test("nobody gives it to a learner or a stranger", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    leader.step({ kind: "transfer", to: node(9) });
    expect(leader.take("transfer-failed")).toEqual([{ kind: "transfer-failed", to: node(9) }]);
    group.propose(1, "a");
    expect(leader.take("dropped")).toEqual([]);
  });
});
