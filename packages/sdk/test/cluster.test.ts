/** A client of several nodes: who is asked what, and what the loss of a node costs; against real gRPC servers. */
import { cluster } from "@authledger/proto";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  anyReplica,
  type ClientOptions,
  createClient,
  createTuple,
  type LedgerClient,
} from "../src/index.js";
import { appliedWrite, checkResponse, fakeLedger, refusal } from "./support/fake-ledger.js";

const tenant = { organization: 7n, vault: "9" };
const TUPLE = "document:budget#viewer@user:alice";
const { MEMBER_ROLE_VOTER: VOTER } = cluster.MemberRole;

interface Node {
  readonly id: bigint;
  readonly endpoint: string;
  stop(): void;
  /** Calls answered, refused or hung, by name. */
  readonly calls: Record<string, number>;
  isHung: boolean;
  clusterId: string;
}

/** Three nodes that agree who leads and keep the writes that the leader took, by their idempotency keys. */
interface Nodes {
  readonly all: readonly Node[];
  leader: Node | undefined;
  readonly written: Map<string, number>;
  /** The leader writes and does not answer. */
  isAnswerLost: boolean;
}

async function threeNodes(): Promise<Nodes> {
  const all: Node[] = [];
  const nodes: Nodes = { all, leader: undefined, written: new Map(), isAnswerLost: false };
  for (const id of [1n, 2n, 3n]) all.push(await startNode(nodes, id));
  nodes.leader = all[0];
  return nodes;
}

async function startNode(nodes: Nodes, id: bigint): Promise<Node> {
  const calls: Record<string, number> = {};
  const seen = async (name: string): Promise<void> => {
    calls[name] = (calls[name] ?? 0) + 1;
    if (node.isHung) await new Promise(() => undefined);
  };
  const { endpoint, stop } = await fakeLedger({
    read: { check: () => seen("check").then(() => checkResponse({ height: id })) },
    write: {
      write: async ({ transaction }) => {
        await seen("write");
        if (nodes.leader !== node) throw notLeader(nodes.leader);
        const key = transaction!.idempotencyKey;
        nodes.written.set(key, (nodes.written.get(key) ?? 0) + 1);
        if (nodes.isAnswerLost) await new Promise(() => undefined);
        return appliedWrite({});
      },
    },
    cluster: { getClusterStatus: () => seen("status").then(() => statusOf(nodes, node)) },
  });
  const node: Node = { id, endpoint, stop, calls, isHung: false, clusterId: "ab".repeat(16) };
  return node;
}

function notLeader(leader: Node | undefined): ReturnType<typeof refusal> {
  if (leader === undefined) return refusal("NO_LEADER", "there is no leader");
  return refusal("NOT_LEADER", "another node leads", {
    context: { clientAddress: leader.endpoint },
  });
}

function statusOf({ all, leader }: Nodes, node: Node): cluster.GetClusterStatusResponse {
  const members = all.map(({ id, endpoint }) => ({
    ...{ nodeId: id, name: `n${id}`, peerAddress: "", clientAddress: endpoint },
    ...{ role: VOTER, replication: 0 as const },
  }));
  return {
    ...{ nodeId: node.id, name: `n${node.id}`, clusterId: node.clusterId },
    ...{ role: 2, term: 1n, leaderId: leader?.id ?? 0n, members },
    ...{ commitIndex: 1n, appliedIndex: 1n, lastIndex: 1n, isJoint: false },
    ...{ isRecovering: false, stateProblem: "" },
  };
}

