/** Leaders that are lost: what clients are told, and what is there afterwards. */
import type { LedgerError } from "@authledger/types";
import { expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import type { TransactionOutcome } from "../../../src/index.js";
import { type ClusterMember, TestCluster } from "../../cluster-support.js";
import {
  applied,
  createTuple,
  LINEARIZABLE,
  newVault,
  tupleOf,
  writeOne,
} from "../../engine-support.js";

async function isThere(cluster: TestCluster, member: ClusterMember, vault: number, doc: string) {
  const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf(doc)] };
  return (await cluster.until(member.engine.call("check", ask))).allowed[0];
}

test("the loss of the leader costs one election and no acknowledged write (Raft 5.2, 5.4.1)", async () => {
  const cluster = await TestCluster.of(3);
  const first = await cluster.leader();
  const vault = await cluster.until(newVault(first.engine));
  for (let i = 0; i < 20; i++) {
    applied(await cluster.until(writeOne(first.engine, vault, [createTuple(`doc:${i}`)])));
  }
  cluster.crash(first);
  const before = cluster.time.monotonicMs();
  await cluster.eventually(() => cluster.leaders().length > 0);
  const second = await cluster.leader();
  expect(cluster.time.monotonicMs() - before).toBeLessThan(1_500);
  for (let i = 0; i < 20; i++) expect(await isThere(cluster, second, vault, `doc:${i}`)).toBe(true);
  applied(await cluster.until(writeOne(second.engine, vault, [createTuple("doc:after")])));
  await cluster.close();
});

test("a write at a leader that has not applied what the one before left waits for that", async () => {
  const cluster = await TestCluster.of(3);
  const [first] = cluster.members;
  const vault = await cluster.until(newVault(first!.engine));
  // At once: the others have the vault in their logs, and were not told yet that it is committed.
  cluster.crash(first!);
  await cluster.eventually(() => cluster.leaders().length > 0);
  const [second] = cluster.leaders();
  applied(await cluster.until(writeOne(second!.engine, vault, [createTuple("doc:1")])));
  await cluster.close();
});

test("a follower names the leader and its address to who wants to write", async () => {
  const cluster = await TestCluster.of(3);
  const [leader, follower] = cluster.members;
  const vault = await cluster.until(newVault(leader!.engine));
  await cluster.run(200);
  const refused = await rejectedBy(writeOne(follower!.engine, vault, [createTuple("doc:1")]));
  expect(refused.code).toBe("NOT_LEADER");
  const { nodeId } = await cluster.status(leader!);
  expect(refused.details).toEqual({ leader: String(nodeId), clientAddress: "n1:7400" });
  const calls = [
    () => follower!.engine.call("create_organization", { name: "x", actor: "a" }),
    () => follower!.engine.call("cluster_add", { address: "n9:7401" }),
    () => follower!.engine.call("cluster_remove", { node: nodeId }),
  ];
  for (const call of calls) expect((await rejectedBy(call())).code).toBe("NOT_LEADER");
  await cluster.close();
});

test("a write whose leader was cut off is told that its end is not known, and happened or not on all alike (INV-GROUP-5)", async () => {
  const cluster = await TestCluster.of(3);
  const [first, ...others] = cluster.members;
  const vault = await cluster.until(newVault(first!.engine));
  cluster.network.partition(
    [first!.address],
    others.map(({ address }) => address),
  );
  const writing = writeOne(first!.engine, vault, [createTuple("doc:lost")]);
  const told: (TransactionOutcome | LedgerError)[] = [];
  writing.then(
    (outcome) => told.push(outcome),
    (error: LedgerError) => told.push(error),
  );
  await cluster.eventually(() => told.length > 0);
  expect(told[0]).toMatchObject({ kind: "refused", code: "COMMIT_UNKNOWN" });
  const second = await cluster.leader();
  expect(second).not.toBe(first);
  applied(await cluster.until(writeOne(second.engine, vault, [createTuple("doc:other")])));
  cluster.network.heal();
  await cluster.run(1_000);
  expect(cluster.leaders()).toEqual([second]);
  for (const member of cluster.members) {
    expect(await isThere(cluster, member, vault, "doc:lost")).toBe(false);
    expect(await isThere(cluster, member, vault, "doc:other")).toBe(true);
  }
  await cluster.close();
});

