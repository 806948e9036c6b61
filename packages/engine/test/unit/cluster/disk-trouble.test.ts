/** Nodes of a cluster whose disks are full, or have lost the end of a log. */
import { type Disk, joinPath, type MemoryDisk, readFile } from "@authledger/io";
import { expect, test } from "vitest";
import { TestCluster } from "../../cluster-support.js";
import { createTuple, DIRECTORY, newVault, writeOne } from "../../engine-support.js";

const SMALL = { logSegmentBytes: 32 * 1024 };

/** Writes until a number of them were taken, by whoever leads. */
async function writeMany(
  cluster: TestCluster,
  vault: number,
  from: number,
  to: number,
): Promise<void> {
  for (let i = from; i < to; i++) {
    const leader = await cluster.leader();
    const outcome = await cluster.until(
      writeOne(leader.engine, vault, [createTuple(`doc:${i}`)]).catch(() => undefined),
    );
    if (outcome?.kind !== "applied") i--;
  }
}

test("a follower with a full disk holds nobody up, and catches up when there is room", async () => {
  const cluster = await TestCluster.of(3, SMALL);
  const [leader, follower] = cluster.members;
  const vault = await cluster.until(newVault(leader!.engine));
  const disk = follower!.disk as MemoryDisk;
  disk.capacityBytes = 0;
  await writeMany(cluster, vault, 0, 60);
  expect(follower!.engine.stats().appliedIndex).toBeLessThan(leader!.engine.stats().appliedIndex);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  await cluster.eventually(
    () => follower!.engine.stats().appliedIndex === leader!.engine.stats().appliedIndex,
  );
  expect(cluster.members.flatMap(({ fatal }) => fatal)).toEqual([]);
  await cluster.close();
});

test("a leader with a full disk gives way to one that has room; nothing acknowledged is lost", async () => {
  const cluster = await TestCluster.of(3, SMALL);
  const first = await cluster.leader();
  const vault = await cluster.until(newVault(first.engine));
  await writeMany(cluster, vault, 0, 5);
  (first.disk as MemoryDisk).capacityBytes = 0;
  await writeMany(cluster, vault, 5, 60);
  const second = await cluster.leader();
  expect(second).not.toBe(first);
  (first.disk as MemoryDisk).capacityBytes = Number.POSITIVE_INFINITY;
  await cluster.eventually(
    () => first.engine.stats().appliedIndex === second.engine.stats().appliedIndex,
  );
  expect(cluster.members.flatMap(({ fatal }) => fatal)).toEqual([]);
  await cluster.close();
});

/** Makes the last batch of the log unreadable; where it begins. */
async function spoilLastBatch(disk: MemoryDisk): Promise<void> {
  const wal = joinPath(DIRECTORY, "wal");
  const names = (await disk.list(wal)).filter((name) => name.endsWith(".seg")).sort();
  for (const name of names.reverse()) {
    const path = joinPath(wal, name);
    const bytes = await readFile(disk as Disk, path);
    let end = bytes.length;
    while (end > 4096 && bytes.subarray(end - 4096, end).every((byte) => byte === 0)) end -= 4096;
    if (end <= 4096) continue;
    disk.corrupt(path, end - 4096 + 100, Uint8Array.of(0xff, 0xff, 0xff));
    return;
  }
}

test("a node that may have lost what it acknowledged does not vote until it has it again (storage.md; PAR, FAST 2018)", async () => {
  const cluster = await TestCluster.of(3);
  const leader = await cluster.leader();
  const vault = await cluster.until(newVault(leader.engine));
  await writeMany(cluster, vault, 0, 10);
  await cluster.run(500);
  const third = cluster.members.find((member) => member !== leader)!;
  const others = cluster.members.filter((member) => member !== third);
  cluster.crash(third);
  await spoilLastBatch(third.disk as MemoryDisk);
  const sides = [[third.address], others.map(({ address }) => address)];
  cluster.network.partition(...sides);
  const back = await cluster.restart(third);
  await cluster.run(1_000);
  expect(await cluster.status(back)).toMatchObject({ isRecovering: true, role: "follower" });
  cluster.network.heal();
  await cluster.eventually(
    () => back.engine.stats().appliedIndex === leader.engine.stats().appliedIndex,
  );
  await cluster.run(1_000);
  expect(await cluster.status(back)).toMatchObject({ isRecovering: false });
  cluster.crash(back);
  const again = await cluster.restart(back);
  expect(await cluster.status(again)).toMatchObject({ isRecovering: false });
  await cluster.close();
});

// Seed 1026 of the simulation: a node that was added while its disk was full could not write whose it is, and stopped.
test("a node with a full disk says so, and joins when there is room (INV-GROUP-7)", async () => {
  const cluster = new TestCluster(SMALL);
  const founder = await cluster.start("n1", false);
  const waiting = await cluster.start("n2", true);
  const disk = waiting.disk as MemoryDisk;
  disk.capacityBytes = 0;
  await cluster.until(founder.engine.call("cluster_add", { address: waiting.address }));
  await cluster.run(5_000);
  expect(await cluster.status(waiting)).toMatchObject({ role: "waiting" });
  expect(waiting.fatal).toEqual([]);
  expect(waiting.alarms.filter((alarm) => alarm.includes("waits for room"))).toHaveLength(1);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  await cluster.run(3_000);
  const { clusterId } = await cluster.status(founder);
  expect(await cluster.status(waiting)).toMatchObject({ role: "learner", clusterId });
  await cluster.close();
});
