/**
 * Crashes at every write and sync of random runs: the disk is forked there, loses what a power cut may take,
 * and is opened again. A flush that was reported done is there; one that was not is there whole or not at all.
 */
import {
  type CrashOptions,
  type DiskOperation,
  FaultyDisk,
  type MemoryDisk,
  type SeededRandom,
} from "@authledger/io";
import { fromHex, LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { compactStore } from "../../src/index.js";
import {
  applied,
  expectEqual,
  expectSound,
  Model,
  newDisk,
  openStore,
  PATH,
  randomChange,
} from "../store-support.js";

const PAGE = 512;
const CRASHES: readonly CrashOptions[] = [
  { unsynced: "lost" },
  { unsynced: "kept" },
  { unsynced: "random", pieceBytes: 512 },
  { unsynced: "random", pieceBytes: 512 },
  { unsynced: "random", pieceBytes: 4096 },
];

/** What a disk image must hold when it is opened. */
interface Snapshot {
  readonly disk: MemoryDisk;
  readonly what: string;
  /** States by applied index; the floor is the last flush that was reported done. */
  readonly states: readonly Model[];
  readonly floor: number;
}

/** Runs a store on `base` and forks it before each write and sync. `states[i]` is what flush i held. */
async function record(
  base: MemoryDisk,
  random: SeededRandom,
  states: Model[],
  flushes: number,
): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = [];
  let floor = states.length - 1;
  const look = (operation: DiskOperation): undefined => {
    if (operation.kind === "read" || operation.kind === "open") return;
    const what = `${operation.kind} ${operation.number} at ${operation.position}`;
    snapshots.push({ disk: base.fork(), what, states, floor });
  };
  const store = await openStore(new FaultyDisk(base, look), random, PAGE);
  const table = store.table(1, "a");
  const model = states.at(-1)!.copy();
  for (let i = 0; i < flushes; i++) {
    for (let n = random.int(60); n >= 0; n--) {
      randomChange(table, model, random, { space: 400, pageBytes: PAGE, deletes: 35 });
    }
    store.endBatch();
    states.push(model.copy());
    const index = states.length - 1;
    const flush = store.flush(applied(index));
    const beside = model.copy();
    for (let n = random.int(20); n > 0; n--) {
      randomChange(table, beside, random, { space: 400, pageBytes: PAGE, deletes: 35 });
    }
    model.entries.clear();
    for (const [key, value] of beside.entries) model.entries.set(key, value);
    await flush;
    floor = index;
  }
  await store.close();
  snapshots.push({ disk: base.fork(), what: "the end", states, floor });
  return snapshots;
}

/** The same of a compaction with writes beside it, after most of a table was deleted. */
async function recordCompaction(
  base: MemoryDisk,
  random: SeededRandom,
): Promise<{ readonly snapshots: Snapshot[]; readonly shrunk: number }> {
  const snapshots: Snapshot[] = [];
  const states = [new Model()];
  let floor = 0;
  const look = (operation: DiskOperation): undefined => {
    if (operation.kind === "read" || operation.kind === "open") return;
    const what = `${operation.kind} ${operation.number} at ${operation.position}`;
    snapshots.push({ disk: base.fork(), what, states, floor });
  };
  const faulty = new FaultyDisk(base, () => undefined);
  const store = await openStore(faulty, random, PAGE);
  const table = store.table(1, "a");
  const model = new Model();
  const change = (times: number, deletes: number): void => {
    for (let i = 0; i < times; i++) {
      randomChange(table, model, random, { space: 900, pageBytes: PAGE, deletes });
    }
  };
  const flush = async (): Promise<void> => {
    states.push(model.copy());
    const index = states.length - 1;
    await store.flush(applied(index));
    floor = index;
  };
  change(1_500, 5);
  await flush();
  for (const key of random.shuffle([...model.entries.keys()])) {
    if (!random.chance(0.9)) continue;
    table.delete(fromHex(key));
    model.entries.delete(key);
  }
  await flush();
  faulty.plan = look;
  const { before, after } = await compactStore(
    store,
    { fillThreshold: 0.4 },
    { flush, yield: async () => change(random.int(3), 50), isStopped: () => false },
  );
  await store.close();
  return { snapshots, shrunk: before.bytes - after.bytes };
}

/** Opens a crashed image and compares; returns the state it stands on. */
async function reopen(snapshot: Snapshot, disk: MemoryDisk, random: SeededRandom): Promise<number> {
  const store = await openStore(disk, random, PAGE);
  const { index } = store.applied;
  expect(index, snapshot.what).toBeGreaterThanOrEqual(snapshot.floor);
  expectEqual(store.table(1, "a"), snapshot.states[index]!);
  await store.close();
  await expectSound(disk);
  return index;
}

