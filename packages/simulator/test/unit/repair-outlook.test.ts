/** When a run of whole nodes may end without a leader. */
import type { ClusterStatus } from "@authledger/engine";
import { nodeId } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { isBeyondRepair } from "../../src/cluster/repair-outlook.js";

function statusOf(
  number: number,
  voters: readonly number[],
  about: Partial<ClusterStatus> = {},
): ClusterStatus {
  const members = voters.map((voter) => ({
    role: "voter",
    info: { nodeId: nodeId(BigInt(voter)) },
  }));
  const status = { nodeId: nodeId(BigInt(number)), role: "follower", isRecovering: false, members };
  return { ...status, ...about } as unknown as ClusterStatus;
}

const doubt = { isRecovering: true };

describe("INV-SIM-9: a group of whole nodes is given up", () => {
  // Three voters, one of them with a disk that was replaced; the power of one of the other two went in the middle of a write.
  it("where those that are sure of their logs are no majority", () => {
    const waiting = statusOf(3, [], { role: "waiting" });
    expect(isBeyondRepair([statusOf(1, [1, 2]), statusOf(2, [1, 2], doubt), waiting])).toBe(true);
    const all = [statusOf(1, [1, 2, 3]), statusOf(2, [1, 2, 3], doubt)];
    expect(isBeyondRepair([...all, statusOf(3, [1, 2, 3], doubt)])).toBe(true);
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