test("INV-GROUP-5: an entry that another leader's entry replaced is told to be safe to repeat", async () => {
  const cluster = await TestCluster.of(3);
  const [first, ...others] = cluster.members;
  const vault = await cluster.until(newVault(first!.engine));
  const sides = [[first!.address], others.map(({ address }) => address)];
  cluster.network.partition(...sides);
  const writing = rejectedBy(writeOne(first!.engine, vault, [createTuple("doc:lost")]));
  // The others elect while the old leader has not noticed; it hears of them before it gives up waiting.
  await cluster.eventually(() => cluster.leaders().some((member) => member !== first));
  const second = cluster.leaders().find((member) => member !== first)!;
  await cluster.until(writeOne(second.engine, vault, [createTuple("doc:other")]));
  cluster.network.heal();
  expect((await cluster.until(writing)).code).toBe("NOT_LEADER");
  await cluster.close();
});

test("INV-GROUP-6: a leader that was cut off answers no linearizable read (museum row 17)", async () => {
  const cluster = await TestCluster.of(3);
  const [first, ...others] = cluster.members;
  const vault = await cluster.until(newVault(first!.engine));
  cluster.network.partition(
    [first!.address],
    others.map(({ address }) => address),
  );
  const second = await (async () => {
    await cluster.eventually(() => cluster.leaders().some((member) => member !== first));
    return cluster.leaders().find((member) => member !== first)!;
  })();
  applied(await cluster.until(writeOne(second.engine, vault, [createTuple("doc:new")])));
  const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:new")] };
  const refused = await cluster.until(rejectedBy(first!.engine.call("check", ask)));
  expect(refused.code).toBe("NO_LEADER");
  cluster.network.heal();
  expect(await isThere(cluster, first!, vault, "doc:new")).toBe(true);
  await cluster.close();
});

test("a majority that is gone: no writes, reads at any age go on and say how stale they would be", async () => {
  const cluster = await TestCluster.of(3);
  const [first, second, third] = cluster.members;
  const vault = await cluster.until(newVault(first!.engine));
  applied(await cluster.until(writeOne(first!.engine, vault, [createTuple("doc:1")])));
  // Each node asks once a second how old its state is.
  await cluster.run(1_500);
  cluster.crash(first!);
  cluster.crash(second!);
  await cluster.run(3_000);
  const refused = await rejectedBy(writeOne(third!.engine, vault, [createTuple("doc:2")]));
  expect(refused.code).toBe("NO_LEADER");
  const tuples = [tupleOf("doc:1")];
  const any = (maxStalenessMs: number) => ({
    vault,
    tuples,
    consistency: { kind: "any", maxStalenessMs } as const,
  });
  expect((await third!.engine.call("check", any(0))).allowed).toEqual([true]);
  expect((await third!.engine.call("check", any(60_000))).allowed).toEqual([true]);
  const stale = await cluster.until(rejectedBy(third!.engine.call("check", any(100))));
  expect(stale.code).toBe("STALE_REPLICA");
  expect(stale.details["staleMs"]).toBeGreaterThan(2_000);
});

test("nodes that restart, one after the other and all at once, have what was acknowledged (Raft 5.1, museum row 22)", async () => {
  const cluster = await TestCluster.of(3);
  let leader = await cluster.leader();
  const vault = await cluster.until(newVault(leader.engine));
  let written = 0;
  const write = async (): Promise<void> => {
    leader = await cluster.leader();
    await cluster
      .until(writeOne(leader.engine, vault, [createTuple(`doc:${written}`)]))
      .then(applied);
    written++;
  };
  for (const name of ["n1", "n2", "n3"]) {
    await write();
    const member = cluster.members.find((one) => one.name === name)!;
    cluster.crash(member);
    await cluster.eventually(() => cluster.leaders().length > 0);
    await write();
    await cluster.restart(member);
  }
  for (const member of [...cluster.members]) cluster.crash(member);
  for (const member of [...cluster.members]) await cluster.restart(member);
  await write();
  for (const member of cluster.members) {
    for (let i = 0; i < written; i++) {
      expect(await isThere(cluster, member, vault, `doc:${i}`)).toBe(true);
    }
  }
  await cluster.close();
});

test("a node that closes hands the leadership over first: nobody waits for an election (dissertation 3.10)", async () => {
  const cluster = await TestCluster.of(3);
  const first = await cluster.leader();
  const { term } = first.engine.stats().group;
  const before = cluster.time.monotonicMs();
  await cluster.until(first.engine.close());
  expect(cluster.time.monotonicMs() - before).toBeLessThan(200);
  cluster.crash(first);
  const [second] = cluster.leaders();
  expect(second!.engine.stats().group.term).toBe(term + 1);
});
