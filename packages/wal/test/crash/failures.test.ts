/** Writes and syncs that fail or never end, and full disks. */
import { type Disk, type DiskFile, FaultyDisk, MemoryDisk, SeededRandom } from "@authledger/io";
import { groupId, LedgerError } from "@authledger/types";
import type { WalRecord } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { testSeed } from "../../../../test/support.js";
import { expectLog, LogModel } from "../log-model.js";
import {
  DIRECTORY,
  errorOf,
  ManualClock,
  openWal,
  settle,
  testDeps,
  unitsIn,
} from "../wal-support.js";
import { Workload } from "../workload.js";

const SIZES = { groupsMax: 3, payloadMax: 200, rarePayloadMax: 3000, unitBytesMax: 3000 };
const seed = testSeed("wal failures");
const CODES = { write: "IO_WRITE_FAILED", sync: "SYNC_FAILED" } as const;

interface Outcome {
  readonly disk: MemoryDisk;
  readonly history: LogModel[];
  readonly acked: number;
  readonly error: LedgerError | undefined;
  readonly fatal: LedgerError[];
  readonly changesAfterDeath: number;
}

/** Twenty appends on a disk whose `n`-th write or sync fails. */
async function runWithFailure(kind: "write" | "sync", n: number): Promise<Outcome> {
  const disk = new MemoryDisk();
  const fatal: LedgerError[] = [];
  let count = 0;
  let changesAfterDeath = 0;
  const faulty = new FaultyDisk(disk, (operation) => {
    const isLog = operation.path.endsWith(".seg");
    if (isLog && fatal.length > 0 && CODES[operation.kind as "write"]) changesAfterDeath++;
    if (operation.kind !== kind || ++count !== n) return undefined;
    return { kind: "fail", writtenBytes: 700 };
  });
  const random = new SeededRandom(seed + n);
  const workload = new Workload(random, SIZES);
  const model = new LogModel();
  const history = [model.clone()];
  let acked = 0;
  let error: LedgerError | undefined;
  try {
    const wal = await openWal(
      faulty,
      { segmentBytes: 16 * 1024 },
      testDeps(faulty, n, (e) => fatal.push(e)),
    );
    for (let i = 0; i < 20; i++) {
      const unit = workload.unit(model);
      model.apply(unit);
      history.push(model.clone());
      await wal.append(unit);
      acked = model.units;
    }
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(LedgerError);
    error = thrown as LedgerError;
  }
  await settle();
  return { disk, history, acked, error, fatal, changesAfterDeath };
}

describe.each(["write", "sync"] as const)("a failed %s kills the log", (kind) => {
  test("whichever it is, nothing is written afterwards and what was acknowledged is there (INV-WAL-5)", async () => {
    let failures = 0;
    for (let n = 1; n < 90; n++) {
      const { disk, history, acked, error, fatal, changesAfterDeath } = await runWithFailure(
        kind,
        n,
      );
      if (error === undefined && fatal.length === 0) break;
      failures++;
      expect((error ?? fatal[0])!.code).toBe(CODES[kind]);
      expect(fatal.length).toBeLessThanOrEqual(1);
      expect(changesAfterDeath).toBe(0);
      const random = new SeededRandom(seed + n);
      for (const unsynced of ["lost", "kept", "random"] as const) {
        const wal = await openWal(disk.crash(random, { unsynced }));
        const units = unitsIn(wal);
        expect(units).toBeGreaterThanOrEqual(acked);
        expect(units).toBeLessThan(history.length);
        expectLog(wal, history[units]!);
      }
    }
    expect(failures).toBeGreaterThan(20);
  });
});

const GROUP = groupId(7);

function entries(from: number, count: number, bytes: number): WalRecord[] {
  return Array.from({ length: count }, (_, i) => {
    return {
      kind: "entry",
      group: GROUP,
      index: from + i,
      term: 1,
      payload: new Uint8Array(bytes).fill(from + i),
    };
  });
}