describe("crashes of the page store", () => {
  test("at every write and sync: what was flushed is there, nothing is half there", async () => {
    const random = testRandom("store crashes");
    for (let round = 0; round < testRounds(3); round++) {
      const base = await newDisk();
      const snapshots = await record(base, random, [new Model()], 6);
      for (const snapshot of snapshots) {
        for (const options of CRASHES) {
          await reopen(snapshot, snapshot.disk.crash(random, options), random);
        }
      }
    }
  }, 120_000);

  test("a crash in a compaction, at every write, cut and sync: both slots are whole and no row is lost", async () => {
    const random = testRandom("store crashes of compaction");
    for (let round = 0; round < testRounds(1); round++) {
      const base = await newDisk();
      const { snapshots, shrunk } = await recordCompaction(base, random);
      expect(shrunk).toBeGreaterThan(0);
      expect(snapshots.some(({ what }) => what.startsWith("truncate"))).toBe(true);
      for (const snapshot of snapshots) {
        for (const options of CRASHES) {
          const disk = snapshot.disk.crash(random, options);
          await reopen(snapshot, disk, random);
        }
      }
    }
  }, 120_000);

  test("a crash of a crash: the store goes on from any image and is crashed again", async () => {
    const random = testRandom("store crash of crash");
    for (let round = 0; round < testRounds(4); round++) {
      const base = await newDisk();
      let states = [new Model()];
      let disk = base;
      for (let life = 0; life < 4; life++) {
        const snapshots = await record(disk, random, states, 4);
        const snapshot = random.pick(snapshots);
        disk = snapshot.disk.crash(random, random.pick(CRASHES));
        const index = await reopen(snapshot, disk, random);
        states = snapshot.states.slice(0, index + 1);
      }
    }
  }, 120_000);
});

describe("a damaged file", () => {
  test("a bit flipped in every 256 bytes: reads are right, or an error names the page; never wrong data", async () => {
    const random = testRandom("store damage");
    const base = await newDisk();
    const states = [new Model()];
    await record(base, random, states, 5);
    const file = await base.open(PATH);
    const size = file.size();
    const outcomes = { same: 0, older: 0, error: 0 };
    for (let position = 0; position < size; position += 256) {
      const disk = base.fork();
      const damaged = await disk.open(PATH);
      const at = position + random.int(256);
      const byte = new Uint8Array(1);
      damaged.readSync(byte, at);
      await damaged.write([Uint8Array.of(byte[0]! ^ (1 << random.int(8)))], at);
      outcomes[await judge(disk, random, states)]++;
    }
    expect(outcomes.same).toBeGreaterThan(0);
    expect(outcomes.error + outcomes.older).toBeGreaterThan(0);
  }, 60_000);
});

async function judge(
  disk: MemoryDisk,
  random: SeededRandom,
  states: readonly Model[],
): Promise<"same" | "older" | "error"> {
  try {
    const store = await openStore(disk, random, PAGE);
    const { index } = store.applied;
    expectEqual(store.table(1, "a"), states[index]!);
    await store.close();
    return index === states.length - 1 ? "same" : "older";
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    expect(["STORE_PAGE_CORRUPT", "STORE_NO_VALID_SLOT"]).toContain(error.code);
    return "error";
  }
}

describe("a failing disk", () => {
  test("the n-th write or sync fails: a typed error, and what is on disk is a flushed state", async () => {
    const random = testRandom("store failing");
    for (let n = 0; n < 60; n++) {
      const base = await newDisk();
      const store = await openStore(base, random, PAGE);
      const model = new Model();
      const table = store.table(1, "a");
      for (let i = 0; i < 80; i++) {
        randomChange(table, model, random, { space: 300, pageBytes: PAGE, deletes: 20 });
      }
      await store.flush(applied(1));
      await store.close();
      const states = [new Model(), model];
      let count = 0;
      const faulty = new FaultyDisk(base, ({ kind }) =>
        (kind === "write" || kind === "sync") && count++ === n ? { kind: "fail" } : undefined,
      );
      await failingLife(faulty, random, model.copy(), states);
      const after = await openStore(base.crash(random, { unsynced: "random" }), random, PAGE);
      expectEqual(after.table(1, "a"), states[after.applied.index]!);
      await after.close();
    }
  }, 60_000);

  test("a full disk fails the flush and nothing else: with room again everything is flushed", async () => {
    const random = testRandom("store full");
    for (let round = 0; round < 20; round++) {
      const disk = await newDisk();
      const store = await openStore(disk, random, PAGE);
      const table = store.table(1, "a");
      const model = new Model();
      const change = (times: number): void => {
        for (let i = 0; i < times; i++) {
          randomChange(table, model, random, { space: 500, pageBytes: PAGE, deletes: 30 });
        }
        store.endBatch();
      };
      change(100);
      await store.flush(applied(1));
      change(200);
      disk.capacityBytes = store.stats().filePages * PAGE - random.int(20) * PAGE;
      const flush = store.flush(applied(2));
      change(random.int(50));
      const full = await flush.then(
        () => undefined,
        (error: unknown) => error,
      );
      if (full !== undefined) expect(full).toMatchObject({ code: "DISK_FULL" });
      change(random.int(50));
      expectEqual(table, model);
      disk.capacityBytes = Number.POSITIVE_INFINITY;
      await store.flush(applied(3));
      change(20);
      await store.flush(applied(4));
      await store.close();
      await expectSound(disk);
      const again = await openStore(disk, random, PAGE);
      expectEqual(again.table(1, "a"), model);
      await again.close();
    }
  }, 60_000);
});

async function failingLife(
  disk: FaultyDisk,
  random: SeededRandom,
  model: Model,
  states: Model[],
): Promise<void> {
  try {
    const store = await openStore(disk, random, PAGE);
    const table = store.table(1, "a");
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 40; k++) {
        randomChange(table, model, random, { space: 300, pageBytes: PAGE, deletes: 30 });
      }
      states.push(model.copy());
      await store.flush(applied(states.length - 1));
    }
    await store.close();
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    expect(["IO_WRITE_FAILED", "SYNC_FAILED", "STORE_CLOSED"]).toContain(error.code);
  }
}
