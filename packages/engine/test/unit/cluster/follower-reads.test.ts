/** Reads on nodes that do not lead, and by lease. */
import { decodeMessage } from "@authledger/raft";
import type { Consistency, Height, LogIndex, VaultId } from "@authledger/types";
import { expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { FrameKind } from "../../../src/index.js";
import { TestCluster } from "../../cluster-support.js";
import {
  applied,
  createTuple,
  LINEARIZABLE,
  newVault,
  settle,
  tupleOf,
  writeOne,
} from "../../engine-support.js";

test("INV-GROUP-6: a follower's read sees what was acknowledged before it (dissertation 6.4)", async () => {
  const cluster = await TestCluster.of(3);
  const [leader, follower] = cluster.members;
  const vault = await cluster.until(newVault(leader!.engine));
  for (let i = 0; i < 30; i++) {
    applied(await cluster.until(writeOne(leader!.engine, vault, [createTuple(`doc:${i}`)])));
    const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf(`doc:${i}`)] };
    const { allowed } = await cluster.until(follower!.engine.call("check", ask));
    expect(allowed).toEqual([true]);
  }
  await cluster.close();
});

test("what was created through the leader is found on a follower at once", async () => {
  const cluster = await TestCluster.of(3);
  const [leader, follower] = cluster.members;
  const made = await cluster.until(
    leader!.engine.call("create_organization", { name: "acme", actor: "a" }),
  );
  const { slug: organization } = made.organization;
  const { vault } = await cluster.until(
    leader!.engine.call("create_vault", { organization, name: "v", actor: "a" }),
  );
  const names = { organization, vault: vault.slug };
  const found = await cluster.until(
    Promise.all([
      follower!.engine.call("resolve_vault", names),
      follower!.engine.call("get_vault", names),
      follower!.engine.call("list_vaults", { organization, limit: 10 }),
    ]),
  );
  expect(found[1].vault.name).toBe("v");
  expect(found[2].vaults).toHaveLength(1);
  const nobody = follower!.engine.call("resolve_vault", { organization, vault: 1n });
  expect((await cluster.until(rejectedBy(nobody))).code).toBe("VAULT_NOT_FOUND");
  await cluster.close();
});

test("a read at a point waits for it, up to its deadline", async () => {
  const cluster = await TestCluster.of(3);
  const [leader, follower] = cluster.members;
  const vault = await cluster.until(newVault(leader!.engine));
  await cluster.run(300);
  cluster.network.lose = (_, to, frame) =>
    frame.kind === FrameKind.raft && to === follower!.engine.identity.nodeId;
  applied(await cluster.until(writeOne(leader!.engine, vault, [createTuple("doc:1")])));
  const { appliedIndex } = leader!.engine.stats();
  const point = { vault: vault as VaultId, height: 1 as Height, index: appliedIndex as LogIndex };
  const consistency: Consistency = { kind: "at_least", point };
  const ask = { vault, consistency, tuples: [tupleOf("doc:1")] };
  const deadline = cluster.time.monotonicMs() + 200;
  const late = rejectedBy(follower!.engine.call("check", ask, deadline));
  expect((await cluster.until(late)).code).toBe("STALE_REPLICA");
  const waiting = follower!.engine.call("check", ask);
  cluster.network.lose = () => false;
  expect((await cluster.until(waiting)).allowed).toEqual([true]);
  await cluster.close();
});

/*
 * A client had seen a head of two blocks, and asked a follower that had one of them how an older head leads to it. The follower said that
 * there is no such size, which a client takes for a head that the ledger has signed and then denied: a fork.
 */
test("a follower that is behind does not deny a size of the history: it waits, or says that it is behind", async () => {
  const cluster = await TestCluster.of(3);
  const [leader, follower] = cluster.members;
  const vault = await cluster.until(newVault(leader!.engine));
  await cluster.run(300);
  cluster.network.lose = (_, to, frame) =>
    frame.kind === FrameKind.raft && to === follower!.engine.identity.nodeId;
  applied(await cluster.until(writeOne(leader!.engine, vault, [createTuple("doc:1")])));
  const sizes = { vault, fromSize: 1, toSize: 2 };
  const { proof } = await cluster.until(leader!.engine.call("get_consistency_proof", sizes));
  expect(proof).toHaveLength(1);
  const deadline = cluster.time.monotonicMs() + 200;
  const late = rejectedBy(follower!.engine.call("get_consistency_proof", sizes, deadline));
  expect((await cluster.until(late)).row.grpc).toBe("UNAVAILABLE");
  const waiting = follower!.engine.call("get_consistency_proof", sizes);
  cluster.network.lose = () => false;
  expect((await cluster.until(waiting)).proof).toEqual(proof);
  // What no node has was never signed, and every node may say so.
  for (const { engine } of cluster.members) {
    const beyond = rejectedBy(engine.call("get_consistency_proof", { ...sizes, toSize: 3 }));
    expect((await cluster.until(beyond)).code).toBe("INVALID_ARGUMENT");
  }
  await cluster.close();
});