describe("a dead log", () => {
  test("fails all that waits and all that comes with the first error", async () => {
    const fatal: LedgerError[] = [];
    const disk = new FaultyDisk(new MemoryDisk(), () => undefined);
    const wal = await openWal(
      disk,
      {},
      testDeps(disk, 1, (error) => fatal.push(error)),
    );
    await wal.append([{ kind: "group", group: GROUP, action: "create" }, ...entries(1, 1, 100)]);
    disk.plan = ({ kind }) => (kind === "sync" ? { kind: "fail" } : undefined);
    const pending = [wal.append(entries(2, 1, 100)), wal.append(entries(3, 1, 100))];
    await Promise.resolve();
    pending.push(wal.append(entries(4, 1, 100)));
    const errors = await Promise.all(pending.map(errorOf));
    disk.plan = () => undefined;
    errors.push(await errorOf(wal.append(entries(5, 1, 100))));
    expect(fatal).toHaveLength(1);
    for (const error of errors) expect(error).toBe(fatal[0]);
    expect(wal.failed).toBe(fatal[0]);
    expect(wal.group(GROUP)!.durableIndex).toBe(1);
    expect(wal.group(GROUP)!.entry(1)!.payload).toHaveLength(100);
    await wal.close();
  });

  test("a read of the own log that fails is fatal as well", async () => {
    const below = new MemoryDisk();
    const first = await openWal(below);
    await first.append([{ kind: "group", group: GROUP, action: "create" }, ...entries(1, 1, 100)]);
    await first.close();
    const disk = new FaultyDisk(below, () => undefined);
    const wal = await openWal(disk);
    disk.plan = ({ kind }) => (kind === "read" ? { kind: "fail" } : undefined);
    expect(() => wal.group(GROUP)!.entry(1)).toThrow(/EIO/);
    expect(wal.failed?.code).toBe("IO_READ_FAILED");
  });
});

/** A disk whose syncs wait while `held`. */
class HeldDisk implements Disk {
  held = false;
  release: () => void = () => undefined;
  readonly #below = new MemoryDisk();

  async open(...args: Parameters<Disk["open"]>): Promise<DiskFile> {
    const file = await this.#below.open(...args);
    return {
      path: file.path,
      size: () => file.size(),
      readSync: (into, position) => file.readSync(into, position),
      write: (parts, position) => file.write(parts, position),
      truncate: (length) => file.truncate(length),
      close: () => file.close(),
      datasync: async () => {
        if (this.held) await new Promise<void>((resolve) => (this.release = resolve));
        await file.datasync();
      },
    };
  }
  exists = (path: string): Promise<boolean> => this.#below.exists(path);
  list = (path: string): Promise<string[]> => this.#below.list(path);
  makeDirectory = (path: string): Promise<void> => this.#below.makeDirectory(path);
  rename = (from: string, to: string): Promise<void> => this.#below.rename(from, to);
  remove = (path: string): Promise<void> => this.#below.remove(path);
  syncDirectory = (path: string): Promise<void> => this.#below.syncDirectory(path);
}

describe("a sync that does not end", () => {
  test("shows in the statistics, holds appends and no reads, and everything goes on afterwards", async () => {
    const disk = new HeldDisk();
    const deps = { ...testDeps(disk), clock: new ManualClock() };
    const wal = await openWal(disk, {}, deps);
    await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
    await settle(30);
    disk.held = true;
    let done = 0;
    const first = wal.append(entries(1, 1, 10)).then(() => done++);
    await settle();
    const second = wal.append(entries(2, 1, 10)).then(() => done++);
    deps.clock.ms += 12_000;
    await settle();
    expect(wal.stats().syncs.runningMs).toBe(12_000);
    expect(done).toBe(0);
    expect(wal.group(GROUP)).toMatchObject({ lastIndex: 2, durableIndex: 0 });
    expect(wal.group(GROUP)!.entry(1)!.payload[0]).toBe(1);
    expect(wal.group(GROUP)!.entry(2)!.payload[0]).toBe(2);
    disk.held = false;
    disk.release();
    await Promise.all([first, second]);
    expect(wal.stats().syncs).toMatchObject({ runningMs: undefined, maxMs: 12_000 });
    expect(wal.group(GROUP)!.durableIndex).toBe(2);
  });
});

async function usedBytes(disk: MemoryDisk): Promise<number> {
  let sum = 0;
  for (const name of await disk.list(DIRECTORY)) {
    sum += (await disk.open(`${DIRECTORY}/${name}`)).size();
  }
  return sum;
}

