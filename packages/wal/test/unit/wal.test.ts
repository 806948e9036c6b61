/** The rules of the log, one by one. */
import { FaultyDisk, MemoryDisk, nodeTimers } from "@authledger/io";
import { groupId, nodeId, vaultId } from "@authledger/types";
import { checkWal, type Wal, type WalRecord } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { judgeEnd } from "../../src/recovery/log-end.js";
import { DIRECTORY, errorOf, openWal, settle, testDeps } from "../wal-support.js";

const GROUP = groupId(3);
const OTHER = groupId(4);
const CREATE: WalRecord = { kind: "group", group: GROUP, action: "create" };

function entry(index: number, term = 1, bytes = 100, group = GROUP): WalRecord {
  return { kind: "entry", group, index, term, payload: new Uint8Array(bytes).fill(index) };
}

function signed(size: number, vault = 1): WalRecord {
  const root = new Uint8Array(32).fill(size);
  return { kind: "signed", group: GROUP, vault: vaultId(vault), size, root, timeMs: 1_000 + size };
}

async function withGroup(disk = new MemoryDisk(), segmentBytes = 64 * 1024): Promise<Wal> {
  const wal = await openWal(disk, { segmentBytes });
  await wal.append([CREATE]);
  return wal;
}

describe("group commit", () => {
  test("one write and one sync for each batch, and one batch for what was appended meanwhile", async () => {
    const seen: string[] = [];
    const disk = new FaultyDisk(new MemoryDisk(), ({ kind, path }) => {
      if (path.endsWith(".seg") && (kind === "write" || kind === "sync")) seen.push(kind);
      return undefined;
    });
    const wal = await openWal(disk);
    await wal.append([CREATE]);
    await settle(10);
    seen.length = 0;
    const before = wal.stats();
    const sent = Array.from({ length: 100 }, (_, i) => wal.append([entry(i + 1)]));
    await Promise.all(sent);
    expect(seen).toEqual(["write", "sync"]);
    const stats = wal.stats();
    expect(stats.batches - before.batches).toBe(1);
    expect(stats.syncs.count - before.syncs.count).toBe(1);
    expect(stats.appends - before.appends).toBe(100);
    expect(stats.batchRecordsMax).toBe(100);
    expect(wal.durableLsn).toBe(wal.lastLsn);
  });

  test("a batch takes no more than its limit", async () => {
    const wal = await openWal(new MemoryDisk(), { batchBytesMax: 8192 });
    await wal.append([CREATE]);
    await Promise.all(Array.from({ length: 20 }, (_, i) => wal.append([entry(i + 1, 1, 3000)])));
    expect(wal.stats().batches).toBe(11);
    expect(wal.stats().batchBytesMax).toBe(8192);
  });

  test("commit hints ride in the padding and cost nothing", async () => {
    const disk = new MemoryDisk();
    const wal = await withGroup(disk);
    await wal.append([entry(1)]);
    const before = wal.stats();
    wal.hintCommit(GROUP, 1);
    await settle();
    expect(wal.stats().batches).toBe(before.batches);
    await wal.append([entry(2)]);
    const again = await openWal(disk.fork());
    expect(again.group(GROUP)!.commitHint).toBe(1);
  });
});