function clientOf(nodes: readonly Node[], options: Partial<ClientOptions> = {}): LedgerClient {
  const endpoints = nodes.map(({ endpoint }) => endpoint);
  const client = createClient({ endpoints, tenant, coalesce: false, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** Calls until something holds. */
async function until(isDone: () => boolean, call: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < 300 && !isDone(); i++) {
    await call();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(isDone()).toBe(true);
}

describe("a client of a cluster", () => {
  it("learns who leads from a refusal, and goes there from then on", async () => {
    const nodes = await threeNodes();
    nodes.leader = nodes.all[2];
    const client = clientOf(nodes.all);
    await client.write([createTuple(TUPLE)]);
    await client.write([createTuple(TUPLE)]);
    expect(nodes.all.map(({ calls }) => calls["write"] ?? 0)).toEqual([1, 0, 2]);
  });

  it("learns the other nodes, and writes to the leader though it was given another one", async () => {
    const nodes = await threeNodes();
    nodes.leader = nodes.all[1];
    const client = clientOf(nodes.all.slice(0, 1));
    await until(
      () => (nodes.all[1]!.calls["check"] ?? 0) > 0,
      () => client.hasTuple(TUPLE),
    );
    await client.write([createTuple(TUPLE)]);
    expect(nodes.all.map(({ calls }) => calls["write"] ?? 0)).toEqual([0, 1, 0]);
  });

  it("does not use a node that it was told of and that is of another cluster (INV-SDK-11)", async () => {
    const nodes = await threeNodes();
    const [, second, third] = nodes.all;
    second!.clusterId = "cd".repeat(16);
    nodes.leader = second;
    const client = clientOf(nodes.all.slice(0, 1));
    const options = { consistency: anyReplica() };
    await until(
      () => (third!.calls["check"] ?? 0) > 0 || (second!.calls["check"] ?? 0) > 0,
      async () => {
        await client.hasTuple(TUPLE, options);
        // A replica that is left alone is chosen anew.
        for (const { stop } of nodes.all.slice(0, 1)) if (third!.calls["status"]) stop();
      },
    );
    expect([second!.calls["check"], (third!.calls["check"] ?? 0) > 0]).toEqual([undefined, true]);
  });

  it("asks nobody about the cluster when it is told not to, nor when it ends at once", async () => {
    const nodes = await threeNodes();
    await clientOf(nodes.all).hasTuple(TUPLE);
    const quiet = clientOf(nodes.all, { discover: false });
    const endMs = performance.now() + 700;
    while (performance.now() < endMs) await quiet.hasTuple(TUPLE);
    expect(nodes.all.map(({ calls }) => calls["status"])).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("waits for an election as long as its deadline lets it, however few attempts it may make", async () => {
    const nodes = await threeNodes();
    const [first, second] = nodes.all;
    nodes.leader = undefined;
    const client = clientOf(nodes.all, { attemptsMax: 1 });
    const writing = client.write([createTuple(TUPLE)]);
    setTimeout(() => {
      nodes.leader = second;
    }, 400);
    await writing;
    expect(nodes.written.size).toBe(1);
    expect(first!.calls["write"]).toBeGreaterThan(1);
  });

  it("repeats a write whose leader died before it answered under the same key (INV-SDK-1)", async () => {
    const nodes = await threeNodes();
    const client = clientOf(nodes.all);
    nodes.isAnswerLost = true;
    const writing = client.write([createTuple(TUPLE)], { deadlineMs: 20_000 });
    while (nodes.written.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    nodes.isAnswerLost = false;
    nodes.all[0]!.stop();
    nodes.leader = nodes.all[1];
    const { idempotencyKey } = await writing;
    // The ledger's own memory of keys makes one of the two.
    expect([...nodes.written]).toEqual([[idempotencyKey, 2]]);
  });

  it("leaves a node that hangs when half of the time is over, and asks others first then (INV-SDK-7)", async () => {
    const nodes = await threeNodes();
    const client = clientOf(nodes.all, { deadlineMs: 2_000 });
    await client.hasTuple(TUPLE);
    nodes.all[0]!.isHung = true;
    const beginMs = performance.now();
    await client.hasTuple(TUPLE);
    const firstMs = performance.now() - beginMs;
    for (let i = 0; i < 20; i++) await client.hasTuple(TUPLE);
    expect(firstMs).toBeGreaterThan(900);
    expect(performance.now() - beginMs - firstMs).toBeLessThan(700);
    expect(nodes.all[0]!.calls["check"]).toBe(2);
  });

  it("pays for a node that is gone once, and not with every call (INV-SDK-7)", async () => {
    const nodes = await threeNodes();
    const client = clientOf(nodes.all);
    await client.hasTuple(TUPLE);
    nodes.all[0]!.stop();
    await client.hasTuple(TUPLE);
    const heights = new Set<bigint>();
    for (let i = 0; i < 200; i++) heights.add((await client.hasTuple(TUPLE)).height);
    // One other node has answered all of them.
    expect(heights.size).toBe(1);
    expect(heights.has(1n)).toBe(false);
  });

  it("reads from any replica what may be old, and stays with it", async () => {
    const nodes = await threeNodes();
    const consistency = anyReplica();
    const seen = new Set<bigint>();
    for (let i = 0; i < 60 && seen.size < 3; i++) {
      const client = clientOf(nodes.all);
      const { height } = await client.hasTuple(TUPLE, { consistency });
      expect((await client.hasTuple(TUPLE, { consistency })).height).toBe(height);
      seen.add(height);
    }
    expect(seen).toEqual(new Set([1n, 2n, 3n]));
  });
});