describe("a full disk", () => {
  test("refuses appends before anything is written (INV-QUEUE-2); reads, release and later appends work", async () => {
    const disk = new MemoryDisk();
    const deps = testDeps(disk);
    const wal = await openWal(disk, { segmentBytes: 32 * 1024 }, deps);
    await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
    await settle(30);
    disk.capacityBytes = await usedBytes(disk);
    let last = 0;
    const refused = await errorOf(
      (async () => {
        for (;;) {
          await wal.append(entries(last + 1, 1, 3000));
          last++;
        }
      })(),
    );
    expect(refused.code).toBe("DISK_FULL");
    // What was prepared before the disk was full was used to its end: two segments of six batches.
    expect(last).toBeGreaterThan(8);
    expect(wal.failed).toBeUndefined();
    expect(wal.group(GROUP)).toMatchObject({ lastIndex: last, durableIndex: last });
    expect((await errorOf(wal.append(entries(last + 1, 2, 3000)))).code).toBe("DISK_FULL");
    for (let i = 1; i <= last; i++) expect(wal.group(GROUP)!.entry(i)!.payload[0]).toBe(i);
    wal.release(GROUP, last);
    await settle(50);
    await wal.append(entries(last + 1, 1, 3000));
    expect(wal.stats().segmentsReused).toBeGreaterThan(0);
    // An open writes a segment of its own and needs room for it.
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    const again = await openWal(disk.crash(new SeededRandom(1)));
    expect(again.group(GROUP)).toMatchObject({ firstIndex: last + 1, lastIndex: last + 1 });
  });

  // A commit index that an append told too was taken back with it, after its owner had applied the entries.
  test("does not unsay what the owner knows to be committed", async () => {
    const disk = new MemoryDisk();
    const wal = await openWal(disk, { segmentBytes: 16 * 1024 }, testDeps(disk));
    await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
    await wal.append(entries(1, 2, 100));
    await settle(30);
    disk.capacityBytes = await usedBytes(disk);
    let last = 2;
    for (;;) {
      const told = { kind: "commit-hint", group: GROUP, index: last } as const;
      const appended = wal.append([...entries(last + 1, 1, 3000), told]);
      wal.hintCommit(GROUP, last);
      const [ended] = await Promise.allSettled([appended]);
      if (ended.status === "rejected") break;
      last++;
    }
    expect(wal.group(GROUP)).toMatchObject({ lastIndex: last, commitHint: last });
  });

  test("works again when there is room, without a release", async () => {
    const disk = new MemoryDisk();
    const deps = testDeps(disk);
    const wal = await openWal(disk, { segmentBytes: 16 * 1024 }, deps);
    await wal.append([{ kind: "group", group: GROUP, action: "create" }]);
    await settle(30);
    disk.capacityBytes = await usedBytes(disk);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => wal.append(entries(i + 1, 1, 3900))),
    );
    const kept = outcomes.filter(({ status }) => status === "fulfilled").length;
    expect(kept).toBeLessThan(9);
    expect(outcomes.slice(0, kept).every(({ status }) => status === "fulfilled")).toBe(true);
    expect(wal.group(GROUP)!.lastIndex).toBe(kept);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    deps.clock.ms += 1_001;
    await wal.append(entries(kept + 1, 1, 3900));
    const again = await openWal(disk.crash(new SeededRandom(1)));
    expect(again.group(GROUP)!.lastIndex).toBe(kept + 1);
  });
});

/** An open log with one small entry and the next segment prepared, and the plan of its disk. */
async function prepared(below = new MemoryDisk()) {
  const disk = new FaultyDisk(below, () => undefined);
  const fatal: LedgerError[] = [];
  const deps = testDeps(disk, 1, (error) => fatal.push(error));
  const wal = await openWal(disk, { segmentBytes: 16 * 1024 }, deps);
  await wal.append([{ kind: "group", group: GROUP, action: "create" }, ...entries(1, 1, 100)]);
  await settle(30);
  return { below, disk, fatal, deps, wal };
}

