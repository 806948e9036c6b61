/** Nodes that begin a cluster or are taken into one: which of the two, when both are tried, and what a failed attempt leaves. */
import { FaultyDisk, MemoryDisk, readFile } from "@authledger/io";
import { toHex } from "@authledger/types";
import { expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { readNodeIdentity } from "../../../src/node-directory.js";
import { type ClusterMember, TestCluster } from "../../cluster-support.js";
import {
  applied,
  createTuple,
  DIRECTORY,
  newVault,
  settle,
  writeOne,
} from "../../engine-support.js";
import { GateDisk } from "../../gate-disk.js";

/** A cluster of one and a node that waits, whose disk can be told to be slow with some files. */
async function founderAndWaiting(slow: string): Promise<{
  readonly cluster: TestCluster;
  readonly founder: ClusterMember;
  readonly waiting: ClusterMember;
  readonly disk: GateDisk;
}> {
  const cluster = new TestCluster();
  const founder = await cluster.start("n1", false);
  const disk = new GateDisk(new MemoryDisk(), (path) => path.includes(slow));
  const waiting = await cluster.start("n2", true, disk);
  return { cluster, founder, waiting, disk };
}

async function clusterOnDisk({ disk }: ClusterMember): Promise<string | undefined> {
  return (await readNodeIdentity(DIRECTORY, disk)).clusterId;
}

// The story: `cluster init` was called on a node, and `cluster add` of it elsewhere. Both wrote node.json, and the node led a
// cluster of its own with the other one's leader connected: a log of both, or the end of the process.
test("a node that begins a cluster is taken in by none meanwhile, and drops the frames of others (INV-GROUP-7)", async () => {
  const { cluster, founder, waiting, disk } = await founderAndWaiting("log.seed");
  disk.shut();
  const begun = waiting.engine.call("cluster_init", { addresses: [] });
  await settle(8);
  expect(disk.held).toBe(1);
  await cluster.until(founder.engine.call("cluster_add", { address: waiting.address }));
  await cluster.run(2_000);
  disk.release();
  const { clusterId } = await cluster.until(begun);
  await cluster.run(5_000);
  expect(clusterId).not.toBe((await cluster.status(founder)).clusterId);
  expect(await clusterOnDisk(waiting)).toBe(clusterId);
  for (const member of cluster.members) {
    expect(await cluster.status(member)).toMatchObject({ role: "leader" });
    const vault = await cluster.until(newVault(member.engine));
    applied(await cluster.until(writeOne(member.engine, vault, [createTuple("doc:1")])));
    expect(member.fatal).toEqual([]);
  }
  await cluster.close();
});

test("a node that is being taken in begins no cluster (INV-GROUP-7)", async () => {
  const { cluster, founder, waiting, disk } = await founderAndWaiting("node.json");
  disk.shut();
  await cluster.until(founder.engine.call("cluster_add", { address: waiting.address }));
  await cluster.eventually(() => disk.held > 0);
  const { clusterId } = await cluster.status(founder);
  const refused = rejectedBy(waiting.engine.call("cluster_init", { addresses: [] }));
  await cluster.run(500);
  disk.release();
  expect(await cluster.until(refused)).toMatchObject({
    code: "CLUSTER_MISMATCH",
    details: { clusterId },
  });
  await cluster.run(2_000);
  expect(await clusterOnDisk(waiting)).toBe(clusterId);
  expect(await cluster.status(waiting)).toMatchObject({ role: "learner", clusterId });
  expect(waiting.fatal).toEqual([]);
  await cluster.close();
});

/** A node that waits and has failed to begin a cluster, since node.json could not be written. */
async function failedBeginning(): Promise<{
  readonly cluster: TestCluster;
  readonly failed: ClusterMember;
}> {
  let isFull = true;
  const disk = new FaultyDisk(new MemoryDisk(), ({ kind, path }) =>
    isFull && kind === "write" && path.includes("node.json")
      ? { kind: "fail", full: true }
      : undefined,
  );
  const cluster = new TestCluster();
  isFull = false;
  const failed = await cluster.start("n1", true, disk);
  isFull = true;
  const refused = rejectedBy(failed.engine.call("cluster_init", { addresses: [] }));
  expect(await cluster.until(refused)).toMatchObject({ code: "DISK_FULL" });
  isFull = false;
  return { cluster, failed };
}

// The story: the first of the others could not write whose it is. The beginning ended there, each time, and the third node, with
// which there would have been a majority, was never taken in.
test("a node that cannot be taken in keeps none behind it out", async () => {
  const cluster = new TestCluster();
  const first = await cluster.start("n1", true);
  let isFull = false;
  const disk = new FaultyDisk(new MemoryDisk(), ({ kind, path }) =>
    isFull && kind === "write" && path.includes("node.json")
      ? { kind: "fail", full: true }
      : undefined,
  );
  const second = await cluster.start("n2", true, disk);
  const third = await cluster.start("n3", true);
  isFull = true;
  const addresses = ["nobody:7401", second.address, third.address];
  const refused = rejectedBy(first.engine.call("cluster_init", { addresses }));
  // The first that was met, whatever came behind it.
  expect(await cluster.until(refused, 90_000)).toMatchObject({ code: "UNAVAILABLE" });
  const voters = async (): Promise<string[]> => {
    const { members } = await cluster.status(first);
    return members.filter(({ role }) => role === "voter").map(({ info }) => info.name);
  };
  expect((await voters()).sort()).toEqual(["n1", "n3"]);
  isFull = false;
  await cluster.until(first.engine.call("cluster_init", { addresses: addresses.slice(1) }));
  expect((await voters()).sort()).toEqual(["n1", "n2", "n3"]);
  expect(cluster.members.flatMap(({ fatal }) => fatal)).toEqual([]);
  await cluster.close();
});

async function logSeedOf({ disk }: ClusterMember): Promise<string> {
  return toHex(await readFile(disk, `${DIRECTORY}/keys/log.seed`));
}

test("a node that was found while it began a cluster is taken in when that fails", async () => {
  const cluster = new TestCluster();
  const founder = await cluster.start("n1", false);
  let isFull = false;
  const gate = new GateDisk(new MemoryDisk(), (path) => path.includes("log.seed"));
  const disk = new FaultyDisk(gate, ({ kind, path }) =>
    isFull && kind === "write" && path.includes("node.json")
      ? { kind: "fail", full: true }
      : undefined,
  );
  const waiting = await cluster.start("n2", true, disk);
  gate.shut();
  isFull = true;
  const refused = rejectedBy(waiting.engine.call("cluster_init", { addresses: [] }));
  await cluster.until(founder.engine.call("cluster_add", { address: waiting.address }));
  await cluster.run(1_000);
  gate.release();
  expect(await cluster.until(refused)).toMatchObject({ code: "DISK_FULL" });
  isFull = false;
  await cluster.run(3_000);
  const { clusterId } = await cluster.status(founder);
  expect(await cluster.status(waiting)).toMatchObject({ role: "learner", clusterId });
  expect([waiting.fatal, founder.fatal]).toEqual([[], []]);
  await cluster.close();
});

// The story: a beginning had written its log seed, and then the disk was full. Another node began instead and took this one
// in, which "had" a seed, asked for none, and signed as leader with a log key that no policy names.
test.each([
  ["at once", false],
  ["after it was started again", true],
])(
  "a node that failed to begin, taken in by another %s, has the log seed of that one",
  async (_, isAgain) => {
    const { cluster, failed } = await failedBeginning();
    let first = failed;
    if (isAgain) {
      await cluster.until(failed.engine.close());
      cluster.members.splice(0);
      first = await cluster.start("n1", true, failed.disk);
    }
    const second = await cluster.start("n2", true);
    const addresses = [first.address];
    await cluster.until(second.engine.call("cluster_init", { addresses }));
    await cluster.run(1_500);
    expect(await logSeedOf(first)).toBe(await logSeedOf(second));
    const key = (member: ClusterMember) => toHex(member.engine.clusterKey("test")!);
    expect(key(first)).toBe(key(second));
    await cluster.close();
  },
);

// The story: the lock was released while node.json was being written. A node that was started at once noted its peers there, and the
// late write of the one before it said again that it had none.
test.each(["log.seed", "node.json"])(
  "close waits for a write of %s, and nothing is written behind it (INV-GROUP-8)",
  async (slow) => {
    const { cluster, waiting, disk } = await founderAndWaiting(slow);
    disk.shut();
    const refused = rejectedBy(waiting.engine.call("cluster_init", { addresses: [] }));
    await settle(8);
    expect(disk.held).toBe(1);
    let isClosed = false;
    const closing = waiting.engine.close().then(() => {
      isClosed = true;
    });
    await cluster.run(2_000);
    expect(isClosed).toBe(false);
    disk.pass();
    await cluster.until(closing);
    expect(disk.held).toBe(0);
    const left = await disk.list(DIRECTORY);
    expect(left.filter((name) => name.endsWith(".new"))).toEqual([]);
    disk.release();
    expect(["SHUTTING_DOWN", "NO_LEADER"]).toContain((await cluster.until(refused)).code);
    expect(waiting.fatal).toEqual([]);
  },
);
