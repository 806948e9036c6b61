/**
 * One damaged byte, at every kind of place: a batch that others follow is never cut, whatever the byte; the last one
 * is cut only where nothing says that it was durable and no other voter may count on it.
 */
import { crc32 } from "node:zlib";
import { type DiskFault, FaultyDisk, MemoryDisk, nodeTimers, SeededRandom } from "@authledger/io";
import { checkWal, type Wal, type WalOptions } from "@authledger/wal";
import { beforeAll, describe, expect, test } from "vitest";
import { testSeed } from "../../../../test/support.js";
import { BATCH_HEADER, readBatchHeader } from "../../src/format/batch.js";
import { viewOf } from "../../src/format/little-endian.js";
import { RECORD_HEADER } from "../../src/format/record.js";
import { SEGMENT_HEADER } from "../../src/format/segment-header.js";
import { expectLog, LogModel } from "../log-model.js";
import { DIRECTORY, errorOf, openWal, SMALL_SEGMENT, unitsIn } from "../wal-support.js";
import { Workload } from "../workload.js";

interface Batch {
  readonly path: string;
  readonly start: number;
  readonly len: number;
}

/** A log of several segments that was not closed. */
let disk: MemoryDisk;
let history: LogModel[];
let batches: Batch[];
let durableLsn: number;
const random = new SeededRandom(testSeed("wal damage"));

beforeAll(async () => {
  // Some workloads drop or truncate nearly all they wrote.
  do await buildLog();
  while (heldEntries(history.at(-1)!) < 30);
});

function heldEntries(model: LogModel): number {
  return [...model.groups.values()].reduce((sum, { entries }) => sum + entries.length, 0);
}

async function buildLog(): Promise<void> {
  disk = new MemoryDisk();
  const wal = await openWal(disk, { segmentBytes: 32 * 1024 });
  const sizes = { payloadMax: 300, rarePayloadMax: 6000, unitBytesMax: 6000 };
  const workload = new Workload(random, { groupsMax: 4, ...sizes });
  const model = new LogModel();
  history = [model.clone()];
  while (wal.stats().segments < 4 || (await batchesOn(disk)).at(-1)!.start < 3 * 4096) {
    const unit = workload.unit(model);
    await wal.append(unit);
    model.apply(unit);
    history.push(model.clone());
  }
  batches = await batchesOn(disk);
  ({ durableLsn } = wal);
}

/** The good batches of all segments, in order. */
async function batchesOn(image: MemoryDisk): Promise<Batch[]> {
  const found: Batch[] = [];
  let lsn = 0;
  for (const name of await image.list(DIRECTORY)) {
    const path = `${DIRECTORY}/${name}`;
    const file = await image.open(path);
    const block = new Uint8Array(4096);
    for (let at = 4096; name.startsWith("wal-") && at < file.size(); ) {
      file.readSync(block, at);
      const header = readBatchHeader(viewOf(block), 0);
      if (!header.magicMatches || header.lsn <= lsn) break;
      lsn = header.lsn;
      found.push({ path, start: at, len: header.len });
      at += Math.ceil(header.len / 4096) * 4096;
    }
  }
  return found;
}

/** A byte of every field of the header, of a record's header and payload, and the last one. */
function placesIn(batch: Batch): { readonly what: string; readonly at: number }[] {
  const fields = BATCH_HEADER.fields.map(({ name, offset, size }) => {
    return { what: `batch ${name}`, at: offset + random.int(size) };
  });
  const record = RECORD_HEADER.fields.map(({ name, offset, size }) => {
    return { what: `record ${name}`, at: BATCH_HEADER.size + offset + random.int(size) };
  });
  const inside = { what: "content", at: random.between(BATCH_HEADER.size, batch.len) };
  return [...fields, ...record, inside, { what: "last byte", at: batch.len - 1 }];
}

function damaged(path: string, at: number): MemoryDisk {
  const copy = disk.fork();
  copy.corrupt(path, at, Uint8Array.of(1 << random.int(8)));
  return copy;
}

/** Names, sizes and contents of all files. */
async function image(of: MemoryDisk): Promise<string[]> {
  const files: string[] = [];
  for (const name of await of.list(DIRECTORY)) {
    const file = await of.open(`${DIRECTORY}/${name}`);
    const bytes = new Uint8Array(file.size());
    file.readSync(bytes, 0);
    files.push(`${name} ${bytes.length} ${crc32(bytes)}`);
  }
  return files;
}