describe("ENOSPC where the room was there, as on a copy-on-write file system", () => {
  /*
   * The header of the next segment reached the disk and its write or sync failed with ENOSPC: the appends were refused as
   * if nothing had been written, while records went on to the reserve of the old segment, behind the place that the new
   * header names as its end. After a crash the log was found corrupt.
   */
  test.each(["write", "sync"] as const)(
    "in the %s of a new segment's header kills the log (INV-WAL-5)",
    async (kind) => {
      const { below, disk, fatal, wal } = await prepared();
      let header = "";
      disk.plan = (operation) => {
        if (operation.kind === "write" && operation.position === 0) header = operation.path;
        const isHit = operation.kind === kind && operation.path === header;
        return isHit && header.includes("/wal-")
          ? { kind: "fail", full: true, writtenBytes: 4096 }
          : undefined;
      };
      let last = 1;
      const error = await errorOf(
        (async () => {
          for (;;) await wal.append(entries(++last, 1, 3000));
        })(),
      );
      expect(error.code).toBe(CODES[kind]);
      expect(fatal).toEqual([error]);
      expect(wal.failed).toBe(error);
      expect(wal.stats().syncs.runningMs).toBeUndefined();
      for (const unsynced of ["lost", "kept"] as const) {
        const again = await openWal(below.crash(new SeededRandom(1), { unsynced }));
        expect(again.group(GROUP)!.lastIndex).toBe(last - 1);
      }
    },
  );

  test.each(["write", "sync"] as const)(
    "in the %s of a batch is no DISK_FULL, which would say that nothing was written (INV-WAL-5)",
    async (kind) => {
      const { disk, fatal, wal } = await prepared();
      disk.plan = (operation) =>
        operation.kind === kind ? { kind: "fail", full: true, writtenBytes: 700 } : undefined;
      const errors = await Promise.all([
        errorOf(wal.append(entries(2, 1, 100))),
        errorOf(wal.append(entries(3, 1, 100))),
      ]);
      for (const { code } of errors) expect(code).toBe(CODES[kind]);
      expect(fatal).toEqual([errors[0]]);
    },
  );

  test("in the sync of a new segment's name kills the log, since a failed sync is not tried again", async () => {
    const { disk, fatal, wal } = await prepared();
    disk.plan = ({ kind }) =>
      kind === "sync-directory" ? { kind: "fail", full: true } : undefined;
    const error = await errorOf(
      (async () => {
        for (let i = 2; ; i++) await wal.append(entries(i, 1, 3000));
      })(),
    );
    expect(error.code).toBe("SYNC_FAILED");
    expect(fatal).toEqual([error]);
  });

  /*
   * A spare was taken off the list, its rename met ENOSPC, and it was forgotten until a restart: the disk was full of
   * files that the log no longer needed.
   */
  test("in the rename of a spare segment loses no spare: it is used when names can be made again", async () => {
    const { below, disk, deps, wal } = await prepared();
    let last = 1;
    const fill = async (): Promise<never> => {
      for (;;) await wal.append(entries(++last, 1, 3000));
    };
    below.capacityBytes = await usedBytes(below);
    expect((await errorOf(fill())).code).toBe("DISK_FULL");
    disk.plan = ({ kind, path }) =>
      kind === "rename" && path.includes("/free-") ? { kind: "fail", full: true } : undefined;
    wal.release(GROUP, --last);
    await settle(50);
    expect((await errorOf(fill())).code).toBe("DISK_FULL");
    last--;
    expect(wal.failed).toBeUndefined();
    expect(wal.stats().spareSegments).toBe(1);
    disk.plan = () => undefined;
    deps.clock.ms += 1_001;
    await wal.append(entries(last + 1, 1, 3000));
    expect(wal.stats().segmentsReused).toBe(1);
  });

  // Under a quota a remove may find no room either: the log died of it, while it was making room.
  test("in the rename and in the removal of a segment that is no longer needed leaves it where it is", async () => {
    const { below, disk, wal } = await prepared();
    let last = 1;
    while (wal.stats().segments < 3) await wal.append(entries(++last, 1, 3000));
    disk.plan = ({ kind, path }) =>
      (kind === "rename" || kind === "remove") && path.includes("/wal-")
        ? { kind: "fail", full: true }
        : undefined;
    wal.release(GROUP, last - 1);
    await settle(50);
    expect([wal.failed, wal.stats().segments < 3]).toEqual([undefined, true]);
    disk.plan = () => undefined;
    await wal.append(entries(++last, 1, 3000));
    await wal.close();
    const again = await openWal(below.crash(new SeededRandom(1), { unsynced: "kept" }));
    expect(again.group(GROUP)!.lastIndex).toBe(last);
    expect(again.failed).toBeUndefined();
    await again.close();
  });

  test("in the rename of a segment that is no longer needed removes it instead", async () => {
    const { below, disk, deps, wal } = await prepared();
    below.capacityBytes = await usedBytes(below);
    let last = 1;
    await errorOf(
      (async () => {
        for (;;) await wal.append(entries(++last, 1, 3000));
      })(),
    );
    disk.plan = ({ kind, path }) =>
      kind === "rename" && path.includes("/wal-") ? { kind: "fail", full: true } : undefined;
    wal.release(GROUP, --last);
    await settle(50);
    expect(wal.failed).toBeUndefined();
    deps.clock.ms += 1_001;
    await wal.append(entries(last + 1, 1, 3000));
    expect(wal.stats().segmentsReused).toBe(0);
  });
});