// INV-LOGGROUP-2: terms of entries; INV-LOGSTATE-2: terms and votes of hard states.
describe("appends that cannot follow what is there are refused and leave no trace", () => {
  test.each<[string, WalRecord]>([
    ["an entry behind a gap", entry(3)],
    ["an entry of a term that falls", entry(2, 0)],
    ["an entry of an unknown group", entry(1, 1, 10, OTHER)],
    ["a group that is there", CREATE],
    ["a truncation of what is committed", { kind: "truncate", group: GROUP, from: 1 }],
    ["a term that falls", { kind: "hard-state", group: GROUP, term: 4, vote: undefined }],
    [
      "another vote in the same term",
      { kind: "hard-state", group: GROUP, term: 5, vote: nodeId(2n) },
    ],
    ["a vote taken back", { kind: "hard-state", group: GROUP, term: 5, vote: undefined }],
    ["a signature mark that falls", signed(6)],
    ["a hint behind the end", { kind: "commit-hint", group: GROUP, index: 3 }],
  ])("%s", async (_, record) => {
    const wal = await withGroup();
    await wal.append([entry(1), { kind: "hard-state", group: GROUP, term: 5, vote: nodeId(1n) }]);
    await wal.append([signed(7), { kind: "commit-hint", group: GROUP, index: 1 }]);
    const sound: WalRecord[] = [
      { kind: "hard-state", group: GROUP, term: 6, vote: nodeId(3n) },
      signed(9, 2),
    ];
    await expect(
      wal.append([...(record.kind === "hard-state" ? [] : sound), record]),
    ).rejects.toThrow("INV-LOGSTATE-1");
    expect(wal.group(GROUP)!.lastIndex).toBe(1);
    expect(wal.group(GROUP)!.hardState).toEqual({ term: 5, vote: nodeId(1n) });
    expect(wal.signedMark(GROUP, vaultId(2))).toBeUndefined();
    await wal.append([entry(2)]);
  });
});

describe("limits", () => {
  test("an entry, an append and a queue that are too large are refused with their codes", async () => {
    const wal = await withGroup(new MemoryDisk(), 64 * 1024 * 1024);
    const huge = 4 * 1024 * 1024;
    expect((await errorOf(wal.append([entry(1, 1, huge + 1)]))).code).toBe("WAL_ENTRY_TOO_LARGE");
    const many = Array.from({ length: 3 }, (_, i) => entry(i + 1, 1, 600 * 1024));
    expect((await errorOf(wal.append(many))).code).toBe("LIMIT_EXCEEDED");
    await wal.append([entry(1, 1, huge), entry(2, 1, 1024)]);
    expect(wal.group(GROUP)!.entry(1)!.payload).toHaveLength(huge);
    const queued = Array.from({ length: 17 }, (_, i) => wal.append([entry(i + 3, 1, huge)]));
    const results = await Promise.allSettled(queued);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(15);
    expect(results.at(-1)).toMatchObject({ reason: { code: "OVERLOADED" } });
    expect(wal.group(GROUP)!.durableIndex).toBe(17);
  });
});

describe("release", () => {
  test("reuses segments and carries what must survive (INV-WAL-6)", async () => {
    const disk = new MemoryDisk();
    const wal = await withGroup(disk, 16 * 1024);
    await wal.append([
      { kind: "hard-state", group: GROUP, term: 9, vote: nodeId(5n) },
      signed(4),
      { kind: "group", group: OTHER, action: "create" },
    ]);
    const uuid = new Uint8Array(16).fill(1);
    const configuration = Uint8Array.of(1, 2, 3);
    await wal.append([{ kind: "snapshot", group: OTHER, index: 50, term: 2, uuid, configuration }]);
    for (let i = 1; i <= 60; i++) {
      await wal.append([entry(i, 9, 3000)]);
      wal.release(GROUP, i - 1);
      await settle(2);
    }
    await settle(50);
    const { segments, segmentsReused, segmentsFilled } = wal.stats();
    expect(segments).toBeLessThan(10);
    expect(segmentsReused).toBeGreaterThan(20);
    expect(segmentsFilled).toBeLessThan(15);
    const again = await openWal(disk.fork());
    expect(again.group(GROUP)!.hardState).toEqual({ term: 9, vote: nodeId(5n) });
    expect(again.group(GROUP)).toMatchObject({ firstIndex: 60, lastIndex: 60 });
    expect(again.group(GROUP)!.term(59)).toBe(9);
    expect(again.group(OTHER)!.snapshot).toMatchObject({ index: 50, term: 2, uuid, configuration });
    expect(again.group(OTHER)).toMatchObject({ firstIndex: 51, lastIndex: 50, lastTerm: 2 });
    expect(again.signedMark(GROUP, vaultId(1))).toMatchObject({ size: 4, timeMs: 1_004 });
  });

  test("the slowest group holds the log", async () => {
    const wal = await openWal(new MemoryDisk(), { segmentBytes: 16 * 1024 });
    const other: WalRecord = { kind: "group", group: OTHER, action: "create" };
    await wal.append([CREATE, other, entry(1, 1, 10, OTHER)]);
    for (let i = 1; i <= 30; i++) await wal.append([entry(i, 1, 3000)]);
    wal.release(GROUP, 30);
    await settle(50);
    expect(wal.stats()).toMatchObject({ oldestGroup: OTHER, segmentsReused: 0 });
    wal.release(OTHER, 1);
    await settle(50);
    expect(wal.stats().segments).toBeLessThan(4);
  });

  test("a release in the middle of a rotation never prepares a file that is in use", async () => {
    const disk = new MemoryDisk();
    const wal = await withGroup(disk, 16 * 1024);
    let released = 0;
    for (let i = 1; i <= 200; i++) {
      const appended = wal.append([entry(i, 1, 3500)]);
      for (let turn = i % 12; turn > 0; turn--) await Promise.resolve();
      const { durableIndex } = wal.group(GROUP)!;
      if (durableIndex > released) {
        released = durableIndex;
        wal.release(GROUP, released);
      }
      await appended;
    }
    expect((await openWal(disk.fork())).group(GROUP)!.lastIndex).toBe(200);
  });
});

