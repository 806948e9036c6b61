/** Calls that reach a node that does not lead: two nodes with fake engines, and a real connection between them. */
import { createServer, type Server } from "node:net";
import type { ClusterStatus } from "@authledger/engine";
import { FORWARDED_KEY, LEADER_KEY, type write } from "@authledger/proto";
import { LedgerError, nodeId } from "@authledger/types";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { ForwardedIdentity } from "../src/authn/forwarded-identity.js";
import { Forwarding } from "../src/forwarding.js";
import { ANONYMOUS, type Principal } from "../src/gate/principal.js";
import {
  type CallOptions,
  call,
  failureOf,
  type Harness,
  methodOf,
  startHarness,
} from "./support/harness.js";

const LEADER = nodeId(2n);

interface Pair {
  readonly follower: Harness;
  readonly leader: Harness;
}

/** A follower that refuses what needs the leader, and knows where that is. */
async function startPair(): Promise<Pair> {
  const [follower, leader] = [await startHarness(), await startHarness()];
  refuse(follower, leader.address);
  return { follower, leader };
}

function refuse({ engine }: Harness, leaderAddress: string | undefined): void {
  const details = leaderAddress === undefined ? {} : { clientAddress: leaderAddress };
  const error = new LedgerError("NOT_LEADER", "another node leads", { details });
  engine.failure = { call: "write", error };
  engine.cluster = { cluster_status: () => statusOf(leaderAddress) };
}

function statusOf(leaderAddress: string | undefined): ClusterStatus {
  const none = new Uint8Array(0);
  const info = { nodeId: LEADER, name: "n2", incarnation: none, cosignKey: none, sealKey: none };
  const member = { ...info, peerAddress: "", clientAddress: leaderAddress ?? "" };
  return {
    ...{ nodeId: nodeId(1n), name: "n1", role: "follower", term: 1, isJoint: false },
    ...{ commitIndex: 0, appliedIndex: 0, lastIndex: 0, isRecovering: false },
    ...(leaderAddress !== undefined && { leader: LEADER }),
    members: [{ info: member, role: "voter" }],
  };
}

function writeTo(
  { client, tenant }: Harness,
  options: CallOptions = {},
): Promise<write.WriteResponse> {
  const tuple = { resource: "doc:a", relation: "viewer", subject: "user:b" };
  const operation = { $case: "createRelationship", value: { tuple, expiresAtMs: 0n } };
  const transaction = { operations: [{ operation }], idempotencyKey: "k", conditions: [] };
  return call(client, ["write", "write"], { ...tenant, transaction }, options);
}

/** A port that takes a connection's bytes and drops it: the call may have been made. */
async function droppingPort(): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.once("data", () => setTimeout(() => socket.destroy(), 50));
    // Just enough for the other side to send its call: an empty SETTINGS frame.
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

/** A port that takes a while to answer a connection, and never answers a call. */
async function slowPort(ms: number): Promise<{ address: string; bytes: () => number }> {
  let bytes = 0;
  const server: Server = createServer((socket) => {
    socket.on("data", (data) => {
      bytes += data.length;
    });
    socket.on("error", () => undefined);
    setTimeout(() => socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])), ms);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  return { address: `127.0.0.1:${port}`, bytes: () => bytes };
}

