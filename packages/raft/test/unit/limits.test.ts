/** What a leader takes, what a snapshot may replace, and what every node checks of itself. */
import { AssertionError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { checkInvariants } from "../../src/invariants.js";
import { LogView } from "../../src/log-view.js";
import { State, settingsOf } from "../../src/state.js";
import { bytes, membershipOf, node, TestGroup } from "../support/group.js";
import { MemoryLog } from "../support/memory-log.js";

describe("proposals", () => {
  test("are taken up to a bound of bytes that are not committed, and one always", () => {
    const group = new TestGroup(3, { uncommittedBytesMax: 10 });
    const leader = group.elect(1);
    const propose = (proposal: number, size: number): void => {
      leader.step({ kind: "propose", proposal, payloads: [new Uint8Array(size)] });
    };
    leader.actions.length = 0;
    propose(1, 50);
    propose(2, 1);
    propose(3, 0);
    expect(leader.actions.filter(({ kind }) => kind === "proposed")).toHaveLength(2);
    expect(leader.take("dropped")).toMatchObject([{ proposal: 2, why: "too-many-uncommitted" }]);
    group.settle();
    propose(4, 9);
    expect(leader.take("dropped")).toEqual([]);
  });

  test("are refused while too much is committed and not applied", () => {
    const group = new TestGroup(1, { unappliedMax: 3 });
    const leader = group.elect(1);
    leader.isApplying = false;
    for (const payload of ["a", "b", "c", "d"]) {
      group.propose(1, payload);
      leader.sync();
    }
    group.propose(1, "e");
    expect(leader.take("dropped")).toMatchObject([{ why: "too-many-unapplied" }]);
  });

  test("are appended in order, all or none, and said where", () => {
    const group = new TestGroup(1);
    const leader = group.elect(1);
    leader.actions.length = 0;
    leader.step({ kind: "propose", proposal: 5, payloads: [bytes("a"), bytes("b")] });
    expect(leader.actions[0]).toEqual({ kind: "proposed", proposal: 5, index: 2, term: 1 });
    leader.sync();
    expect(leader.core.commit).toBe(3);
  });

  test("are refused by who does not lead, with or without a leader", () => {
    const group = new TestGroup(3);
    group.propose(2, "a");
    expect(group.node(2).take("dropped")).toMatchObject([{ why: "no-leader" }]);
    group.elect(1);
    group.propose(2, "a");
    expect(group.node(2).take("dropped")).toMatchObject([{ why: "not-leader" }]);
  });
});

describe("snapshots", () => {
  const snapshot = (index: number, term: number, voters = [1, 2, 3]) =>
    ({
      kind: "message",
      message: {
        type: "snapshot",
        from: node(2),
        to: node(1),
        term: 5,
        snapshot: { index, term, membership: membershipOf(voters) },
      },
    }) as const;

  test("one is acknowledged when the switch to it is durable, and the log goes on behind it (Raft 7, museum row 21)", () => {
    const group = new TestGroup(3);
    const one = group.node(1);
    one.step(snapshot(20, 4));
    expect(group.takeMessages("append-response")).toEqual([]);
    expect(one.appends[0]).toMatchObject({ snapshot: { index: 20, term: 4 }, mustSync: true });
    // Nobody stands for election without the state that it stands for.
    group.tick(1, 50);
    expect(one.core.role).toBe("follower");
    one.sync();
    expect(group.takeMessages("append-response")).toMatchObject([{ index: 20, reject: false }]);
    const { firstIndex, lastIndex, applied, durable } = one.core;
    expect([firstIndex, lastIndex, applied, durable]).toEqual([21, 20, 20, 20]);
  });

  test("one that differs from a committed entry stops the node (Raft 7)", () => {
    const group = new TestGroup(3);
    group.elect(1);
    expect(() => group.node(1).step(snapshot(1, 3))).toThrow("contradict");
  });

  test("one that tells nothing new replaces nothing", () => {
    const group = new TestGroup(3);
    group.elect(1);
    group.node(1).step(snapshot(1, 1));
    expect(group.node(1).core.firstIndex).toBe(1);
    group.node(1).sync();
    expect(group.takeMessages("append-response", 2)).toMatchObject([{ index: 1 }]);
  });

  test("one that does not know this node is none for it", () => {
    const group = new TestGroup(3);
    group.node(1).step(snapshot(20, 4, [2, 3]));
    expect(group.node(1).core.lastIndex).toBe(0);
  });

  test("a leader sends on when a state was delivered, and tries again when it was not (museum row 29)", () => {
    for (const ok of [true, false]) {
      const group = new TestGroup(3);
      const leader = group.elect(1);
      group.propose(1, "a");
      group.settle(({ to }) => to === node(3));
      leader.log.compact(2);
      leader.step({ kind: "unreachable", node: node(3) });
      group.tick(1);
      group.settle();
      expect(leader.core.progress[2]!.state).toBe("snapshot");
      leader.step({ kind: "snapshot-sent", node: node(3), ok });
      const { state, next } = leader.core.progress[2]!;
      expect([state, next]).toEqual(["probe", ok ? 3 : 2]);
    }
  });
});

describe("what a node checks of itself", () => {
  function stateAt(commit: number, applied: number): State {
    const log = new MemoryLog(1, 0, [{ index: 1, term: 1, payload: bytes("") }]);
    const options = { id: node(1), log, electionTicks: 10, heartbeatTicks: 1, jitter: () => 0 };
    const rest = { applied, hardState: { term: 3, vote: undefined, commit } };
    const settings = settingsOf({ ...options, ...rest, membership: membershipOf([1]) });
    const view = new LogView(log, commit, applied);
    return new State(settings, view, rest.hardState, membershipOf([1]));
  }
  const held = { term: 3, vote: undefined, commit: 0, applied: 0 };

  test("INV-RAFT-15: applied <= commit <= last", () => {
    checkInvariants(stateAt(1, 1), { ...held });
    expect(() => checkInvariants(stateAt(0, 1), { ...held })).toThrow("INV-RAFT-15");
    expect(() => checkInvariants(stateAt(2, 1), { ...held })).toThrow(AssertionError);
  });

  test("INV-RAFT-16: term, commit and applied never fall, and a vote in a term never changes", () => {
    const state = stateAt(1, 1);
    expect(() => checkInvariants(state, { ...held, term: 4 })).toThrow("INV-RAFT-16");
    expect(() => checkInvariants(state, { ...held, commit: 2 })).toThrow("INV-RAFT-16");
    expect(() => checkInvariants(state, { ...held, vote: node(2) })).toThrow("one vote");
    state.role = "leader";
    expect(() => checkInvariants(state, { ...held })).toThrow("voted for itself");
  });

  test("a log that does not reach its commit index is refused, unless its end may be lost", () => {
    const group = new TestGroup(0);
    const state = { term: 1, vote: undefined, commit: 5 };
    expect(() => group.add(1, membershipOf([1, 2]), new MemoryLog(), state)).toThrow(
      "reaches up to",
    );
  });
});