describe("open and close", () => {
  test("tells how the log ended and keeps the size of its segments", async () => {
    const disk = new MemoryDisk();
    const wal = await openWal(disk, { segmentBytes: 32 * 1024 });
    expect(wal.recovery).toMatchObject({ end: "new", batches: 0 });
    await wal.append([CREATE, entry(1)]);
    expect((await openWal(disk.fork())).recovery).toMatchObject({
      end: "whole",
      records: 2,
      tornBytes: 0,
    });
    await wal.close();
    await wal.close();
    expect((await errorOf(wal.append([entry(2)]))).code).toBe("STORE_CLOSED");
    const report = await checkWal(DIRECTORY, { disk, timers: nodeTimers });
    expect(report).toMatchObject({
      end: "closed",
      problems: [],
      records: 2,
      groups: [{ group: GROUP, lastIndex: 1 }],
    });
    const again = await openWal(disk, { segmentBytes: 64 * 1024 });
    expect(again.recovery.end).toBe("closed");
    expect(again.stats().segmentBytes).toBe(32 * 1024);
    expect(again.group(GROUP)!.entry(1)!.payload).toHaveLength(100);
  });

  test("a hundred starts do not spend a segment each", async () => {
    const disk = new MemoryDisk();
    for (let i = 0; i < 100; i++) {
      const wal = await openWal(disk);
      if (i === 0) await wal.append([CREATE]);
      await wal.append([entry(i + 1)]);
      if (i % 2 === 0) await wal.close();
      else await settle(5);
    }
    const wal = await openWal(disk);
    expect(wal.group(GROUP)!.lastIndex).toBe(100);
    expect((await disk.list(DIRECTORY)).length).toBeLessThan(25);
  });

  test("lsns ascend over every open (INV-WAL-3), and what was known durable stays known", async () => {
    const disk = new MemoryDisk();
    let known = 0;
    for (let i = 0; i < 10; i++) {
      const wal = await openWal(disk, known === 0 ? {} : { knownDurableLsn: known });
      if (i === 3) await wal.append([CREATE]);
      if (i > 5) await wal.append([entry(i - 5)]);
      if (i === 3 || i > 5) expect(wal.durableLsn).toBeGreaterThan(known);
      known = Math.max(known, wal.durableLsn);
      await wal.close();
      known = Math.max(known, wal.durableLsn);
    }
  });

  test("the first lsn of a log is random (INV-WAL-3)", async () => {
    const lsns = new Set<number>();
    for (let seed = 1; seed <= 20; seed++) {
      const disk = new MemoryDisk();
      const wal = await openWal(disk, {}, testDeps(disk, seed));
      await wal.append([CREATE]);
      lsns.add(wal.lastLsn);
    }
    expect(lsns.size).toBe(20);
    expect(Math.max(...lsns)).toBeGreaterThan(2 ** 40);
  });

  test("a log without a good end of others' knowledge is refused", async () => {
    const disk = new MemoryDisk();
    const wal = await withGroup(disk);
    await wal.append([entry(1)]);
    const known = wal.durableLsn;
    await wal.close();
    for (const knownDurableLsn of [known + 2, known + 1000]) {
      expect((await errorOf(openWal(disk.fork(), { knownDurableLsn }))).code).toBe("WAL_CORRUPT");
    }
    for (const [group, index] of [
      [GROUP, 2],
      [OTHER, 1],
    ] as const) {
      const knownDurableIndexes = new Map([[group, index]]);
      expect((await errorOf(openWal(disk.fork(), { knownDurableIndexes }))).code).toBe(
        "WAL_CORRUPT",
      );
    }
    await openWal(disk.fork(), {
      knownDurableLsn: known,
      knownDurableIndexes: new Map([[GROUP, 1]]),
    });
  });
});

