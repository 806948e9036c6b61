/** What a node holds for others and for its clients in memory, whoever is slow and however much is asked of it. */
import type { Entry } from "@authledger/raft";
import { type NodeId, nodeId } from "@authledger/types";
import type { GroupLog } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { READS_WAITING_MAX, RECENT_BYTES_MAX } from "../../../src/cluster/cluster-limits.js";
import { CoreLog } from "../../../src/cluster/core-log.js";
import { unknownCommit } from "../../../src/cluster/pending-entries.js";
import { ReadGate } from "../../../src/cluster/read-gate.js";
import type { BuiltSnapshot } from "../../../src/cluster/snapshot-builder.js";
import {
  SNAPSHOT_WINDOW_CHUNKS,
  SNAPSHOTS_OUTGOING_MAX,
} from "../../../src/cluster/snapshot-limits.js";
import { SnapshotSender } from "../../../src/cluster/snapshot-sender.js";
import { settle, TestTime } from "../../engine-support.js";

describe("payloads that wait to be applied", () => {
  test("are kept in memory up to a bound; what is beyond is read from the log again", () => {
    const MIB = 1024 * 1024;
    const payload = new Uint8Array(MIB);
    const entry = (index: number): Entry => ({ index, term: 1, payload });
    const read: number[] = [];
    const entries = (from: number): Entry[] => {
      read.push(from);
      return [entry(from)];
    };
    const log = new CoreLog({ entries } as unknown as GroupLog);
    const kept = RECENT_BYTES_MAX / MIB;
    const all = Array.from({ length: kept + 4 }, (_, i) => entry(i + 1));
    log.note(all);
    for (const { index } of all) expect(log.take(index).index).toBe(index);
    expect(read).toEqual([kept + 1, kept + 2, kept + 3, kept + 4]);
    // What was taken, truncated or written anew makes room.
    log.note(all);
    log.truncate(1);
    log.note(all.slice(0, kept));
    log.note(all.slice(0, kept));
    read.length = 0;
    for (let index = 1; index <= kept; index++) log.take(index);
    expect(read).toEqual([]);
  });
});

describe("reads that wait for the leader", () => {
  test("are refused with OVERLOADED beyond a bound, and taken again when the others are over", async () => {
    const time = new TestTime();
    const gate = new ReadGate({
      ...{ clock: time, timers: time, appliedIndex: () => 0, ask: () => undefined },
      noLeader: unknownCommit,
    });
    const waiting = Array.from({ length: READS_WAITING_MAX }, () =>
      gate.linearizable(() => 1, 10).catch((error: unknown) => error),
    );
    const refused = await rejectedBy(gate.linearizable(() => 1, undefined));
    expect(refused.code).toBe("OVERLOADED");
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    time.advance(100);
    await Promise.all(waiting);
    expect(gate.size).toBe(0);
    gate.linearizable(() => 1, undefined).catch(() => undefined);
    expect(gate.size).toBe(1);
  });
});

describe("states that are sent", () => {
  test(`are ${SNAPSHOTS_OUTGOING_MAX} at a time, each ${SNAPSHOT_WINDOW_CHUNKS} parts ahead of its answers (Raft 7)`, async () => {
    const time = new TestTime();
    const chunkBytes = 1_000;
    const built = {
      ...{ uuid: new Uint8Array(16), index: 9, term: 1, total: 100 * chunkBytes, chunkBytes },
      chains: Array.from({ length: 101 }, () => new Uint8Array(32)),
      chunk: () => new Uint8Array(chunkBytes),
    } as unknown as BuiltSnapshot;
    const sent = new Map<number, number>();
    const sender = new SnapshotSender({
      ...{ clock: time, timers: time, acquire: async () => built },
      release: () => undefined,
      send: (to, { data }) => {
        if (data.length > 0) sent.set(Number(to), (sent.get(Number(to)) ?? 0) + 1);
        return true;
      },
      onEnded: () => undefined,
    });
    for (const to of [1, 2, 3, 4]) {
      sender.begin({ to: nodeId(BigInt(to)), index: 9, purpose: "catch-up", term: 1 });
    }
    await settle(8);
    const wants = { uuid: built.uuid, index: 9, status: "wants", reason: "" } as const;
    for (const to of [1, 2, 3, 4]) sender.onAck(nodeId(BigInt(to)), { ...wants, offset: 0 });
    const [first, second] = [...sent.keys()];
    expect([first, second]).toEqual([1, 2]);
    expect([...sent.values()]).toEqual([SNAPSHOT_WINDOW_CHUNKS, SNAPSHOT_WINDOW_CHUNKS]);
    expect(sender.stats).toMatchObject({ active: SNAPSHOTS_OUTGOING_MAX, waiting: 2 });
    // An answer that says nothing new makes no room.
    sender.onAck(nodeId(1n), { ...wants, offset: 0 });
    expect(sent.get(1)).toBe(SNAPSHOT_WINDOW_CHUNKS);
    sender.onAck(nodeId(1n), { ...wants, offset: 3 * chunkBytes });
    expect(sent.get(1)).toBe(SNAPSHOT_WINDOW_CHUNKS + 3);
    sender.stopAll();
  });

  /**
   * The story: a wrong replica was also far behind, and while the leader gave it a state to catch up with it asked the leader
   * for one to rebuild itself. That ended the first one without a word, the core waited for its end, and the replica got no
   * entry until another node led.
   */
  test("to a replica that is to catch up go on when it asks for one to rebuild itself", async () => {
    const time = new TestTime();
    const built = { uuid: new Uint8Array(16), index: 9, term: 1, total: 10, chunkBytes: 10 };
    const ended: string[] = [];
    const sender = new SnapshotSender({
      ...{ clock: time, timers: time, send: () => true, release: () => undefined },
      acquire: async () => ({ ...built, chains: [], chunk: () => new Uint8Array(10) }),
      onEnded: (to, ok, _, purpose) => void ended.push(`${to} ${ok} ${purpose}`),
    });
    const installed = { uuid: built.uuid, index: 9, status: "installed", reason: "" } as const;
    const request = (to: number): { to: NodeId; index: number; term: number } => {
      return { to: nodeId(BigInt(to)), index: 9, term: 1 };
    };
    for (const to of [1, 2, 3]) sender.begin({ ...request(to), purpose: "catch-up" });
    for (const to of [1, 2, 3]) sender.begin({ ...request(to), purpose: "rebuild" });
    for (const to of [1, 2, 3]) {
      await settle(8);
      sender.onAck(nodeId(BigInt(to)), { ...installed, offset: 10 });
    }
    expect(ended).toEqual(["1 true catch-up", "2 true catch-up", "3 true catch-up"]);
    // The other way round the core must hear of it: it knows nothing of a rebuild.
    sender.begin({ ...request(1), purpose: "rebuild" });
    sender.begin({ ...request(1), purpose: "catch-up" });
    await settle(8);
    sender.onAck(nodeId(1n), { ...installed, offset: 10 });
    expect(ended.at(-1)).toBe("1 true catch-up");
    sender.stopAll();
  });
});