/** The log must refuse to open, say where, and leave every byte as it is. */
async function expectCorrupt(
  on: MemoryDisk,
  path: string | undefined,
  options: Partial<WalOptions> = {},
): Promise<void> {
  const before = await image(on);
  const error = await errorOf(openWal(on, { segmentBytes: SMALL_SEGMENT, ...options }));
  expect(error.code).toBe("WAL_CORRUPT");
  if (path !== undefined) expect(error.details["file"]).toBe(path);
  expect(error.details["offset"]).toBeTypeOf("number");
  expect(await image(on)).toEqual(before);
  const report = await checkWal(DIRECTORY, { disk: on, timers: nodeTimers });
  if (Object.keys(options).length === 0) expect(report.problems).toHaveLength(1);
}

function expectUnits(wal: Wal, units: number): void {
  expect(unitsIn(wal)).toBe(units);
  expectLog(wal, history[units]!);
}

describe("a batch with others behind it is damage, whichever byte of it is wrong", () => {
  test("every batch but the last (INV-SCAN-1)", async () => {
    expect(batches.length).toBeGreaterThan(10);
    for (const batch of batches.slice(0, -1)) {
      for (const { at } of placesIn(batch)) {
        await expectCorrupt(damaged(batch.path, batch.start + at), batch.path);
      }
    }
  });

  test("padding too, which is zero in every batch that was synced", async () => {
    let tried = 0;
    for (const { path, start, len } of batches.slice(0, -1)) {
      const end = Math.ceil(len / 4096) * 4096;
      if (end === len) continue;
      tried++;
      await expectCorrupt(damaged(path, start + random.between(len, end)), path);
    }
    expect(tried).toBeGreaterThan(5);
  });
});

describe("a segment that was cut", () => {
  // The newest one, cut inside its header, was once taken for a prepared one that was never used, and what it held
  // was lost without a word.
  test("is damage, wherever it was cut, the newest included", async () => {
    const paths = [...new Set(batches.map(({ path }) => path))];
    expect(paths.length).toBeGreaterThan(1);
    for (const path of paths) {
      for (const share of [0, 1, 4095, 4096, 4 * 4096 - 1, -1]) {
        const copy = disk.fork();
        const file = await copy.open(path);
        const length = share < 0 ? file.size() - 1 : share;
        await file.truncate(length);
        await file.close();
        await expectCorrupt(copy, path);
      }
    }
  });
});

describe("the last batch", () => {
  test("one voter: an unreadable one is torn and cut, and the log goes on", async () => {
    const last = batches.at(-1)!;
    for (const { at } of placesIn(last)) {
      const on = damaged(last.path, last.start + at);
      const report = await checkWal(DIRECTORY, { disk: on, timers: nodeTimers });
      expect(report).toMatchObject({ end: "torn", problems: [] });
      const wal = await openWal(on);
      expect(wal.recovery).toMatchObject({ end: "torn", file: last.path, offset: last.start });
      expect(wal.recovery.tornLsn).toBe(durableLsn);
      expectUnits(wal, history.length - 2);
      await wal.append([{ kind: "recovered" }]);
      const again = await openWal(on);
      expect(again.recovery.end).toBe("whole");
      expectUnits(again, history.length - 2);
    }
  });

  test("one voter: never cut where somebody saw it durable", async () => {
    const last = batches.at(-1)!;
    for (const { at } of placesIn(last)) {
      const on = damaged(last.path, last.start + at);
      await expectCorrupt(on, last.path, { knownDurableLsn: durableLsn });
    }
  });

  test("one voter: never cut where it held an entry that a page store has applied", async () => {
    const last = batches.at(-1)!;
    const full = history.at(-1)!;
    const cut = history.at(-2)!;
    const lost = [...full.groups.keys()].find(
      (id) => cut.groups.get(id) !== undefined && full.last(id) > cut.last(id),
    );
    const group = lost ?? [...full.groups.keys()][0]!;
    const known = new Map([[group, lost === undefined ? full.last(group) + 1 : full.last(group)]]);
    const on = damaged(last.path, last.start + BATCH_HEADER.size);
    await expectCorrupt(on, last.path, { knownDurableIndexes: known });
  });

  test("many voters: it is a doubt, which lasts until the node has recovered", async () => {
    const last = batches.at(-1)!;
    for (const { at } of placesIn(last)) {
      const on = damaged(last.path, last.start + at);
      const wal = await openWal(on, { voters: "many" });
      expect(wal.recovery.end).toBe("ambiguous");
      expect(wal.doubtLsn).toBe(durableLsn);
      expectUnits(wal, history.length - 2);
      const again = await openWal(on, { voters: "many" });
      expect(again.doubtLsn).toBe(durableLsn);
      await again.append([{ kind: "recovered" }]);
      const recovered = await openWal(on, { voters: "many" });
      expect(recovered.doubtLsn).toBe(0);
      expectUnits(recovered, history.length - 2);
    }
  });

  test("its padding may be anything: a torn write may have left it", async () => {
    const { path, start, len } = batches.at(-1)!;
    expect(len % 4096).not.toBe(0);
    const wal = await openWal(damaged(path, start + len));
    expectUnits(wal, history.length - 1);
  });

  test("bytes behind it are no part of the log", async () => {
    const { path, start, len } = batches.at(-1)!;
    const end = start + Math.ceil(len / 4096) * 4096;
    for (let i = 0; i < 20; i++) {
      const wal = await openWal(damaged(path, random.between(end, 32 * 1024)));
      expect(wal.recovery.end).toBe("whole");
      expectUnits(wal, history.length - 1);
    }
  });
});