describe("a write at a node that does not lead", () => {
  it("is passed on with what came with it, and its answer names the leader (L-117)", async () => {
    const { follower, leader } = await startPair();
    const metadata = new Metadata();
    metadata.set("x-request-id", "r-7");
    let trailer = new Metadata();
    const answer = await writeTo(follower, {
      metadata,
      deadlineMs: 5_000,
      onTrailer: (given) => {
        trailer = given;
      },
    });
    expect(answer.result?.height).toBe(1n);
    expect(trailer.get(LEADER_KEY)).toEqual([leader.address]);
    const made = leader.engine.calls.find(({ call: name }) => name === "write")!;
    const leftMs = made.deadlineAtMs! - performance.now();
    expect(leftMs > 3_000 && leftMs <= 5_000).toBe(true);
    expect(leader.engine.requests("write")).toEqual(follower.engine.requests("write"));
  });

  it("gets the leader's error as it is, with its details", async () => {
    const { follower, leader } = await startPair();
    const details = { limit: 3, actual: 9 };
    const error = new LedgerError("LIMIT_EXCEEDED", "too much", { details });
    leader.engine.failure = { call: "write", error };
    const failure = await failureOf(writeTo(follower));
    expect([failure.details.code, failure.details.context]).toEqual([
      "LIMIT_EXCEEDED",
      { limit: "3", actual: "9" },
    ]);
    expect(leader.engine.requests("write")).toHaveLength(1);
  });

  it("holds the loop no longer when many of them come at once, as when the leadership is lost", async () => {
    const { engine } = await startHarness();
    refuse({ engine } as Harness, undefined);
    const forwarding = new Forwarding(engine);
    onTestFinished(() => forwarding.close());
    const refusal = new LedgerError("NOT_LEADER", "another node leads");
    let encoded = 0;
    const perTurn: number[] = [];
    const passed = Array.from({ length: 12 }, () =>
      rejectedBy(
        forwarding.pass(
          {
            ...{ path: "/x", metadata: new Metadata(), signal: new AbortController().signal },
            principal: ANONYMOUS,
            deadlineAtMs: performance.now() + 50,
            heldBytes: 24,
            encode: () => {
              encoded++;
              return Buffer.alloc(8);
            },
            again: () => Promise.reject(refusal),
          },
          refusal,
        ),
      ),
    );
    // The first ones are encoded in this turn, each a few steps from here.
    for (let step = 0; step < 20; step++) await Promise.resolve();
    expect(encoded).toBe(4);
    for (let turn = 0; encoded < 12; turn++) {
      const before = encoded;
      await new Promise((next) => setImmediate(next));
      perTurn.push(encoded - before);
      expect(turn).toBeLessThan(20);
    }
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(4);
    for (const error of await Promise.all(passed)) expect(error.code).toBe("NOT_LEADER");
  });

  /*
   * The story: the budget was asked only when a call was encoded, four in a turn. A flood of 2,000 large writes at a follower
   * waited decoded for that, and the node grew by more than a gigabyte.
   */
  it("is refused before anything is made of it where too many are on their way, also while they wait to be encoded", async () => {
    const { engine } = await startHarness();
    refuse({ engine } as Harness, undefined);
    const forwarding = new Forwarding(engine);
    onTestFinished(() => forwarding.close());
    const refusal = new LedgerError("NOT_LEADER", "another node leads");
    let encoded = 0;
    const errors = await Promise.all(
      Array.from({ length: 200 }, () => {
        const call = {
          ...{ path: "/x", metadata: new Metadata(), signal: new AbortController().signal },
          ...{ principal: ANONYMOUS, deadlineAtMs: performance.now() + 50, heldBytes: 1 << 20 },
          encode: () => {
            encoded++;
            return Buffer.alloc(8);
          },
          again: () => Promise.reject(refusal),
        };
        return rejectedBy(forwarding.pass(call, refusal));
      }),
    );
    const overloaded = errors.filter(({ code }) => code === "OVERLOADED");
    expect([encoded, overloaded.length]).toEqual([32, 168]);
    expect(overloaded.every(({ retryAfterMs = 0 }) => retryAfterMs > 0)).toBe(true);
  });

  /*
   * The story: a client gave up while the leader was still being connected to. Nobody looked again, the call was sent, and it held its
   * share of the budget until its deadline.
   */
  it("is not sent any more when its client gives up while the leader is connected to", async () => {
    const { engine } = await startHarness();
    const leader = await slowPort(100);
    refuse({ engine } as Harness, leader.address);
    const forwarding = new Forwarding(engine);
    onTestFinished(() => forwarding.close());
    const details = { clientAddress: leader.address };
    const refusal = new LedgerError("NOT_LEADER", "another node leads", { details });
    const given = new AbortController();
    setTimeout(() => given.abort(), 30);
    const call = {
      ...{ path: "/x", metadata: new Metadata(), signal: given.signal, principal: ANONYMOUS },
      ...{ deadlineAtMs: undefined, heldBytes: 8, encode: () => Buffer.alloc(100_000) },
      again: () => Promise.reject(refusal),
    };
    expect(await rejectedBy(forwarding.pass(call, refusal))).toBe(refusal);
    expect(leader.bytes()).toBeLessThan(10_000);
  });

  it("is refused with the leader's address by a node that cannot vouch, as a learner, unless its credential goes along", async () => {
    const { follower, leader } = await startPair();
    const identity = new ForwardedIdentity(() => undefined);
    const forwarding = new Forwarding(follower.engine, { identity });
    onTestFinished(() => forwarding.close());
    const details = { clientAddress: leader.address };
    const refusal = new LedgerError("NOT_LEADER", "another node leads", { details });
    const { path, requestSerialize } = methodOf("admin", "getNodeInfo");
    const pass = (principal: Principal, metadata = new Metadata()) =>
      forwarding.pass(
        {
          ...{ path, metadata, principal, signal: new AbortController().signal },
          deadlineAtMs: performance.now() + 5_000,
          heldBytes: 8,
          encode: () => requestSerialize({} as never),
          again: () => Promise.reject(refusal),
        },
        refusal,
      );
    // The leader would see the certificate of the learner, and a node's own word counts for nothing without the key.
    for (const principal of [
      { kind: "certificate", name: "cert:deployer" },
      { kind: "node", name: "node:5" },
    ] as const) {
      const startMs = performance.now();
      expect(await rejectedBy(pass(principal))).toBe(refusal);
      expect(performance.now() - startMs).toBeLessThan(500);
    }
    expect(leader.engine.calls).toEqual([]);
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer alk_1");
    await pass({ kind: "key", name: "key:1" }, metadata);
    await pass(ANONYMOUS);
    expect(leader.engine.requests("get_node_info")).toHaveLength(2);
  });

  it("is passed on once: what was passed on is refused where the leader is not (INV-CLUSTER-2)", async () => {
    const { follower, leader } = await startPair();
    const metadata = new Metadata();
    metadata.set(FORWARDED_KEY, "1");
    const failure = await failureOf(writeTo(follower, { metadata }));
    expect(failure.details.code).toBe("NOT_LEADER");
    expect(leader.engine.calls).toEqual([]);
    // Two nodes that take each other for the leader do not send it round.
    refuse(leader, follower.address);
    const round = await failureOf(writeTo(follower, { deadlineMs: 400 }));
    expect(round.details.code).toBe("NOT_LEADER");
    expect(follower.engine.requests("write")).toHaveLength(2);
  });

  it("waits for a leader while there is none, and goes on here when this node becomes it", async () => {
    const { follower, leader } = await startPair();
    refuse(follower, undefined);
    setTimeout(() => refuse(follower, leader.address), 200);
    const startMs = performance.now();
    await writeTo(follower);
    expect(performance.now() - startMs).toBeGreaterThan(190);
    expect(leader.engine.requests("write")).toHaveLength(1);
    refuse(follower, undefined);
    setTimeout(() => {
      follower.engine.failure = undefined;
      const status = statusOf(undefined);
      follower.engine.cluster = {
        cluster_status: () => ({ ...status, role: "leader", leader: status.nodeId }),
      };
    }, 100);
    expect((await writeTo(follower)).result?.height).toBe(1n);
  });

  it("is refused within its deadline when no leader is found", async () => {
    const follower = await startHarness();
    refuse(follower, undefined);
    const startMs = performance.now();
    const failure = await failureOf(writeTo(follower, { deadlineMs: 300 }));
    expect(failure.details.code).toBe("NOT_LEADER");
    expect(performance.now() - startMs).toBeLessThan(300);
  });

  it("finds the next leader when the one it knew is gone, since nothing was sent (INV-CLUSTER-1)", async () => {
    const { follower, leader } = await startPair();
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
    const address = closed.address();
    const gone = `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    await new Promise((resolve) => closed.close(resolve));
    refuse(follower, gone);
    setTimeout(() => refuse(follower, leader.address), 100);
    await writeTo(follower);
    expect(leader.engine.requests("write")).toHaveLength(1);
  });

  /*
   * The story: a leader that knew its state to be wrong refused what was passed on to it, and the refusal went to the client as final: no write
   * of the cluster succeeded until another node led.
   */
  it("waits for the next leader where the one of now knows its state to be wrong (INV-CLUSTER-1)", async () => {
    const { follower, leader } = await startPair();
    const wrong = await startHarness();
    const error = new LedgerError("REPLICA_DIVERGED", "its state is not that of the majority");
    wrong.engine.failure = { call: "write", error };
    refuse(follower, wrong.address);
    const written = writeTo(follower);
    await vi.waitUntil(() => wrong.engine.requests("write").length > 1, { interval: 2 });
    refuse(follower, leader.address);
    await written;
    expect(leader.engine.requests("write")).toHaveLength(1);
  });

  it("is not sent again when the connection breaks, since it may have happened (INV-CLUSTER-1)", async () => {
    const { follower, leader } = await startPair();
    refuse(follower, await droppingPort());
    const written = failureOf(writeTo(follower, { deadlineMs: 3_000 }));
    await vi.waitUntil(() => follower.engine.requests("write").length > 0, { interval: 2 });
    refuse(follower, leader.address);
    const failure = await written;
    expect(failure.details.code).toBe("COMMIT_UNKNOWN");
    expect(leader.engine.calls).toEqual([]);
  });

  it("is what it would be at a single node: calls about the node are never passed on", async () => {
    const { follower, leader } = await startPair();
    const error = new LedgerError("NOT_LEADER", "x", {
      details: { clientAddress: leader.address },
    });
    for (const [name, engineCall, request] of [
      ["compact", "compact", { fillPercent: 0 }],
      ["checkIntegrity", "check_integrity", { waitMs: 0, follow: false }],
    ] as const) {
      follower.engine.failure = { call: engineCall, error };
      const failure = await failureOf(call(follower.client, ["admin", name], request));
      expect(failure.details.code).toBe("NOT_LEADER");
    }
    expect(leader.engine.calls).toEqual([]);
  });
});