// Heartbeats said no more than what the follower had itself, and counted as the leader's word that it was not behind.
test("INV-GROUP-9: a follower that gets heartbeats and no entries does not pass for fresh", async () => {
  const cluster = await TestCluster.of(3);
  const [leader, follower] = cluster.members;
  const vault = await cluster.until(newVault(leader!.engine));
  await cluster.run(1_500);
  cluster.network.lose = (_, to, { kind, payload }) =>
    kind === FrameKind.raft &&
    to === follower!.engine.identity.nodeId &&
    decodeMessage(payload).type === "append";
  applied(await cluster.until(writeOne(leader!.engine, vault, [createTuple("doc:1")])));
  await cluster.run(2_000);
  const consistency: Consistency = { kind: "any", maxStalenessMs: 1_500 };
  const ask = { vault, consistency, tuples: [tupleOf("doc:1")] };
  const stale = await cluster.until(rejectedBy(follower!.engine.call("check", ask)));
  expect(stale.code).toBe("STALE_REPLICA");
  cluster.network.lose = () => false;
  expect((await cluster.until(follower!.engine.call("check", ask))).allowed).toEqual([true]);
  await cluster.close();
});

// A leader counted as fresh as long as it took itself for one: longer than the others need to elect another.
test("INV-GROUP-9: a leader that was cut off, and does not know of the next one, answers no read of a smaller age", async () => {
  const cluster = await TestCluster.of(3);
  const first = await cluster.leader();
  const others = cluster.members.filter((member) => member !== first);
  const vault = await cluster.until(newVault(first.engine));
  await cluster.run(1_500);
  cluster.network.partition(
    [first.address],
    others.map(({ address }) => address),
  );
  // It stood still meanwhile.
  const role = first.engine.stats().group.role;
  cluster.time.skipTo(cluster.time.monotonicMs() + 2_500);
  expect(role).toBe("leader");
  const consistency: Consistency = { kind: "any", maxStalenessMs: 2_000 };
  const ask = { vault, consistency, tuples: [tupleOf("doc:1")] };
  const late = rejectedBy(Promise.resolve(first.engine.call("check", ask)));
  expect((await cluster.until(late)).code).toBe("STALE_REPLICA");
  await cluster.close();
});

test("reads of one turn cost one round of heartbeats, however many they are", async () => {
  const cluster = await TestCluster.of(3);
  const [leader] = cluster.members;
  const vault = await cluster.until(newVault(leader!.engine));
  await cluster.run(300);
  const before = cluster.network.sent.get(FrameKind.raft) ?? 0;
  const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:1")] };
  const reads = Array.from({ length: 500 }, () => leader!.engine.call("check", ask));
  await settle(10);
  expect((await Promise.all(reads)).every(({ allowed }) => allowed[0] === false)).toBe(true);
  // Two heartbeats and their answers.
  expect((cluster.network.sent.get(FrameKind.raft) ?? 0) - before).toBe(4);
  await cluster.close();
});

test("by lease a leader asks nobody, and stops to when its process stood still (museum row 16)", async () => {
  const cluster = new TestCluster({}, { readMode: "lease" });
  const leader = await cluster.start("n1", false);
  await cluster.start("n2", true);
  await cluster.start("n3", true);
  const addresses = ["n2:7401", "n3:7401"];
  await cluster.until(leader.engine.call("cluster_init", { addresses }));
  const vault = await cluster.until(newVault(leader.engine));
  await cluster.run(500);
  const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:1")] };
  const before = cluster.network.sent.get(FrameKind.raft) ?? 0;
  const read = leader.engine.call("check", ask);
  await settle(3);
  expect((await read).allowed).toEqual([false]);
  expect(cluster.network.sent.get(FrameKind.raft)).toBe(before);
  // The others have elected by now, for all that this leader knows.
  cluster.network.partition([leader.address], addresses);
  cluster.time.skipTo(cluster.time.monotonicMs() + 2_000);
  const late = leader.engine.call("check", ask);
  let isAnswered = false;
  late.then(
    () => {
      isAnswered = true;
    },
    () => undefined,
  );
  await settle(5);
  expect(isAnswered).toBe(false);
  await cluster.run(1_000);
  expect(cluster.leaders().map(({ name }) => name)).not.toContain("n1");
  cluster.network.heal();
  expect((await cluster.until(late)).allowed).toEqual([false]);
});