describe("headers and files", () => {
  test("a damaged segment header is damage, in every segment and field: a batch is never without one (INV-WAL-1)", async () => {
    for (const path of new Set(batches.map((batch) => batch.path))) {
      for (const { offset, size } of SEGMENT_HEADER.fields) {
        await expectCorrupt(damaged(path, offset + random.int(size)), undefined);
      }
    }
  });

  test("a missing segment is damage, also the newest (INV-CHAIN-1)", async () => {
    for (const path of new Set(batches.map((batch) => batch.path))) {
      const copy = disk.fork();
      await copy.remove(path);
      const isNewest = path === batches.at(-1)!.path;
      await expectCorrupt(copy, undefined, isNewest ? { knownDurableLsn: durableLsn } : {});
    }
  });

  /** The newest one without even its header is like a missing one: others have to know of it. */
  test("a shortened segment is damage", async () => {
    const newest = batches.at(-1)!.path;
    for (const path of new Set(batches.map((batch) => batch.path))) {
      for (const end of [random.int(4096), random.between(4096, 32 * 1024)]) {
        const copy = disk.fork();
        await (await copy.open(path)).truncate(end);
        const isHeadless = path === newest && end < 4096;
        await expectCorrupt(copy, undefined, isHeadless ? { knownDurableLsn: durableLsn } : {});
      }
    }
  });

  test("segments exchanged for one another are damage", async () => {
    const [first, second] = [...new Set(batches.map((batch) => batch.path))] as [string, string];
    const copy = disk.fork();
    await copy.rename(first, `${DIRECTORY}/other`);
    await copy.rename(second, first);
    await copy.rename(`${DIRECTORY}/other`, second);
    await expectCorrupt(copy, undefined);
  });

  test("no log where others know of one is damage", async () => {
    await expectCorrupt(new MemoryDisk(), undefined, { knownDurableLsn: durableLsn });
  });
});

describe("a batch that is read again, to be moved to the new segment", () => {
  // The scan had believed it; the second read came back with another bit, or from another place. What came was
  // sealed under a new crc: an entry that this replica alone holds so, and that no check finds any more.
  test("is what the scan believed, or the log is damaged and stays as it is (INV-WAL-10)", async () => {
    const last = batches.at(-1)!;
    const faults: DiskFault[] = [0, BATCH_HEADER.size, RECORD_HEADER.size + 8].map((at) => {
      return { kind: "flip", bit: (BATCH_HEADER.offsetOf("crc") + at) * 8 };
    });
    faults.push({ kind: "misdirect", position: 0 }, { kind: "misdirect", position: 1 << 30 });
    for (const fault of faults) {
      let hits = 0;
      const below = disk.fork();
      const on = new FaultyDisk(below, ({ kind, path, position }) => {
        if (kind !== "read" || path !== last.path || position !== last.start) return undefined;
        hits++;
        return fault;
      });
      const error = await errorOf(openWal(on));
      expect(error).toMatchObject({ code: "WAL_CORRUPT", details: { file: last.path } });
      expect(error.details["offset"]).toBe(last.start);
      expect(hits).toBe(1);
      const again = await openWal(below);
      expect(again.recovery.end).toBe("whole");
      expectUnits(again, history.length - 1);
    }
  });
});

describe("reading", () => {
  test("an entry damaged on disk is refused, not returned (INV-READ-1)", async () => {
    const copy = disk.fork();
    const wal = await openWal(copy);
    const model = history.at(-1)!;
    let refused = 0;
    for (const name of await copy.list(DIRECTORY)) {
      for (let at = 4096; at < 32 * 1024; at += 512) {
        copy.corrupt(`${DIRECTORY}/${name}`, at + 40, Uint8Array.of(0xff));
      }
    }
    for (const [id, group] of model.groups) {
      for (let index = group.base + 1; index <= model.last(id); index++) {
        try {
          const { payload } = wal.group(id)!.entry(index)!;
          expect(payload).toEqual(group.entries[index - group.base - 1]!.payload);
        } catch (error) {
          expect(error).toMatchObject({ code: "WAL_CORRUPT" });
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(10);
  });
});
