/** What becomes of those who wait for their entries when the leader loses its majority. */
import { expect, test } from "vitest";
import { COMMIT_WAIT_MS, TICK_MS } from "../../../src/cluster/cluster-limits.js";
import { Pair } from "../../group-pair.js";

// The story: of two voters one was in doubt of its log and refused its vote for ever; the other became a pre-candidate and a
// follower in turns, and at each turn those who waited began to wait anew. Nobody was told anything, nor did the node's end come.
test("INV-GROUP-5: a lost leader tells those who wait that it does not know, also where nobody can be elected", async () => {
  const pair = await Pair.open();
  await pair.elect();
  pair.refuses = true;
  pair.propose(10);
  const told = (): boolean => pair.seen.includes("COMMIT_UNKNOWN");
  for (let waitedMs = 0; waitedMs < 3 * COMMIT_WAIT_MS; waitedMs += TICK_MS) {
    const { role } = pair.group;
    pair.time.advance(TICK_MS);
    pair.group.tick();
    if (role === "leader") pair.sent.length = 0;
    else await pair.agree();
    if (told()) break;
  }
  expect(told()).toBe(true);
  expect(pair.seen.filter((what) => what === "pre-vote").length).toBeGreaterThan(1);
  expect(pair.group.pending).toBe(0);
});
