/** The file that followers are given a state from. */
import { FaultyDisk, joinPath, MemoryDisk, NodeHasher, SeededRandom } from "@authledger/io";
import { groupId } from "@authledger/types";
import { expect, test } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { Ledger } from "../../../state/test/state-support.js";
import { encodeConfiguration } from "../../src/cluster/group-configuration.js";
import { SnapshotBuilder } from "../../src/cluster/snapshot-builder.js";
import { deferred } from "../../src/deferred.js";
import { settle, TestTime } from "../engine-support.js";

const DIRECTORY = "/snapshots";
const CHUNK = 512;

async function builderOver(
  disk: FaultyDisk,
  beforeFlush: () => Promise<void> = async () => undefined,
): Promise<{ ledger: Ledger; builder: SnapshotBuilder }> {
  const ledger = await Ledger.create(new SeededRandom(7), 1);
  const membership = { voters: [], learners: [], outgoing: [], learnersNext: [], autoLeave: false };
  const bytes = encodeConfiguration({ membership, members: [] });
  ledger.state.applyConfiguration(ledger.log.length + 1, 1, bytes);
  ledger.log.push(bytes);
  const time = new TestTime();
  const builder = new SnapshotBuilder(
    {
      ...{ disk, clock: time, timers: time, random: new SeededRandom(8) },
      ...{ hasher: new NodeHasher(), group: groupId(1), directory: DIRECTORY },
      source: () => ({ state: ledger.state, store: ledger.store }),
      onAlarm: () => undefined,
      flush: async () => {
        await beforeFlush();
        await ledger.store.flush(ledger.state.prepareFlush());
      },
    },
    CHUNK,
  );
  return { ledger, builder };
}

function write(ledger: Ledger, name: string): number {
  const tuple = { resource: `doc:${name}`, relation: "viewer", subject: "user:a" };
  ledger.write(1, [{ op: "create_tuple", tuple, expiresAtMs: 0 }], name);
  return ledger.state.applied.index;
}

/** Builds twice while one call fails on the way to the second file. Sizes by name, and whether the call was reached. */
async function build(
  failing: number,
): Promise<{ sizes: number[]; isBuilt: boolean; reached: boolean }> {
  const memory = new MemoryDisk();
  await memory.makeDirectory(DIRECTORY);
  const disk = new FaultyDisk(memory, () => undefined);
  const { ledger, builder } = await builderOver(disk);
  builder.release(await builder.acquire(write(ledger, "a")));
  const wanted = write(ledger, "b");
  const begins = disk.operations;
  disk.plan = ({ number }) => (number === begins + failing ? { kind: "fail" } : undefined);
  const second = await builder.acquire(wanted).catch(() => undefined);
  const reached = disk.operations > begins + failing;
  await builder.stop();
  const names = (await memory.list(DIRECTORY)).filter((name) => name.startsWith("built-"));
  const sizes: number[] = [];
  for (const name of names) sizes.push((await memory.open(joinPath(DIRECTORY, name))).size());
  return { sizes, isBuilt: second !== undefined, reached };
}

test("has its name only when it is whole and synced, whichever call fails, and there is at most one (INV-REPLICA-5)", async () => {
  const whole = await build(Number.POSITIVE_INFINITY);
  const before = await build(0);
  expect(whole).toMatchObject({ isBuilt: true, reached: false });
  expect(whole.sizes).toHaveLength(1);
  const right = new Set([...whole.sizes, ...before.sizes]);
  for (let failing = 0; ; failing++) {
    const { sizes, isBuilt, reached } = await build(failing);
    for (const size of sizes) expect(right, `call ${failing}`).toContain(size);
    if (isBuilt) expect(sizes).toHaveLength(1);
    if (reached) continue;
    expect(failing).toBeGreaterThan(5);
    return;
  }
});

/**
 * The story: the disk could not open one more file. The view of the state that the build had taken was not given back,
 * and after two such builds a leader could give nobody a state until it was started again.
 */
test("gives the state's view back whichever call fails", async () => {
  const memory = new MemoryDisk();
  await memory.makeDirectory(DIRECTORY);
  const disk = new FaultyDisk(memory, () => undefined);
  const { ledger, builder } = await builderOver(disk);
  const wanted = write(ledger, "a");
  for (const failing of ["remove", "open", "write", "sync", "rename", "remove", "open"]) {
    disk.plan = ({ kind }) => (kind === failing ? { kind: "fail" } : undefined);
    expect((await rejectedBy(builder.acquire(wanted))).code).toMatch(/^IO_|^SYNC_/);
  }
  disk.plan = () => undefined;
  expect((await builder.acquire(wanted)).index).toBe(wanted);
  await builder.stop();
});

/**
 * The story: a replica's state was wrong while a file of it was being built for another. Its own state was replaced, the build
 * read on from the old store, and its file was given away for ten minutes and longer, also to replicas that rebuilt themselves.
 */
test.each(["flush", "write"] as const)(
  "what is being built of a state that turns out to be wrong ends in nothing, also in the %s, and what was built goes (INV-REPLICA-15)",
  async (where) => {
    const memory = new MemoryDisk();
    await memory.makeDirectory(DIRECTORY);
    const held = deferred<void>();
    let isHolding = false;
    let isReached = false;
    const hold = async (at: typeof where): Promise<void> => {
      if (at !== where || !isHolding) return;
      isReached = true;
      await held.promise;
    };
    const open = memory.open.bind(memory);
    memory.open = async (path, options) => {
      const file = await open(path, options);
      const write = file.write.bind(file);
      file.write = async (...about) => {
        await hold("write");
        return write(...about);
      };
      return file;
    };
    const disk = new FaultyDisk(memory, () => undefined);
    const { ledger, builder } = await builderOver(disk, () => hold("flush"));
    const first = await builder.acquire(write(ledger, "a"));
    builder.release(first);
    isHolding = true;
    const wanted = write(ledger, "b");
    const building = rejectedBy(builder.acquire(wanted));
    for (let turn = 0; !isReached && turn < 100; turn++) await settle(1);
    expect(isReached).toBe(true);
    const distrusted = builder.distrust();
    held.resolve();
    await distrusted;
    expect((await building).message).toContain("wrong");
    expect(await memory.list(DIRECTORY)).toEqual([]);
    expect((await builder.acquire(first.index)).uuid).not.toEqual(first.uuid);
    await builder.stop();
  },
);

// The story: it was forgotten in memory only, so that a crash before somebody looked again brought it back.
test("a file of a wrong state that cannot be removed for want of room is an error, until it is gone (INV-REPLICA-15)", async () => {
  const memory = new MemoryDisk();
  await memory.makeDirectory(DIRECTORY);
  const disk = new FaultyDisk(memory, () => undefined);
  const { ledger, builder } = await builderOver(disk);
  builder.release(await builder.acquire(write(ledger, "a")));
  disk.plan = ({ kind }) => (kind === "remove" ? { kind: "fail", full: true } : undefined);
  for (let i = 0; i < 2; i++) expect((await rejectedBy(builder.distrust())).code).toBe("DISK_FULL");
  // The file goes, and the sync behind it fails: it is not gone for good before another one.
  disk.plan = ({ kind }) => (kind === "sync-directory" ? { kind: "fail", full: true } : undefined);
  for (let i = 0; i < 2; i++) expect((await rejectedBy(builder.distrust())).code).toBe("DISK_FULL");
  disk.plan = () => undefined;
  await builder.distrust();
  expect(await memory.list(DIRECTORY)).toEqual([]);
});
