/** Who asked for the leadership to move is answered, whatever becomes of it (dissertation 3.10). */
import { nodeId } from "@authledger/types";
import { expect, it } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { LeaderMoves } from "../../../src/cluster/leader-moves.js";
import type { RaftGroup } from "../../../src/cluster/raft-group.js";

it("a target that nobody elects leaves the caller with TRANSFER_FAILED, not waiting for ever (dissertation 3.10)", async () => {
  // The node that hands over has stepped down by then: no leader, and nobody that tells it that the move failed. A node that
  // was stopped together with its peers hung so.
  const group = { leader: undefined, term: 7, transfer: () => undefined };
  const due: (() => void)[] = [];
  const timers = {
    after: (_: number, run: () => void) => {
      due.push(run);
      return () => undefined;
    },
  };
  const moves = new LeaderMoves(group as unknown as RaftGroup, timers as never);
  const [lost, won] = [moves.to(nodeId(2n)), moves.to(nodeId(3n))];
  Object.assign(group, { leader: nodeId(3n) });
  moves.onRole();
  expect(await won).toBe(7);
  for (const run of due) run();
  expect((await rejectedBy(lost)).code).toBe("TRANSFER_FAILED");
});
