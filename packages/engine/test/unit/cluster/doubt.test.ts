/** Nodes that may have lost the end of their log around the moment when others come to vote, or vote no more. */
import { type Disk, FaultyDisk, MemoryDisk, SeededRandom } from "@authledger/io";
import { decodeMessage } from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import { expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { FrameKind } from "../../../src/index.js";
import { readNodeIdentity, writeIdentity } from "../../../src/node-directory.js";
import { type ClusterMember, spoilLastBatch, TestCluster } from "../../cluster-support.js";
import { applied, createTuple, DIRECTORY, newVault, writeOne } from "../../engine-support.js";
import { GateDisk } from "../../gate-disk.js";

/** A founder, and a node that was added and has everything. */
async function founderAndLearner(disk: Disk = new MemoryDisk()): Promise<{
  readonly cluster: TestCluster;
  readonly founder: ClusterMember;
  readonly learner: ClusterMember;
  readonly node: NodeId;
  readonly vault: number;
}> {
  const cluster = new TestCluster();
  const founder = await cluster.start("n1", false, disk);
  const learner = await cluster.start("n2", true);
  const { member } = await cluster.until(
    founder.engine.call("cluster_add", { address: learner.address }),
  );
  const vault = await cluster.until(newVault(founder.engine));
  await cluster.run(2_000);
  return { cluster, founder, learner, node: member.nodeId, vault };
}

/** Loses power, and the last batch of its log; nobody hears it before the links are mended. */
async function restartWithoutEnd(
  cluster: TestCluster,
  member: ClusterMember,
): Promise<ClusterMember> {
  cluster.crash(member);
  await spoilLastBatch(member.disk as MemoryDisk);
  const others = cluster.members.filter((other) => other !== member);
  cluster.network.partition(
    [member.address],
    others.map(({ address }) => address),
  );
  const back = await cluster.restart(member);
  await cluster.run(3_000);
  return back;
}

async function write(cluster: TestCluster, { engine }: ClusterMember, vault: number, doc: string) {
  applied(await cluster.until(writeOne(engine, vault, [createTuple(doc)])));
}

/*
 * What was flushed had two voters, so the end of the log was a doubt; the removal of the other one was applied from the log.
 * The group was alone then and ended the doubt on the disk, but the core was not told: it never stood, and open() turned for ever.
 */
test("a node that is alone again starts where the end of its log is torn", async () => {
  const { cluster, founder, node, vault } = await founderAndLearner();
  await cluster.until(founder.engine.call("cluster_promote", { node }));
  await write(cluster, founder, vault, "doc:0");
  await cluster.run(40_000);
  await cluster.until(founder.engine.call("cluster_remove", { node }));
  await cluster.run(100);
  for (let i = 1; i < 4; i++) await write(cluster, founder, vault, `doc:${i}`);
  const back = await restartWithoutEnd(cluster, founder);
  expect(await cluster.status(back)).toMatchObject({ role: "leader", isRecovering: false });
  await write(cluster, back, vault, "doc:4");
  await cluster.close();
});

/*
 * A founder began a cluster, and lost its power and its last batch before its page store was flushed: there it still is the only
 * voter. It took itself for one, voted and stood, though the others may have counted on what it lost.
 */
test("a founder whose flushed state knows of no other voter is in doubt all the same", async () => {
  const cluster = await TestCluster.of(3);
  const founder = cluster.members[0]!;
  const vault = await cluster.until(newVault(founder.engine));
  for (let i = 0; i < 3; i++) await write(cluster, founder, vault, `doc:${i}`);
  const back = await restartWithoutEnd(cluster, founder);
  expect(await cluster.status(back)).toMatchObject({ role: "follower", isRecovering: true });
  const leader = await cluster.leader();
  await write(cluster, leader, vault, "doc:3");
  cluster.network.heal();
  await cluster.run(3_000);
  expect(await cluster.status(back)).toMatchObject({ isRecovering: false });
  expect(back.engine.stats().appliedIndex).toBe(leader.engine.stats().appliedIndex);
  expect(cluster.members.flatMap(({ fatal }) => fatal)).toEqual([]);
  await cluster.close();
});

/* Only the node itself knew, which nobody asks where there is a leader: an operator saw a cluster in which all was well. */
test("the leader tells of a voter that it recovers, and tells so no more when that is over", async () => {
  const cluster = await TestCluster.of(3);
  const leader = await cluster.leader();
  const back = await restartWithoutEnd(
    cluster,
    cluster.members.find((member) => member !== leader)!,
  );
  const { nodeId: node } = await cluster.status(back);
  const told = async (by: ClusterMember): Promise<boolean | undefined> => {
    const { members } = await cluster.status(by);
    return members.find(({ info }) => info.nodeId === node)!.isRecovering;
  };
  // What would end the doubt is lost.
  cluster.network.lose = (_from, _to, { kind, payload }) =>
    kind === FrameKind.raft && decodeMessage(payload).type === "read-response";
  cluster.network.heal();
  await cluster.run(2_000);
  const other = cluster.members.find((member) => member !== leader && member !== back)!;
  expect([await told(leader), await told(back), await told(other)]).toEqual([
    true,
    true,
    undefined,
  ]);
  cluster.network.lose = () => false;
  await cluster.run(3_000);
  expect([await told(leader), await told(back)]).toEqual([false, false]);
  await cluster.close();
});

/* It counted the voters, and did not look who the only one is: it never told the leader that it had lost what it acknowledged. */
test("a learner of a group with one voter is in doubt, and recovers from its leader", async () => {
  const { cluster, founder, learner, vault } = await founderAndLearner();
  await write(cluster, founder, vault, "doc:0");
  await cluster.run(40_000);
  for (let i = 1; i < 4; i++) await write(cluster, founder, vault, `doc:${i}`);
  await cluster.run(200);
  const back = await restartWithoutEnd(cluster, learner);
  expect(await cluster.status(back)).toMatchObject({ role: "learner", isRecovering: true });
  cluster.network.heal();
  await cluster.run(3_000);
  expect(await cluster.status(back)).toMatchObject({ role: "learner", isRecovering: false });
  expect(back.engine.stats().appliedIndex).toBe(founder.engine.stats().appliedIndex);
  await cluster.close();
});

/*
 * The founder lost the very batch with the promotion, found itself alone and ended its doubt whatever node.json said: it wrote
 * other entries where the new voter had committed ones, and that stopped for good.
 */
test("INV-GROUP-10: a founder that lost the promotion of another does not lead beside it", async () => {
  const { cluster, founder, learner, node } = await founderAndLearner();
  await cluster.until(founder.engine.call("cluster_promote", { node }));
  await cluster.run(50);
  const back = await restartWithoutEnd(cluster, founder);
  expect(await cluster.status(back)).toMatchObject({ role: "follower", isRecovering: true });
  cluster.network.heal();
  await cluster.run(5_000);
  expect(await cluster.status(back)).toMatchObject({ role: "follower", isRecovering: true });
  expect([...back.fatal, ...learner.fatal]).toEqual([]);
  await cluster.close();
});

/*
 * The promotion left beside the founder's sync, in which the power was lost: the learner had it, and the founder did not. The learner
 * could not say that it does not vote, and did not vote either: nobody led, for good, though nothing was missing.
 */
test("INV-GROUP-12: a founder whose power fails in the sync of a promotion leads again, since nobody else has it", async () => {
  const gate = new GateDisk();
  const { cluster, founder, learner, node, vault } = await founderAndLearner(gate);
  await write(cluster, founder, vault, "doc:0");
  await cluster.run(500);
  gate.shut();
  founder.engine.call("cluster_promote", { node }).catch(() => undefined);
  await cluster.run(500);
  expect(gate.held).toBe(1);
  cluster.crash(founder);
  const torn = (gate.below as MemoryDisk).crash(new SeededRandom(7), { unsynced: "kept" });
  await spoilLastBatch(torn);
  expect((await readNodeIdentity(DIRECTORY, torn)).hasPeers).toBe(true);
  cluster.members.splice(cluster.members.indexOf(founder), 1);
  const back = await cluster.start("n1", true, torn);
  await cluster.run(3_000);
  expect(await cluster.status(back)).toMatchObject({ role: "leader", isRecovering: false });
  await write(cluster, back, vault, "doc:1");
  await cluster.until(back.engine.call("cluster_promote", { node }));
  await cluster.run(1_000);
  expect(await cluster.status(learner)).toMatchObject({ role: "follower" });
  await cluster.close();
});

test("INV-GROUP-10: a founder that noted peers, and has none, leads when all members have said that they do not vote", async () => {
  const { cluster, founder, learner, vault } = await founderAndLearner();
  const identity = await readNodeIdentity(DIRECTORY, founder.disk);
  await write(cluster, founder, vault, "doc:1");
  await writeIdentity(DIRECTORY, { ...identity, hasPeers: true }, founder.disk);
  const back = await restartWithoutEnd(cluster, founder);
  expect(await cluster.status(back)).toMatchObject({ role: "follower", isRecovering: true });
  expect(back.alarms.filter((alarm) => alarm.includes("waits for word of"))).toHaveLength(1);
  expect((await readNodeIdentity(DIRECTORY, back.disk)).hasPeers).toBe(true);
  cluster.network.heal();
  await cluster.run(3_000);
  expect(await cluster.status(back)).toMatchObject({ role: "leader", isRecovering: false });
  await write(cluster, back, vault, "doc:2");
  await cluster.run(1_000);
  expect(learner.engine.stats().appliedIndex).toBe(back.engine.stats().appliedIndex);
  expect((await readNodeIdentity(DIRECTORY, back.disk)).hasPeers).toBeUndefined();
  await cluster.close();
});

test("a founder that noted peers and has no other member leads at once", async () => {
  const cluster = new TestCluster();
  const founder = await cluster.start("n1", false);
  const vault = await cluster.until(newVault(founder.engine));
  await write(cluster, founder, vault, "doc:1");
  const identity = await readNodeIdentity(DIRECTORY, founder.disk);
  await writeIdentity(DIRECTORY, { ...identity, hasPeers: true }, founder.disk);
  const back = await restartWithoutEnd(cluster, founder);
  expect(await cluster.status(back)).toMatchObject({ role: "leader", isRecovering: false });
  await cluster.close();
});

/*
 * The node met a failure of its disk while the promotion was in its log: the call failed, so it noted that it has no peers. Its
 * next life would have applied the promotion with that on its disk.
 */
test("a founder that dies while it makes another a voter goes on saying that it may have peers (INV-GROUP-8)", async () => {
  let isBroken = false;
  const disk = new FaultyDisk(new MemoryDisk(), ({ kind, path }) =>
    isBroken && kind === "sync" && path.endsWith(".seg") ? { kind: "fail" } : undefined,
  );
  const { cluster, founder, node } = await founderAndLearner(disk);
  isBroken = true;
  const promoted = founder.engine.call("cluster_promote", { node });
  await cluster.until(rejectedBy(promoted));
  await cluster.run(2_000);
  expect(founder.fatal.map(({ code }) => code)).toEqual(["SYNC_FAILED"]);
  expect((await readNodeIdentity(DIRECTORY, founder.disk)).hasPeers).toBe(true);
});
