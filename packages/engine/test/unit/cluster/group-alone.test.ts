/** A group with one voter over a log that is synced when the test says so. */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import type { GroupState } from "@authledger/state";
import { assert, groupId, LedgerError, nodeId } from "@authledger/types";
import { Wal } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { decodeConfiguration, NO_MEMBERSHIP } from "../../../src/cluster/group-configuration.js";
import { RaftGroup } from "../../../src/cluster/raft-group.js";
import { settle, TestTime } from "../../engine-support.js";
import { GateDisk } from "../../gate-disk.js";

const GROUP = groupId(1);
const NODE = nodeId(7n);

/** Applies an entry by noting its first byte; 255 is a bug. */
class NotingState {
  applied: { index: number; term: number } = { index: 0, term: 0 };
  readonly seen: string[];
  configuration: Uint8Array | undefined;

  constructor(seen: string[]) {
    this.seen = seen;
  }

  apply(index: number, term: number, payload: Uint8Array): object {
    assert(index === this.applied.index + 1, "in order", { index });
    assert(payload[0] !== 255, "a broken invariant");
    this.applied = { index, term };
    this.seen.push(`apply ${index}`);
    return { outcomes: Array.from(payload, (name) => name), blocks: [] };
  }

  applyConfiguration(index: number, term: number, bytes: Uint8Array): void {
    this.applied = { index, term };
    this.configuration = bytes;
  }
}

interface Scene {
  readonly group: RaftGroup;
  readonly gate: GateDisk;
  readonly wal: Wal;
  readonly time: TestTime;
  /** What happened, in order. */
  readonly seen: string[];
  readonly fatal: LedgerError[];
  onApplied: () => void;
  /** What is applied waits for it. */
  room: () => Promise<void> | undefined;
  readonly state: NotingState;
  submit(name: number): void;
}

async function openGroup(
  gate = new GateDisk(new MemoryDisk()),
  segmentBytes = 256 * 1024,
): Promise<Scene> {
  const [seen, fatal, time] = [[] as string[], [] as LedgerError[], new TestTime()];
  const random = new SeededRandom(1);
  const deps = { disk: gate, clock: time, timers: time, random };
  const options = { directory: "/wal", voters: "one", segmentBytes } as const;
  const wal = await Wal.open(options, deps);
  if (wal.group(GROUP) === undefined) {
    await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
  }
  const state = new NotingState(seen);
  const ignored = (): undefined => undefined;
  const base = { wal, gate, seen, fatal, time, state, onApplied: ignored, room: ignored };
  const scene = base as unknown as Scene;
  const settings = {
    electionTicks: 12,
    heartbeatTicks: 3,
    quorumTicks: 24,
    readMode: "quorum",
  } as const;
  const group = new RaftGroup(
    GROUP,
    NODE,
    { ...settings, jitter: () => 0.5 },
    {
      wal,
      state: state as unknown as GroupState,
      clock: time,
      timers: time,
      configuration: { membership: { ...NO_MEMBERSHIP, voters: [NODE] }, members: [] },
      hasPeers: false,
      send: () => undefined,
      room: () => scene.room(),
      onBlocks: () => undefined,
      onApplied: () => scene.onApplied(),
      onRole: () => undefined,
      onConfiguration: () => undefined,
      onTransferFailed: () => undefined,
      snapshots: {
        send: () => undefined,
        install: () => Promise.reject(new Error("nobody sends a state to a group of one")),
        installed: () => undefined,
      },
      onFatal: (error) => fatal.push(error),
    },
  );
  await group.open();
  seen.length = 0;
  const submit = (name: number): void =>
    group.propose(Uint8Array.of(name), {
      applied: (_, index) => seen.push(`${name} done at ${index}`),
      failed: ({ code }) => seen.push(`${name} failed: ${code}`),
    });
  return Object.assign(scene, { group, submit });
}

/** Writes until the log has no room for another segment. */
async function fill(disk: MemoryDisk, { seen, submit }: Scene): Promise<void> {
  disk.capacityBytes = 0;
  for (let i = 0; i < 20; i++) {
    submit(1);
    await settle();
  }
  expect(seen).toContain("1 failed: DISK_FULL");
}

