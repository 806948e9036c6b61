/**
 * What was appended is read back, at once and after every reopen: random appends of several groups against plain
 * arrays, with releases, rotations, full disks, orderly and sudden ends.
 */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import type { Wal, WalRecord } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { testSeed } from "../../../../test/support.js";
import { expectLog, LogModel } from "../log-model.js";
import { DIRECTORY, openWal, testDeps, unitsIn } from "../wal-support.js";
import { Workload } from "../workload.js";

const RUNS = 12 * Number(process.env["WAL_TEST_FACTOR"] ?? 1);

interface Run {
  readonly random: SeededRandom;
  disk: MemoryDisk;
  readonly workload: Workload;
  model: LogModel;
  refusals: number;
  deps: ReturnType<typeof testDeps>;
  wal: Wal;
}

async function begin(seed: number, segmentBytes: number): Promise<Run> {
  const random = new SeededRandom(seed);
  const disk = new MemoryDisk();
  const deps = testDeps(disk, seed + 1);
  const sizes = {
    payloadMax: 300,
    rarePayloadMax: segmentBytes / 5,
    unitBytesMax: segmentBytes / 5,
  };
  const workload = new Workload(random, { groupsMax: 5, ...sizes });
  const wal = await openWal(disk, { segmentBytes }, deps);
  return { random, disk, workload, model: new LogModel(), deps, wal, refusals: 0 };
}

/** Appends a burst without waiting in between; reads see it at once. */
async function burst(run: Run): Promise<void> {
  const { random, workload, model } = run;
  const before = model.clone();
  const sent: WalRecord[][] = [];
  const outcomes: Promise<void>[] = [];
  for (let i = random.int(8); i >= 0; i--) {
    const unit = workload.unit(model);
    outcomes.push(run.wal.append(unit));
    sent.push(unit);
    model.apply(unit);
    if (random.chance(0.2)) await Promise.resolve();
  }
  if (random.chance(0.3)) expectLog(run.wal, model);
  const results = await Promise.allSettled(outcomes);
  const refused = results.find((result) => result.status === "rejected");
  if (refused !== undefined) refusedByFullDisk(run, refused.reason, before, sent);
  expect(unitsIn(run.wal)).toBe(run.model.units);
}

/** A full disk refused appends: what the log shows is what a prefix of them made. */
function refusedByFullDisk(run: Run, why: unknown, before: LogModel, sent: WalRecord[][]): void {
  if (!(why instanceof LedgerError) || why.code !== "DISK_FULL") throw why;
  const kept = unitsIn(run.wal) - before.units;
  expect(kept).toBeGreaterThanOrEqual(0);
  expect(kept).toBeLessThan(sent.length);
  for (const unit of sent.slice(0, kept)) before.apply(unit);
  run.model = before;
  expectLog(run.wal, before);
  run.disk.capacityBytes = Number.POSITIVE_INFINITY;
  run.deps.clock.ms += 10_000;
  run.refusals++;
}

async function usedBytes(disk: MemoryDisk): Promise<number> {
  let sum = 0;
  for (const name of await disk.list(DIRECTORY)) {
    sum += (await disk.open(`${DIRECTORY}/${name}`)).size();
  }
  return sum;
}

function release(run: Run): void {
  const { random, model, wal } = run;
  for (const [id, group] of model.groups) {
    if (!random.chance(0.4)) continue;
    const log = wal.group(id)!;
    if (log.durableIndex <= group.released) continue;
    const through = random.between(group.released, log.durableIndex + 1);
    wal.release(id, through);
    group.released = through;
  }
}

async function reopen(run: Run): Promise<void> {
  const { random } = run;
  const closed = random.chance(0.5);
  if (closed) await run.wal.close();
  const disk = closed ? run.disk : run.disk.fork();
  run.disk = disk;
  run.deps = { ...run.deps, disk };
  run.wal = await openWal(disk, {}, run.deps);
  expect(run.wal.recovery.end).toBe(closed ? "closed" : "whole");
}

describe("a log shows what was appended to it", () => {
  const seed = testSeed("wal model");
  const met = { refusals: 0, reused: 0 };
  for (let i = 0; i < RUNS; i++) {
    const segmentBytes = [16, 32, 64][i % 3]! * 1024;
    test(`run ${i}, segments of ${segmentBytes / 1024} KiB`, async () => {
      const run = await begin(seed + i, segmentBytes);
      for (let step = 0; step < 40; step++) {
        if (run.random.chance(0.1)) run.disk.capacityBytes = (await usedBytes(run.disk)) + 4096;
        await burst(run);
        if (run.random.chance(0.4)) release(run);
        if (run.random.chance(0.1)) {
          run.disk.capacityBytes = Number.POSITIVE_INFINITY;
          await reopen(run);
        }
        if (run.random.chance(0.2)) expectLog(run.wal, run.model);
      }
      expectLog(run.wal, run.model);
      met.refusals += run.refusals;
      met.reused += run.wal.stats().segmentsReused;
      await run.wal.close();
      const files = await run.disk.list(DIRECTORY);
      expect(files.length).toBeLessThan(60);
    });
  }

  test("the runs met full disks and reused segments", () => {
    expect(met.refusals).toBeGreaterThan(0);
    expect(met.reused).toBeGreaterThan(0);
  });
});
