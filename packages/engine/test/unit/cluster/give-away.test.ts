/** How often a leader gives the leadership away whose heads nobody cosigns. */
import { expect, test } from "vitest";
import { GiveAway } from "../../../src/cluster/give-away.js";

const HOUR_MS = 3_600_000;
const NODES = 3;

// Every node had signed a time an hour ahead: each new leader gave the leadership away at its first head, for the whole hour.
test("where all nodes have signed a time an hour ahead the leadership moves a few times, not all the time", () => {
  const nodes = Array.from({ length: NODES }, () => new GiveAway());
  let term = 1;
  for (let nowMs = 0; nowMs < HOUR_MS; nowMs += 100) {
    if (nodes[term % NODES]!.isDue(nowMs, term, HOUR_MS - nowMs)) term++;
  }
  expect(term).toBeGreaterThan(NODES);
  expect(term).toBeLessThanOrEqual(3 * NODES + 1);
});

test("a leadership that nobody has taken is offered again soon", () => {
  const node = new GiveAway();
  const due = [0, 100, 9_900, 10_000, 10_100, 20_000].map((at) => node.isDue(at, 7, HOUR_MS));
  expect(due).toEqual([true, false, false, true, false, true]);
});

test("a leadership that comes back is kept for a minute, then for longer; once the clock has caught up all begins anew", () => {
  const node = new GiveAway();
  const due = [
    node.isDue(0, 1, HOUR_MS),
    node.isDue(30_000, 3, HOUR_MS - 30_000),
    node.isDue(60_000, 3, HOUR_MS - 60_000),
    node.isDue(120_000, 5, HOUR_MS - 120_000),
    node.isDue(660_000, 5, HOUR_MS - 660_000),
    node.isDue(HOUR_MS, 7, 10_000),
    node.isDue(HOUR_MS + 1_000, 9, 9_000),
  ];
  expect(due).toEqual([true, false, true, false, true, true, false]);
});
