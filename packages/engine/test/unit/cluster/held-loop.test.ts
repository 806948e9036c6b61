/**
 * What a node does whose loop was held, or is about to be, by a long apply, a collection or another process. The story: of
 * four voters one was down while a million tuples were written; another was held by the entries of one frame for half a
 * second, and the leader stepped down, since it heard from no majority.
 */
import { describe, expect, test } from "vitest";
import { HEAVY_ENTRY_BYTES } from "../../../src/cluster/cluster-limits.js";
import { TestCluster } from "../../cluster-support.js";
import { settle } from "../../engine-support.js";
import { OTHER, OWN, Pair } from "../../group-pair.js";

describe("a leader whose loop is held", () => {
  test("beats by the clock, though its turns count too few ticks (Raft 5.6)", async () => {
    const pair = await Pair.open();
    await pair.elect();
    for (let turn = 0; turn < 10; turn++) {
      pair.time.skipTo(pair.time.monotonicMs() + 120);
      pair.group.tick();
    }
    expect(pair.seen.filter((what) => what === "heartbeat").length).toBeGreaterThanOrEqual(10);
  });

  test("beats no more often than it must while it is not held", async () => {
    const pair = await Pair.open();
    await pair.elect();
    for (let turn = 0; turn < 30; turn++) {
      pair.time.skipTo(pair.time.monotonicMs() + 25);
      pair.group.tick();
    }
    expect(pair.seen.filter((what) => what === "heartbeat")).toHaveLength(10);
  });

  test("beats before it applies a large entry, and lets that leave", async () => {
    const pair = await Pair.open();
    await pair.elect();
    pair.applyMs = 60;
    for (let entry = 0; entry < 3; entry++) {
      pair.propose(HEAVY_ENTRY_BYTES);
      await pair.agree();
    }
    // The first one was not known to take so long; the loop is held for 60 ms by each.
    expect(pair.seen.filter((what) => what !== "append")).toEqual([
      ...["apply 2", "heartbeat", "apply 3", "heartbeat", "apply 4"],
    ]);
  });

  test("applies a small entry in the step that commits it", async () => {
    const pair = await Pair.open();
    await pair.elect();
    pair.propose(HEAVY_ENTRY_BYTES - 1);
    await settle(8);
    pair.seen.length = 0;
    const about = { reject: false, hint: 0, logTerm: 0, isRecovering: false };
    const head = { from: OTHER, to: OWN, term: pair.group.term };
    pair.group.receive({ ...head, type: "append-response", index: 2, ...about });
    expect(pair.seen).toContain("apply 2");
  });
});

test("messages of one turn that commit an entry each are applied in as many turns, where each takes long", async () => {
  const pair = await Pair.open();
  await pair.elect();
  pair.applyMs = 5;
  for (let entry = 0; entry < 3; entry++) pair.propose(100);
  await settle(8);
  pair.seen.length = 0;
  const about = { reject: false, hint: 0, logTerm: 0, isRecovering: false };
  const head = { from: OTHER, to: OWN, term: pair.group.term };
  for (const index of [2, 3, 4]) {
    pair.group.receive({ ...head, type: "append-response", index, ...about });
  }
  const applied = (): string[] => pair.seen.filter((what) => what.startsWith("apply"));
  expect(applied()).toEqual(["apply 2"]);
  await settle(8);
  expect(applied()).toEqual(["apply 2", "apply 3", "apply 4"]);
});

describe("a cluster whose nodes were held", () => {
  test("hears what came meanwhile before it counts time, and one tick of it (Raft 5.6)", async () => {
    const cluster = await TestCluster.of(3);
    const leader = await cluster.leader();
    const { term } = leader.engine.stats().group;
    for (let stall = 0; stall < 20; stall++) {
      // Longer than any election timeout; then a moment in which all run.
      cluster.time.skipTo(cluster.time.monotonicMs() + 700);
      await cluster.run(25);
    }
    expect(cluster.leaders()).toEqual([leader]);
    expect(leader.engine.stats().group.term).toBe(term);
    await cluster.close();
  });
});
