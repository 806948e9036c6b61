import {
  type ConfigurationChange,
  decodeConfigurationChange,
  encodeConfigurationChange,
  isConfigurationChange,
} from "@authledger/raft";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { applySimple, enterJoint, leaveJoint } from "../../src/configuration-change.js";
import { changeOf, membershipOf, node, TestGroup } from "../support/group.js";

describe("changes of the configuration", () => {
  test("INV-RAFT-13: a step changes one voter at most, and leaves one at least (dissertation 4.1)", () => {
    const before = membershipOf([1, 2, 3]);
    const refused = (spec: string): string | undefined =>
      applySimple(before, changeOf(spec).changes).refused;
    expect(refused("v4 v5")).toBe("more than one voter changed without entering joint config");
    expect(refused("r1 r2 r3")).toBe("removed all voters");
    expect(refused("v4")).toBeUndefined();
    expect(refused("r3 l5 l6")).toBeUndefined();
    expect(applySimple(membershipOf([1]), changeOf("r1").changes).refused).toBe(
      "removed all voters",
    );
  });

  test("INV-RAFT-13: a joint configuration keeps the voters of before until it is left (dissertation 4.3, museum row 12)", () => {
    const joint = enterJoint(membershipOf([1, 2, 3]), changeOf("r1 r2 v4 l3").changes, true);
    expect(joint.membership).toEqual({
      voters: [node(4)],
      outgoing: [1, 2, 3].map(node),
      learners: [],
      learnersNext: [node(3)],
      autoLeave: true,
    });
    expect(leaveJoint(joint.membership!).membership).toEqual(membershipOf([4], [3]));
  });

  test("INV-RAFT-13: while joint both halves must agree to commit and to elect (dissertation 4.3, museum row 12)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    for (const id of [4, 5]) group.add(id, membershipOf([1, 2, 3]));
    const change = changeOf("v4 v5 r2 r3", "joint-explicit");
    leader.step({ kind: "propose-change", proposal: 1, change });
    group.settle();
    const before = leader.core.commit;
    group.propose(1, "a");
    // A majority of the new half alone, then of the old one alone.
    group.settle(({ to }) => to === node(2) || to === node(3));
    expect(leader.core.commit).toBe(before);
    group.tick(1);
    group.settle(({ to }) => to === node(3));
    expect(leader.core.commit).toBe(before + 1);
  });

  test("INV-RAFT-14: one change at a time (dissertation 4.1)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("l4") });
    leader.step({ kind: "propose-change", proposal: 2, change: changeOf("l5") });
    expect(leader.take("dropped")).toEqual([
      { kind: "dropped", proposal: 2, why: "change-pending" },
    ]);
  });

  /** Two leaders that add and remove at the same time: without this rule both could commit (Ongaro, raft-dev 2015). */
  test("INV-RAFT-14: a new leader changes nothing before it has applied all it had (dissertation 4.1, museum row 10)", () => {
    const group = new TestGroup(3, { checkQuorum: false });
    group.elect(2);
    group.propose(2, "a");
    group.settle();
    const leader = group.node(1);
    leader.step({ kind: "campaign" });
    group.settle(({ type }) => type === "append");
    expect(leader.core.role).toBe("leader");
    leader.isApplying = false;
    group.propose(1, "b");
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("l4") });
    expect(leader.take("proposed").map(({ proposal }) => proposal)).toEqual([1, 1]);
    leader.step({ kind: "propose-change", proposal: 2, change: changeOf("l5") });
    expect(leader.take("dropped")).toMatchObject([{ why: "change-pending" }]);
  });

  test("a joint configuration is left by itself once, by the leader that applied it or the next (museum row 26)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    group.add(4, membershipOf([1, 2, 3]));
    leader.step({
      kind: "propose-change",
      proposal: 1,
      change: changeOf("v4 r3", "joint-implicit"),
    });
    group.settle();
    for (let i = 0; i < 5; i++) {
      group.tick(1);
      group.propose(1, "a");
      group.settle();
    }
    expect(leader.core.membership).toEqual(membershipOf([1, 2, 4]));
    const changes = leader.log.all.filter(({ payload }) => isConfigurationChange(payload));
    expect(changes).toHaveLength(2);
  });

  test("what the present configuration does not allow is refused at once, with the reason", () => {
    const group = new TestGroup(1);
    const leader = group.elect(1);
    const why = (change: ConfigurationChange): string[] => {
      leader.step({ kind: "propose-change", proposal: 1, change });
      return leader.take("dropped").map((dropped) => dropped.why);
    };
    expect(why(changeOf("r1"))).toEqual(["invalid-change"]);
    expect(why(changeOf(""))).toEqual(["not-joint"]);
    expect(why(changeOf("v2 v3", "joint-explicit"))).toEqual([]);
    group.settle();
    group.add(2, membershipOf([1]));
    group.settle();
    expect(leader.core.membership.outgoing).toEqual([node(1)]);
  });

  test("a removed leader steps down once its removal is applied (dissertation 4.2.2)", () => {
    const group = new TestGroup(3);
    const leader = group.elect(1);
    leader.step({ kind: "propose-change", proposal: 1, change: changeOf("r1") });
    expect(leader.core.role).toBe("leader");
    group.settle();
    expect(leader.core.role).toBe("follower");
    leader.step({ kind: "propose", proposal: 2, payloads: [] });
    expect(leader.take("dropped")).toMatchObject([{ why: "no-leader" }]);
  });
});

describe("a change as bytes", () => {
  test("comes back as it was, and is told from other entries by its first byte", () => {
    for (const transition of ["auto", "joint-implicit", "joint-explicit"] as const) {
      const change = { ...changeOf("v1 l2 r3 u4", transition), context: new Uint8Array([1, 2, 3]) };
      const bytes = encodeConfigurationChange(change);
      expect(isConfigurationChange(bytes)).toBe(true);
      expect(decodeConfigurationChange(bytes)).toEqual(change);
    }
    expect(isConfigurationChange(new Uint8Array(0))).toBe(false);
    expect(isConfigurationChange(new Uint8Array([0, 0xcc]))).toBe(false);
  });

  test("anything else is refused with CODEC_DECODE, naming the field", () => {
    const bytes = encodeConfigurationChange({ ...changeOf("v1"), context: new Uint8Array(4) });
    for (let length = 0; length < bytes.length; length++) {
      const error = thrownBy(() => decodeConfigurationChange(bytes.subarray(0, length)));
      expect(error.code).toBe("CODEC_DECODE");
    }
    for (const [at, field] of [
      [0, "mark"],
      [1, "version"],
      [2, "transition"],
      [4, "action"],
    ] as const) {
      const changed = bytes.slice();
      changed[at] = 0x77;
      expect(thrownBy(() => decodeConfigurationChange(changed)).message).toContain(field);
    }
    const longer = new Uint8Array([...bytes, 0]);
    expect(thrownBy(() => decodeConfigurationChange(longer)).code).toBe("CODEC_DECODE");
  });
});
