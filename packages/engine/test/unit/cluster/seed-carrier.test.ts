/** How the log seed is asked for and sent, by peers that do it wrong. */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import { concatBytes, type LedgerError, type NodeId, nodeId } from "@authledger/types";
import { expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import type { ClusterNode } from "../../../src/cluster/cluster-node.js";
import type { RaftGroup } from "../../../src/cluster/raft-group.js";
import { SealingKey, sealSecret } from "../../../src/cluster/sealed-secret.js";
import { SeedCarrier } from "../../../src/cluster/seed-carrier.js";
import { openSecrets } from "../../../src/node-directory.js";
import { TestCluster } from "../../cluster-support.js";
import { settle } from "../../engine-support.js";

const [A, B] = [nodeId(1n), nodeId(2n)];
const ASK = Uint8Array.of(1);
const random = new SeededRandom(1);

/** Node A, a voter beside B, and what it gets from there. */
async function scene(joins: boolean, sealKeyOfB: Uint8Array) {
  const alarms: string[] = [];
  const fatal: LedgerError[] = [];
  const sent: NodeId[] = [];
  const secrets = await openSecrets("/n", new MemoryDisk(), random, { isNew: true, joins });
  const sealing = new SealingKey(secrets.sealSeed);
  let receive: (from: NodeId, payload: Uint8Array) => void = () => undefined;
  const node = {
    info: { nodeId: A },
    sealing,
    clusterId: "c",
    on: (_: number, handler: typeof receive) => {
      receive = handler;
    },
    send: (to: NodeId) => sent.push(to),
  } as unknown as ClusterNode;
  const members = [
    { nodeId: A, sealKey: sealing.publicKey },
    { nodeId: B, sealKey: sealKeyOfB },
  ];
  const group = {
    configuration: { membership: { voters: [A, B] }, members },
  } as unknown as RaftGroup;
  const told = {
    onAlarm: (alarm: string) => void alarms.push(alarm),
    onFatal: (error: LedgerError) => void fatal.push(error),
  };
  new SeedCarrier(node, { group, secrets, random, ...told });
  const answer = (seed: Uint8Array): Uint8Array => {
    const context = { clusterId: "c", recipient: A, purpose: "log seed" };
    return concatBytes(Uint8Array.of(2), sealSecret(seed, sealing.publicKey, context, random));
  };
  return {
    ...{ alarms, fatal, sent, secrets, answer },
    receive: (payload: Uint8Array) => receive(B, payload),
  };
}

// The story: a member of which the configuration names a key of low order asked all voters for the seed. Sealing it threw, and the
// voters stopped, one after the other, and again after each start.
test("a member to which nothing can be sealed gets no log seed, and stops nobody", async () => {
  const { receive, alarms, fatal, sent } = await scene(false, new Uint8Array(32));
  for (let i = 0; i < 3; i++) receive(ASK);
  await settle();
  expect(sent).toEqual([]);
  expect(fatal).toEqual([]);
  expect(alarms).toEqual([expect.stringContaining("cannot be sent the log seed")]);
});

test("a seed of another length is not taken, and stops nobody; the next one is", async () => {
  const { receive, answer, alarms, fatal, secrets } = await scene(true, new Uint8Array(32));
  for (let i = 0; i < 3; i++) receive(answer(new Uint8Array(31)));
  await settle();
  expect(fatal).toEqual([]);
  expect(alarms).toEqual([expect.stringContaining("a log seed of 31 bytes")]);
  receive(answer(new Uint8Array(32).fill(7)));
  await settle();
  expect(secrets.logSeed).toEqual(new Uint8Array(32).fill(7));
});

test("a node that names a sealing key of low order is not added, and a member that does keeps the one before", async () => {
  const cluster = new TestCluster();
  const founder = await cluster.start("n1", false);
  const other = await cluster.start("n2", true);
  const port = cluster.network.ports.get(other.address)!;
  const { identity } = port;
  const sealKey = new Uint8Array(32);
  const wrong = { ...identity!, member: { ...identity!.member, sealKey } };
  const named = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(port), "identity")!;
  Object.defineProperty(port, "identity", { configurable: true, get: () => wrong });
  const add = () => founder.engine.call("cluster_add", { address: other.address });
  const refused = await cluster.until(rejectedBy(add()));
  expect(refused).toMatchObject({ code: "INVALID_ARGUMENT" });
  Object.defineProperty(port, "identity", named);
  await cluster.until(add());
  await cluster.run(1_000);
  const { clusterId } = await cluster.status(founder);
  cluster.network.ports.get(founder.address)!.connected({ ...wrong, clusterId });
  await cluster.run(3_000);
  const { members } = await cluster.status(founder);
  expect(members.map(({ info }) => info.sealKey)).not.toContainEqual(sealKey);
  await cluster.close();
});
