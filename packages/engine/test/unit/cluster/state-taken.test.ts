/** A follower that has taken a state of the leader, and still has entries from before it to apply. */
import { type Entry, encodeConfigurationChange, type Message } from "@authledger/raft";
import { LedgerError, nodeId } from "@authledger/types";
import { expect, test } from "vitest";
import { NO_MEMBERSHIP } from "../../../src/cluster/group-configuration.js";
import { settle } from "../../engine-support.js";
import { GateDisk } from "../../gate-disk.js";
import { OTHER, OWN, Pair } from "../../group-pair.js";

const HEAD = { from: OTHER, to: OWN, term: 1 };

function appendOf(entry: Entry, commit: number): Message {
  const index = entry.index - 1;
  return { ...HEAD, type: "append", index, logTerm: index && 1, entries: [entry], commit };
}

// The story: a committed change of members waited to be applied when a newer state came, in which it was undone. The core counted by
// the members of that state; then the change was applied on top of them, and the core had a member that no other had.
test("applies none of them from then on: its core counts by the members of that state", async () => {
  const gate = new GateDisk();
  const pair = await Pair.open(gate);
  let giveRoom: () => void = () => undefined;
  pair.room = new Promise<void>((resolve) => {
    giveRoom = resolve;
  });
  const changes = [{ action: "add-learner", node: nodeId(9n) }] as const;
  const change = { transition: "auto", changes, context: new Uint8Array(0) } as const;
  pair.group.receive(
    appendOf({ index: 1, term: 1, payload: encodeConfigurationChange(change) }, 1),
  );
  await settle(8);
  gate.shut();
  pair.group.receive(appendOf({ index: 2, term: 1, payload: Uint8Array.of(1) }, 1));
  await settle(8);
  const membership = { ...NO_MEMBERSHIP, voters: [OWN, OTHER] };
  pair.group.receive({ ...HEAD, type: "snapshot", snapshot: { index: 9, term: 1, membership } });
  giveRoom();
  await settle(8);
  expect(pair.seen.filter((what) => what.startsWith("apply"))).toEqual([]);
  expect(pair.isInstalling).toBe(false);
  gate.release();
  await settle(8);
  expect(pair.isInstalling).toBe(true);
  expect(pair.group.progress.map(({ node }) => node)).toEqual([OWN, OTHER]);
});

// The story: what waited for an index was run by the next entry, or by the next answer of a leader, up to a second later.
test("runs the reads that waited for an index which the state has reached", async () => {
  const pair = await Pair.open();
  pair.installs = true;
  const late = (): LedgerError => new LedgerError("STALE_REPLICA", "too late");
  const read = pair.group.reads.atLeast(() => "read", 8, undefined, late);
  const membership = { ...NO_MEMBERSHIP, voters: [OWN, OTHER] };
  pair.group.receive({ ...HEAD, type: "snapshot", snapshot: { index: 9, term: 1, membership } });
  await settle(16);
  pair.time.advance(10_000);
  expect(await read).toBe("read");
});
