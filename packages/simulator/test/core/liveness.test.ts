/** When the end of a run calls a group failed, and when it gives one up. */

import type { Membership } from "@authledger/raft";
import * as module from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { isBeyondRepair, type Survivor } from "../../src/core/repair.js";
import { drawSettings } from "../../src/core/settings.js";
import { simulate } from "../../src/core/simulation.js";

const ids = (...numbers: number[]): NodeId[] => numbers.map((n) => BigInt(n) as NodeId);

function membership(voters: number[], outgoing: number[] = []): Membership {
  const [incoming, leaving] = [ids(...voters), ids(...outgoing)];
  return { voters: incoming, outgoing: leaving, learners: [], learnersNext: [], autoLeave: true };
}

const NOBODY = membership([]);

interface Given {
  readonly last?: number;
  readonly term?: number;
  readonly commit?: number;
  readonly isRecovering?: boolean;
  readonly isDown?: boolean;
}

/** All entries of a log are of its last term. */
function survivor(id: number, believed: Membership, given: Given = {}): Survivor {
  const { last: lastIndex = 10, term: lastTerm = 2, commit = 5, isRecovering = false } = given;
  const termOf = (index: number) => (index <= lastIndex ? lastTerm : undefined);
  const core = { isRecovering, commit, lastIndex, lastTerm, membership: believed, termOf };
  return { id: BigInt(id) as NodeId, core: given.isDown ? undefined : core };
}

const isLost = (
  survivors: readonly Survivor[],
  leader?: Survivor,
  latest: Membership = NOBODY,
): boolean => isBeyondRepair({ survivors, membershipAt: () => latest }, leader);

describe("the end of a run", () => {
  // Seed 1197740074: two of five voters had lost their disks, and a follower with one message of 20 bytes on its way
  // at a time had 760 entries to fetch before anything could be committed. It did, after more than 40 s.
  it("INV-SIM-8: waits for a group that comes nearer, however long its log", () => {
    const drawn = drawSettings(1_197_740_074);
    const settings = { ...drawn, isBeating: false, quorumTicks: drawn.electionTicks };
    const { violation, virtualMs } = simulate({ module, settings });
    expect(violation?.message).toBeUndefined();
    expect(virtualMs).toBeGreaterThan(60_000);
  });

  // Seed 600002722: five members had 570 to 640 entries to fetch, one every 70 ms, before the first of the leader's term
  // could be committed. They held more all along and applied nothing until 59 s, which was all that was looked at.
  it("INV-SIM-8: waits for a group whose members come nearer by what they hold, and may apply none of it yet", () => {
    const { violation, virtualMs } = simulate({ module, settings: drawSettings(600_002_722) });
    expect(violation?.message).toBeUndefined();
    expect(virtualMs).toBeGreaterThan(60_000);
    expect(virtualMs).toBeLessThan(75_000);
  });

  it("INV-SIM-8: calls a group failed that stands still", () => {
    class Deaf extends module.Core {
      override step(event: module.Event, actions: module.Action[]): void {
        const isAnswer = event.kind === "message" && event.message.type === "append-response";
        if (!isAnswer) super.step(event, actions);
      }
    }
    const settings = { ...drawSettings(7), voters: 3, learners: 0, machines: 3 };
    const { violation, virtualMs } = simulate({ module: { ...module, Core: Deaf }, settings });
    expect(violation?.rule).toBe("a healed group comes right: entries not committed");
    expect(virtualMs).toBeLessThan(75_000);
  });
});

describe("a group that cannot come right", () => {
  const three = membership([1, 2, 3]);

  it("INV-SIM-9: is one whose leader has no quorum of disks (dissertation 4.3)", () => {
    const [n1, n2] = [survivor(1, three), survivor(2, three)];
    expect(isLost([n1, n2], n1)).toBe(false);
    expect(isLost([n1], n1)).toBe(true);
    expect(isLost([n1, survivor(2, three, { isRecovering: true })], n1)).toBe(true);
    // Both halves must be able to decide.
    const joint = membership([1, 2, 3], [1, 4, 5]);
    const jointly = [survivor(1, joint), survivor(2, joint), survivor(4, joint)];
    expect(isLost(jointly, jointly[0])).toBe(false);
    expect(isLost(jointly.slice(0, 2), jointly[0])).toBe(true);
  });

  it("INV-SIM-9: is one in which nobody could be elected (Raft 5.4.1)", () => {
    const behind = survivor(1, three, { last: 9 });
    const doubtful = survivor(2, three, { isRecovering: true });
    const ahead = survivor(3, membership([3, 4, 5]));
    // The first would win the vote of the third, but for the longer log of that; the third knows voters who are gone.
    expect(isLost([behind, doubtful, ahead])).toBe(true);
    expect(isLost([survivor(1, three), doubtful, ahead])).toBe(false);
    expect(isLost([behind, survivor(2, three, { last: 8 }), ahead])).toBe(false);
    const newer = survivor(1, three, { last: 5, term: 3 });
    expect(isLost([newer, doubtful, ahead])).toBe(false);
  });

  it("INV-SIM-9: is none that misses a node which has its disk and does not run", () => {
    const stopped = survivor(2, three, { isDown: true });
    expect(isLost([survivor(1, three), stopped])).toBe(false);
    expect(isLost([survivor(1, membership([2, 3])), stopped])).toBe(true);
  });

  it("INV-SIM-9: is none where a refusal tells who asks that it needs no other vote (museum row S3)", () => {
    const [two, one] = [membership([1, 2]), membership([2])];
    // The first was removed, has entries behind the removal, and knows it; the second has the removal and waits.
    const removed = survivor(1, one, { last: 12, commit: 9 });
    expect(isLost([removed, survivor(2, two)], undefined, one)).toBe(false);
    // Without the entry it cannot use what it is told, and who is in doubt of its log does not listen.
    expect(isLost([removed, survivor(2, two, { last: 8 })], undefined, one)).toBe(true);
    expect(isLost([removed, survivor(2, two, { isRecovering: true })], undefined, one)).toBe(true);
  });
});
