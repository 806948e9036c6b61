/** Nodes of a cluster whose disks are full, or have lost the end of a log. */
import { FaultyDisk, MemoryDisk } from "@authledger/io";
import type { NodeId } from "@authledger/types";
import { expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { type NodeIdentity, readNodeIdentity } from "../../../src/node-directory.js";
import { type ClusterMember, spoilLastBatch, TestCluster } from "../../cluster-support.js";
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

/** What a node's disk says of it. */
async function identityOf({ disk }: ClusterMember): Promise<NodeIdentity> {
  return readNodeIdentity(DIRECTORY, disk);
}

function setFull({ disk }: ClusterMember, isFull: boolean): void {
  (disk as MemoryDisk).capacityBytes = isFull ? 0 : Number.POSITIVE_INFINITY;
}

/** A founder, and a node that was added and has everything. */
async function founderAndLearner(): Promise<{
  readonly cluster: TestCluster;
  readonly founder: ClusterMember;
  readonly learner: ClusterMember;
  readonly node: NodeId;
}> {
  const cluster = new TestCluster();
  const founder = await cluster.start("n1", false);
  const learner = await cluster.start("n2", true);
  const { member } = await cluster.until(
    founder.engine.call("cluster_add", { address: learner.address }),
  );
  await cluster.run(2_000);
  return { cluster, founder, learner, node: member.nodeId };
}

const votersOf = async (cluster: TestCluster, member: ClusterMember): Promise<number> =>
  (await cluster.status(member)).members.filter(({ role }) => role === "voter").length;

// Seed 3001 of the simulation: the founder's disk was full when its second voter was in force; it could not note that it has
// peers, and stopped. Worse, a founder that lost its power between the two took an unreadable end of its log for its own.
test("a founder notes that it will have peers before it has any, or refuses the voter (INV-GROUP-8)", async () => {
  const { cluster, founder, node } = await founderAndLearner();
  expect((await identityOf(founder)).hasPeers).toBeUndefined();
  setFull(founder, true);
  const refused = founder.engine.call("cluster_promote", { node });
  expect(await cluster.until(rejectedBy(refused))).toMatchObject({ code: "DISK_FULL" });
  expect(await votersOf(cluster, founder)).toBe(1);
  expect((await identityOf(founder)).hasPeers).toBeUndefined();
  setFull(founder, false);
  await cluster.until(founder.engine.call("cluster_promote", { node }));
  expect(await votersOf(cluster, founder)).toBe(2);
  expect((await identityOf(founder)).hasPeers).toBe(true);
  expect(founder.fatal).toEqual([]);
  await cluster.close();
});

test("a node that is alone again notes it when there is room", async () => {
  const { cluster, founder, node } = await founderAndLearner();
  await cluster.until(founder.engine.call("cluster_promote", { node }));
  setFull(founder, true);
  await cluster.until(founder.engine.call("cluster_remove", { node }));
  await cluster.run(3_000);
  expect((await identityOf(founder)).hasPeers).toBe(true);
  expect(founder.fatal).toEqual([]);
  setFull(founder, false);
  await cluster.run(1_500);
  expect((await identityOf(founder)).hasPeers).toBeUndefined();
  await cluster.close();
});

/** A cluster of one that is being begun, on a disk that can be told to have no room for a name. */
async function beginning(): Promise<{
  readonly cluster: TestCluster;
  readonly first: ClusterMember;
  readonly init: () => Promise<unknown>;
  refuse(writes: string | undefined): void;
}> {
  let refused: string | undefined;
  const disk = new FaultyDisk(new MemoryDisk(), ({ kind, path }) =>
    kind === "write" && refused !== undefined && path.includes(refused)
      ? { kind: "fail", full: true }
      : undefined,
  );
  const cluster = new TestCluster();
  const first = await cluster.start("n1", true, disk);
  const init = (): Promise<unknown> => first.engine.call("cluster_init", { addresses: [] });
  return {
    cluster,
    first,
    init,
    refuse: (writes) => {
      refused = writes;
    },
  };
}

test("a cluster is begun by the next attempt where the disk was full, and once by attempts at the same time", async () => {
  const { cluster, first, init, refuse } = await beginning();
  refuse("node.json");
  expect(await cluster.until(rejectedBy(init()))).toMatchObject({ code: "DISK_FULL" });
  expect(await cluster.status(first)).toMatchObject({ role: "waiting" });
  refuse(undefined);
  const [one, two] = await cluster.until(Promise.all([init(), init()]));
  expect(one).toEqual(two);
  await cluster.until(newVault(first.engine));
  expect(first.fatal).toEqual([]);
  await cluster.close();
});

// The story: a follower was behind, and what it lacked could not be read. The log was dead, and the writes in flight, which another
// follower had and would commit, were answered as if they could never happen: clients did something else instead.
test("a leader that cannot read its log does not say of writes in flight that they never happen", async () => {
  const cluster = await TestCluster.of(3);
  const first = await cluster.leader();
  const vault = await cluster.until(newVault(first.engine));
  const behind = cluster.members.find((member) => member !== first)!;
  await cluster.run(500);
  cluster.crash(behind);
  await writeMany(cluster, vault, 0, 5);
  await cluster.run(500);
  // What they have applied is not read again: nothing of the log is in their memory.
  let isBroken = false;
  for (const member of cluster.members.filter((one) => one !== behind)) {
    await cluster.until(member.engine.close());
    cluster.crash(member);
    cluster.members.splice(cluster.members.indexOf(member), 1);
    const disk = new FaultyDisk(member.disk, ({ kind, path }) =>
      isBroken && kind === "read" && path.endsWith(".seg") ? { kind: "fail" } : undefined,
    );
    await cluster.start(member.name, true, disk);
  }
  const leader = await cluster.leader();
  isBroken = true;
  const { nodeId: node } = await cluster.status(leader);
  const other = await cluster.status(cluster.alive.find((member) => member !== leader)!);
  cluster.network.lose = (from, to) => from === other.nodeId && to === node;
  const writing = writeOne(leader.engine, vault, [createTuple("doc:last")]);
  await cluster.restart(behind);
  const outcome = await cluster.until(writing);
  expect(leader.fatal.map(({ code }) => code)).toEqual(["IO_READ_FAILED"]);
  expect(outcome).toMatchObject({ code: "NODE_STOPPED", details: { reason: "IO_READ_FAILED" } });
  cluster.crash(leader);
  await cluster.close();
});