describe("entries", () => {
  test("are cut by bytes, at least one is returned", async () => {
    const wal = await withGroup(new MemoryDisk(), 64 * 1024);
    await wal.append(Array.from({ length: 10 }, (_, i) => entry(i + 1)));
    const log = wal.group(GROUP)!;
    expect(log.entries(1, 11, 1).map(({ index }) => index)).toEqual([1]);
    expect(log.entries(3, 11, 250).map(({ index }) => index)).toEqual([3, 4]);
    expect(log.entries(3, 5, 10_000).map(({ index }) => index)).toEqual([3, 4]);
    expect(log.entries(11, 11, 1)).toEqual([]);
    expect(() => log.entries(0, 2, 1)).toThrow();
    expect(() => log.entries(1, 12, 1)).toThrow();
    expect([log.term(0), log.term(10), log.term(11)]).toEqual([0, 1, undefined]);
  });

  test("a truncation lowers durableIndex at once, and an old sync does not raise it (INV-LOGGROUP-3)", async () => {
    const wal = await withGroup();
    await wal.append([entry(1), entry(2), entry(3)]);
    const log = wal.group(GROUP)!;
    expect(log.durableIndex).toBe(3);
    await settle();
    const first = wal.append([entry(4)]);
    await Promise.resolve();
    const second = wal.append([{ kind: "truncate", group: GROUP, from: 2 }, entry(2, 2)]);
    expect(log).toMatchObject({ lastIndex: 2, durableIndex: 1, lastTerm: 2 });
    await first;
    expect(wal.durableLsn).toBe(wal.lastLsn);
    expect(log.durableIndex).toBe(1);
    await second;
    expect(log.durableIndex).toBe(2);
  });
});

describe("the end of a log", () => {
  const facts = { nextLsn: 11, durableLsn: 10, attempted: true, later: undefined };
  test.each([
    ["nothing begun", { ...facts, attempted: false }, "whole", "whole"],
    ["a batch begun", facts, "torn", "ambiguous"],
    ["a batch begun that was durable", { ...facts, durableLsn: 11 }, "corrupt", "corrupt"],
    [
      "nothing there of what was durable",
      { ...facts, attempted: false, durableLsn: 12 },
      "corrupt",
      "corrupt",
    ],
    [
      "a batch behind",
      { ...facts, later: { file: "f", offset: 1, lsn: 12 } },
      "corrupt",
      "corrupt",
    ],
  ] as const)("%s", (_, found, one, many) => {
    expect(judgeEnd(found, "one").kind).toBe(one);
    expect(judgeEnd(found, "many").kind).toBe(many);
  });
});

test("statistics name what runs", async () => {
  const deps = testDeps(new MemoryDisk());
  const wal = await openWal(deps.disk, {}, deps);
  await wal.append([CREATE, entry(1)]);
  const stats = wal.stats();
  expect(stats).toMatchObject({
    queuedAppends: 0,
    queuedBytes: 0,
    segments: 1,
    oldestGroup: GROUP,
  });
  expect(stats.writtenBytes).toBe(4096);
  expect(stats.syncs).toMatchObject({ count: 1, p50Ms: 0, p99Ms: 0, runningMs: undefined });
});
