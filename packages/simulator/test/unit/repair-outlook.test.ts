/** When a run of whole nodes may end without a leader. */
import type { ClusterStatus } from "@authledger/engine";
import { nodeId } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { isBeyondRepair as judge } from "../../src/cluster/repair-outlook.js";

function statusOf(
  number: number,
  voters: readonly number[],
  about: Partial<ClusterStatus> = {},
): ClusterStatus {
  const members = voters.map((voter) => ({
    role: "voter",
    info: { nodeId: nodeId(BigInt(voter)), name: `n${voter}` },
  }));
  const status = { nodeId: nodeId(BigInt(number)), role: "follower", isRecovering: false, members };
  const log = { commitIndex: 9, lastIndex: 9 };
  return { ...status, ...log, ...about } as unknown as ClusterStatus;
}

/** By default all disks are there. */
const isBeyondRepair = (statuses: readonly ClusterStatus[], present = ["n1", "n2", "n3"]) =>
  judge(statuses, new Set(present));

const doubt = { isRecovering: true };

describe("INV-SIM-9: a group of whole nodes is given up", () => {
  // Three voters, one of them with a disk that was replaced; the power of one of the other two went in the middle of a write.
  it("where those that are sure of their logs are no majority", () => {
    const waiting = statusOf(3, [], { role: "waiting" });
    expect(isBeyondRepair([statusOf(1, [1, 2]), statusOf(2, [1, 2], doubt), waiting])).toBe(true);
    const all = [statusOf(1, [1, 2, 3]), statusOf(2, [1, 2, 3], doubt)];
    expect(isBeyondRepair([...all, statusOf(3, [1, 2, 3], doubt)])).toBe(true);
  });

  // Seed 700000281: a write of n1 had gone astray and its disk was taken out; meanwhile n2 lost power in the middle of a batch.
  it("where too few are sure because one is in doubt and the disk of another is gone", () => {
    const left = [statusOf(1, [1, 2, 3]), statusOf(2, [1, 2, 3], doubt)];
    expect(isBeyondRepair(left, ["n1", "n2"])).toBe(true);
    // Its machine has the disk, so the node should run.
    expect(isBeyondRepair(left)).toBe(false);
    // A majority is left without the disk.
    const sure = [statusOf(1, [1, 2, 3]), statusOf(2, [1, 2, 3])];
    expect(isBeyondRepair(sure, ["n1", "n2"])).toBe(false);
  });

  // Seed 900021555: n1 made n2 a voter, that lost power before it heard of it, in the middle of a write. Then n1 crashed.
  it("where only one that does not know of its vote takes the others for a majority", () => {
    expect(isBeyondRepair([statusOf(1, [1, 2]), statusOf(2, [1], doubt)])).toBe(true);
    expect(isBeyondRepair([statusOf(1, [1, 2]), statusOf(2, [1])])).toBe(false);
  });

  // Seed 900051685: node 1 had been removed while it was away, and its view of old, in which two were sure, was held against the group.
  it("where only one whose log lacks what the others know to be committed has a majority in its view", () => {
    const removed = statusOf(1, [1, 2, 3], { lastIndex: 5, commitIndex: 5 });
    const others = [2, 3, 4].map((n) => statusOf(n, [2, 3, 4], n === 2 ? {} : doubt));
    const present = ["n1", "n2", "n3", "n4"];
    expect(isBeyondRepair([removed, ...others], present)).toBe(true);
    expect(isBeyondRepair([{ ...removed, lastIndex: 9 }, ...others], present)).toBe(false);
  });

  it("neither while they are one, nor where one leads, nor where a voter does not run", () => {
    const [a, b, c] = [statusOf(1, [1, 2, 3]), statusOf(2, [1, 2, 3]), statusOf(3, [1, 2, 3])];
    expect(isBeyondRepair([a, b, c])).toBe(false);
    expect(isBeyondRepair([a, b, { ...c, ...doubt }])).toBe(false);
    expect(
      isBeyondRepair([
        { ...a, role: "leader" },
        { ...b, ...doubt },
        { ...c, ...doubt },
      ]),
    ).toBe(false);
    expect(isBeyondRepair([a, { ...b, ...doubt }])).toBe(false);
    expect(isBeyondRepair([])).toBe(false);
  });
});
