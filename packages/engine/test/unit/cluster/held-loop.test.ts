/**
 * What a node does whose loop was held, or is about to be, by a long apply, a collection or another process. The story: of
 * four voters one was down while a million tuples were written; another was held by the entries of one frame for half a
 * second, and the leader stepped down, since it heard from no majority.
 */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import type { Message } from "@authledger/raft";
import type { GroupState } from "@authledger/state";
import { groupId, nodeId } from "@authledger/types";
import { Wal } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { HEAVY_ENTRY_BYTES } from "../../../src/cluster/cluster-limits.js";
import { NO_MEMBERSHIP } from "../../../src/cluster/group-configuration.js";
import { RaftGroup } from "../../../src/cluster/raft-group.js";
import { TestCluster } from "../../cluster-support.js";
import { settle, TestTime } from "../../engine-support.js";

const GROUP = groupId(1);
const [OWN, OTHER] = [nodeId(7n), nodeId(8n)];
const SETTINGS = { electionTicks: 12, heartbeatTicks: 3, quorumTicks: 24 } as const;

/** One node of a group of two; the test is the other one. */
class Pair {
  readonly time = new TestTime();
  /** What happened, in order. */
  readonly seen: string[] = [];
  readonly sent: Message[] = [];
  /** How long each entry holds the loop. */
  applyMs = 0;
  group!: RaftGroup;

  static async open(): Promise<Pair> {
    const pair = new Pair();
    const { time } = pair;
    const random = new SeededRandom(1);
    const deps = { disk: new MemoryDisk(), clock: time, timers: time, random };
    const wal = await Wal.open({ directory: "/wal", voters: "many" }, deps);
    await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
    const voters = [OWN, OTHER];
    const ignored = (): undefined => undefined;
    pair.group = new RaftGroup(
      GROUP,
      OWN,
      { ...SETTINGS, readMode: "quorum", jitter: () => 0 },
      {
        wal,
        state: pair.#state() as unknown as GroupState,
        clock: time,
        timers: time,
        configuration: { membership: { ...NO_MEMBERSHIP, voters }, members: [] },
        send: (message) => {
          pair.sent.push(message);
          pair.seen.push(message.type);
        },
        room: ignored,
        onBlocks: ignored,
        onApplied: ignored,
        onRole: ignored,
        onConfiguration: ignored,
        onTransferFailed: ignored,
        snapshots: { send: ignored, install: () => Promise.reject(), installed: ignored },
        onFatal: (error) => {
          throw error;
        },
      },
    );
    await pair.group.open();
    return pair;
  }

  #state(): object {
    const state = {
      applied: { index: 0, term: 0, configIndex: 0 },
      apply: (index: number, term: number): object => {
        this.seen.push(`apply ${index}`);
        state.applied = { index, term, configIndex: 0 };
        this.time.skipTo(this.time.monotonicMs() + this.applyMs);
        return { outcomes: [], blocks: [] };
      },
    };
    return state;
  }

  /** Answers everything that was sent as a node does that agrees. */
  async agree(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      await settle(8);
      for (const message of this.sent.splice(0)) {
        quiet = 0;
        this.#answer(message);
      }
    }
  }

  #answer(message: Message): void {
    const head = { from: OTHER, to: OWN, term: message.term };
    if (message.type === "vote" || message.type === "pre-vote") {
      const type = `${message.type}-response` as const;
      this.group.receive({ ...head, type, reject: false, commit: 0, commitTerm: 0 });
    } else if (message.type === "append") {
      const index = message.entries.at(-1)?.index ?? message.index;
      const about = { reject: false, hint: 0, logTerm: 0, isRecovering: false };
      this.group.receive({ ...head, type: "append-response", index, ...about });
    }
  }

  async elect(): Promise<void> {
    for (let i = 0; i < SETTINGS.electionTicks; i++) this.group.tick();
    await this.agree();
    expect(this.group.isReady).toBe(true);
    this.seen.length = 0;
  }

  propose(bytes: number): void {
    this.group.propose(new Uint8Array(bytes).fill(1), {
      applied: () => undefined,
      failed: (error) => this.seen.push(error.code),
    });
  }
}

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
