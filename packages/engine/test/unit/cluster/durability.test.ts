/** What is on the disk of whom before anything is said, and how many syncs that takes. */
import { expect, test } from "vitest";
import { type ClusterMember, TestCluster } from "../../cluster-support.js";
import { applied, createTuple, newVault, settle, writeOne } from "../../engine-support.js";
import { GateDisk } from "../../gate-disk.js";

interface Gated {
  readonly cluster: TestCluster;
  readonly vault: number;
  readonly members: readonly ClusterMember[];
  readonly gates: readonly GateDisk[];
}

/** Three nodes whose log syncs can be held back. The first one leads. */
async function gated(): Promise<Gated> {
  const gates = [new GateDisk(), new GateDisk(), new GateDisk()];
  const cluster = new TestCluster();
  for (const [i, gate] of gates.entries()) await cluster.start(`n${i + 1}`, i > 0, gate);
  const addresses = cluster.members.map(({ address }) => address);
  const [first] = cluster.members;
  await cluster.until(first!.engine.call("cluster_init", { addresses }));
  const vault = await cluster.until(newVault(first!.engine));
  await cluster.run(2_500);
  // Policies that followed the voters in the middle of a test were entries and syncs that it had not asked for.
  expect(first!.engine.stats().arePoliciesSettled).toBe(true);
  return { cluster, vault, members: cluster.members, gates };
}

test("INV-GROUP-2: no reply before a majority has synced, whoever they are (Raft 5.3, museum row 13)", async () => {
  const { cluster, vault, members, gates } = await gated();
  const majorities = [
    [0, 1],
    [0, 2],
    [1, 0],
    [2, 0],
  ] as const;
  for (const [number, [one, other]] of majorities.entries()) {
    for (const gate of gates) gate.shut();
    let isAnswered = false;
    const writing = writeOne(members[0]!.engine, vault, [createTuple(`doc:${number}`)]).then(
      (outcome) => {
        isAnswered = true;
        return outcome;
      },
    );
    await settle(30);
    expect(gates.map(({ held }) => held)).toEqual([1, 1, 1]);
    gates[one]!.release();
    await settle(30);
    expect(isAnswered).toBe(false);
    gates[other]!.release();
    applied(await cluster.until(writing));
    for (const gate of gates) gate.release();
    await cluster.run(100);
  }
  await cluster.close();
});

test("two followers that have synced commit what the leader's own disk has not (Raft 10.2.1)", async () => {
  const { cluster, vault, members, gates } = await gated();
  gates[0]!.shut();
  const writing = writeOne(members[0]!.engine, vault, [createTuple("doc:1")]);
  await settle(40);
  const { group, appliedIndex } = members[0]!.engine.stats();
  expect([group.commitIndex, appliedIndex]).toEqual([group.lastIndex, group.lastIndex - 1]);
  // It is committed; the leader answers when it has applied it, from its own log.
  gates[0]!.release();
  applied(await cluster.until(writing));
  await cluster.run(200);
  const indexes = members.map(({ engine }) => engine.stats().appliedIndex);
  expect(new Set(indexes).size).toBe(1);
  await cluster.close();
});

test("INV-GROUP-4: one sync for each batch on each node, beside each other (raft.md, where the syncs are)", async () => {
  const { cluster, vault, members } = await gated();
  const before = members.map(({ engine }) => engine.stats().wal);
  const count = 40;
  for (let i = 0; i < count; i++) {
    applied(await cluster.until(writeOne(members[0]!.engine, vault, [createTuple(`doc:${i}`)])));
  }
  for (const [i, { engine }] of members.entries()) {
    const { batches, records } = engine.stats().wal;
    expect(batches - before[i]!.batches).toBe(count);
    // Entries; nothing else is written for a write.
    expect(records - before[i]!.records).toBeGreaterThanOrEqual(count);
  }
  await cluster.close();
});

test("writes that come together are one entry and one sync on each node", async () => {
  const { cluster, vault, members } = await gated();
  const before = members.map(({ engine }) => engine.stats().wal.batches);
  const writing = Array.from({ length: 200 }, (_, i) =>
    writeOne(members[0]!.engine, vault, [createTuple(`doc:${i}`)]),
  );
  for (const outcome of await cluster.until(Promise.all(writing))) applied(outcome);
  const spent = members.map(({ engine }, i) => engine.stats().wal.batches - before[i]!);
  for (const batches of spent) expect(batches).toBeLessThanOrEqual(3);
  await cluster.close();
});