describe("a group of one voter", () => {
  test("begins a term of its own with an empty entry, at each start (Raft 8)", async () => {
    const first = await openGroup();
    expect([first.group.term, first.group.lastIndex]).toEqual([1, 1]);
    await first.wal.close();
    const second = await openGroup(first.gate);
    expect([second.group.term, second.group.lastIndex]).toEqual([2, 2]);
  });

  test("INV-GROUP-1: applies what is synced, in order, and answers after that", async () => {
    const { gate, seen, submit } = await openGroup();
    gate.shut();
    submit(1);
    while (gate.held === 0) await settle(1);
    submit(2);
    await settle();
    expect(seen).toEqual([]);
    gate.pass();
    while (gate.held === 0) await settle(1);
    expect(seen).toEqual(["apply 2", "1 done at 2"]);
    gate.release();
    await settle(20);
    expect(seen.slice(2)).toEqual(["apply 3", "2 done at 3"]);
  });

  /**
   * The story: the group before this one had an applier of its own that was over in all but name when an entry was
   * committed at a certain step of the microtask queue; nobody woke another one, and a client waited for ever.
   */
  test("overlooks no entry, at whichever step it is committed", async () => {
    for (let steps = 0; steps < 20; steps++) {
      const { gate, seen, submit } = await openGroup();
      gate.shut();
      for (let name = 1; name <= 3; name++) {
        submit(name);
        for (let i = 0; i < steps; i++) await Promise.resolve();
        gate.pass();
      }
      gate.release();
      await settle(20);
      expect(seen.filter((what) => what.includes("done"))).toHaveLength(3);
    }
  });

  test("after a full disk begins anew from what is durable, and takes entries again", async () => {
    const disk = new MemoryDisk();
    const scene = await openGroup(new GateDisk(disk), 16 * 1024);
    const { group, seen, submit, time, fatal } = scene;
    await settle(20);
    await fill(disk, scene);
    expect(group.hasLocalReads).toBe(true);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    time.advance(1_001);
    await settle(20);
    expect([group.role, group.term]).toEqual(["leader", 2]);
    seen.length = 0;
    submit(9);
    await settle(20);
    expect(seen.at(-1)).toContain("9 done");
    expect(fatal).toEqual([]);
  });

  // The story: a learner was committed and waited for room in the page store; the log became full; then the change was applied,
  // while the core took nothing. The state kept the membership of before, and so did the core that followed.
  test("keeps a change of its members that is applied while the log has no room", async () => {
    const disk = new MemoryDisk();
    const scene = await openGroup(new GateDisk(disk), 16 * 1024);
    const { group, state, seen, submit, time, fatal } = scene;
    let goOn: () => void = () => undefined;
    const room = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    scene.room = () => room;
    const learner = nodeId(8n);
    const changes = [{ action: "add-learner", node: learner }] as const;
    const owner = { applied: () => seen.push("in force"), failed: () => undefined };
    group.proposeChange({ transition: "auto", changes, context: new Uint8Array(0) }, owner);
    await settle(20);
    await fill(disk, scene);
    expect(seen).not.toContain("in force");
    goOn();
    await settle(20);
    expect(group.configuration.membership.learners).toEqual([learner]);
    expect(decodeConfiguration(state.configuration!).membership.learners).toEqual([learner]);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    time.advance(1_001);
    await settle(20);
    submit(9);
    await settle(20);
    expect(group.progress.map(({ node }) => node)).toContain(learner);
    expect(fatal).toEqual([]);
  });

  test("says that its state was not replaced while its log has no room, or does not fit", async () => {
    const disk = new MemoryDisk();
    const scene = await openGroup(new GateDisk(disk), 16 * 1024);
    const { group, time, fatal, seen, submit } = scene;
    const replace = async (): Promise<void> => void seen.push("replaced");
    await fill(disk, scene);
    expect(await group.restate(() => true, replace)).toBe(false);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    time.advance(1_001);
    await settle(20);
    expect(await group.restate(() => false, replace)).toBe(false);
    expect(seen).not.toContain("replaced");
    await settle(20);
    submit(9);
    await settle(20);
    expect(seen.at(-1)).toContain("9 done");
    expect(await group.restate(() => true, replace)).toBe(true);
    expect(seen.at(-1)).toBe("replaced");
    expect(fatal).toEqual([]);
  });
});

describe("INV-GROUP-3: after an entry could not be applied", () => {
  test("everybody who waits is told, and nothing is applied any more", async () => {
    const { gate, seen, submit, fatal, group } = await openGroup();
    gate.shut();
    for (const name of [1, 255, 3]) submit(name);
    gate.release();
    await settle(20);
    expect(seen.slice(0, 2)).toEqual(["apply 2", "1 done at 2"]);
    expect(seen.slice(2)).toEqual(["255 failed: NODE_STOPPED", "3 failed: NODE_STOPPED"]);
    expect(fatal.map(({ code }) => code)).toEqual(["INTERNAL"]);
    submit(4);
    await settle();
    expect(seen.at(-1)).toBe("4 failed: NODE_STOPPED");
    await group.idle();
    expect(fatal).toHaveLength(1);
  });

  test("also when what runs after an entry fails", async () => {
    const scene = await openGroup();
    const error = new LedgerError("STORE_INTERNAL", "no flush");
    scene.onApplied = () => {
      throw error;
    };
    scene.submit(1);
    await settle(20);
    expect(scene.fatal).toEqual([error]);
    scene.submit(2);
    expect(scene.seen.at(-1)).toBe("2 failed: NODE_STOPPED");
  });
});
