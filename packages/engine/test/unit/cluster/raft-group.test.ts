/** Three engines as one cluster: what each promises to the others and to clients. */
import { expect, test } from "vitest";
import { TestCluster } from "../../cluster-support.js";
import {
  applied,
  createTuple,
  LINEARIZABLE,
  newVault,
  tupleOf,
  writeOne,
} from "../../engine-support.js";

test("a founder takes in two nodes that wait, and all three apply the same entries (Raft 5.3)", async () => {
  const cluster = await TestCluster.of(3);
  const [n1, n2, n3] = cluster.members;
  const vault = await cluster.until(newVault(n1!.engine));
  applied(await cluster.until(writeOne(n1!.engine, vault, [createTuple("doc:1")])));
  await cluster.run(200);
  const statuses = await Promise.all(cluster.members.map((member) => cluster.status(member)));
  expect(statuses.map(({ role }) => role)).toEqual(["leader", "follower", "follower"]);
  expect(new Set(statuses.map(({ appliedIndex }) => appliedIndex)).size).toBe(1);
  expect(statuses[0]!.members.map(({ role }) => role)).toEqual(["voter", "voter", "voter"]);
  const ask = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:1")] };
  for (const member of [n1!, n2!, n3!]) {
    const { allowed } = await cluster.until(member.engine.call("check", ask));
    expect(allowed).toEqual([true]);
  }
  await cluster.close();
});
