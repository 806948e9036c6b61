/** ClusterService in front of a fake engine: messages, and what is refused before the engine is asked. */
import type { ClusterStatus, MemberInfo, MemberStatus } from "@authledger/engine";
import { cluster } from "@authledger/proto";
import { nodeId } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { call, failureOf, type Harness, startHarness } from "./support/harness.js";

const REFUSED = "connect ECONNREFUSED 10.0.0.3:7401";

function info(id: bigint): MemberInfo {
  const none = new Uint8Array(0);
  return {
    ...{ nodeId: nodeId(id), name: `n${id}`, incarnation: none, cosignKey: none, sealKey: none },
    ...{ peerAddress: `10.0.0.${id}:7401`, clientAddress: `10.0.0.${id}:7400` },
  };
}

function statusOf(changes: Partial<ClusterStatus> = {}): ClusterStatus {
  const members: MemberStatus[] = [
    { info: info(1n), role: "voter" },
    {
      ...{ info: info(2n), role: "voter", match: 7, next: 9, state: "replicate", isActive: true },
      link: {
        ...{ isConnected: true, lastHeardMs: performance.now() - 100, queuedBytes: 5 },
        problem: undefined,
      },
    },
    {
      ...{ info: info(3n), role: "voter", match: 8, next: 9, state: "snapshot", isActive: true },
      isRecovering: true,
      link: {
        ...{ isConnected: false, lastHeardMs: undefined, queuedBytes: 0 },
        problem: `No connection established. Last error: Error: ${REFUSED}. Resolution note: `,
      },
    },
    { info: info(4n), role: "learner", match: 9, next: 10, state: "probe", isActive: true },
    { info: info(5n), role: "voter", match: 9, next: 10, state: "probe", isActive: false },
  ];
  return {
    ...{ nodeId: nodeId(1n), name: "n1", clusterId: "ab".repeat(16), role: "leader", term: 4 },
    ...{ leader: nodeId(1n), commitIndex: 8, appliedIndex: 7, lastIndex: 9, isJoint: true },
    ...{ isRecovering: false, members },
    ...changes,
  };
}

function ask<R>({ client }: Harness, name: string, request: object): Promise<R> {
  return call<R>(client, ["cluster", name], request);
}

describe("the cluster's service", () => {
  it("tells where the nodes are, and again only when that is another: its version is the content's own (L-148)", async () => {
    const h = await startHarness();
    let status = statusOf();
    h.engine.cluster = { cluster_status: () => status };
    const peers = (
      knownVersion: Uint8Array = new Uint8Array(0),
    ): Promise<cluster.GetPeersResponse> => ask(h, "getPeers", { knownVersion });
    const first = await peers();
    expect(first).toMatchObject({ isUnchanged: false, clusterId: "ab".repeat(16), leaderId: 1n });
    expect([first.apiVersionOldest, first.apiVersionNewest, first.version.length]).toEqual([
      1, 1, 16,
    ]);
    const roles = [1, 1, 1, 2, 1];
    expect(first.peers).toEqual(
      roles.map((role, i) => ({
        ...{ nodeId: BigInt(i + 1), name: `n${i + 1}`, role },
        clientAddress: `10.0.0.${i + 1}:7400`,
      })),
    );
    const { version } = first;
    const unchanged = { version, isUnchanged: true, clusterId: "", leaderId: 0n, peers: [] };
    expect(await peers(version)).toMatchObject(unchanged);
    // Another node, which is elsewhere in the log and reaches others, says the same.
    status = statusOf({ nodeId: nodeId(2n), name: "n2", role: "follower", term: 9, lastIndex: 70 });
    status = {
      ...status,
      members: status.members.map(({ info: of, role }) => ({ info: of, role })),
    };
    expect(await peers(version)).toMatchObject(unchanged);
    const known = new Set([String(version)]);
    for (const changes of [
      { leader: nodeId(2n) },
      { members: statusOf().members.slice(1) },
      { members: statusOf().members.map((one) => ({ ...one, role: "voter" as const })) },
      { clusterId: "cd".repeat(16) },
    ]) {
      status = statusOf(changes);
      const answer = await peers(version);
      expect([answer.isUnchanged, answer.peers.length > 3]).toEqual([false, true]);
      known.add(String(answer.version));
    }
    expect(known.size).toBe(5);
    for (const wrong of [version.slice(1), new Uint8Array(1_000)]) {
      expect((await peers(wrong)).peers).toHaveLength(5);
    }
  });

  it("tells who the members are, how far they are, and how they are reached", async () => {
    const h = await startHarness();
    const stateProblem = "its state is wrong";
    h.engine.cluster = { cluster_status: () => ({ ...statusOf(), stateProblem }) };
    const status = await ask<cluster.GetClusterStatusResponse>(h, "getClusterStatus", {});
    const { members, ...about } = status;
    expect(about).toEqual({
      ...{ nodeId: 1n, name: "n1", clusterId: "ab".repeat(16), role: 1, term: 4n, leaderId: 1n },
      ...{ commitIndex: 8n, appliedIndex: 7n, lastIndex: 9n, isJoint: true, isRecovering: false },
      stateProblem,
    });
    const [self, second, third] = members;
    expect(self).toEqual({
      ...{ nodeId: 1n, name: "n1", peerAddress: "10.0.0.1:7401", clientAddress: "10.0.0.1:7400" },
      ...{ role: cluster.MemberRole.MEMBER_ROLE_VOTER, replication: 0 },
    });
    expect(second).toMatchObject({ matchIndex: 7n, nextIndex: 9n, replication: 2, isActive: true });
    expect(second!.link).toMatchObject({ isConnected: true, queuedBytes: 5n, problem: "" });
    expect(Number(second!.link!.lastHeardMs)).toBeGreaterThanOrEqual(100);
    expect(third!.link).toEqual({
      ...{ isConnected: false, queuedBytes: 0n, problem: REFUSED },
    });
    expect([second!.isRecovering, third!.isRecovering]).toEqual([undefined, true]);
    expect(members[3]!.role).toBe(cluster.MemberRole.MEMBER_ROLE_LEARNER);
  });

  it("refuses addresses and nodes that are none before anything happens", async () => {
    const h = await startHarness();
    const cases: [string, object, string][] = [
      ["addMember", { address: "here" }, "address"],
      ["addMember", { address: "a:0" }, "address"],
      ["promoteMember", { nodeId: 0n }, "node_id"],
      ["removeMember", { nodeId: 0n }, "node_id"],
      ["initCluster", { addresses: ["a:1", "b"] }, "addresses[1]"],
      ["initCluster", { addresses: Array.from({ length: 32 }, () => "a:1") }, "addresses"],
    ];
    for (const [name, request, field] of cases) {
      const { details } = await failureOf(ask(h, name, request));
      expect([details.code, details.context["field"]]).toEqual(["INVALID_ARGUMENT", field]);
    }
    expect(h.engine.calls).toEqual([]);
  });

  it("hands leadership to the voter that is furthest where none is named", async () => {
    const h = await startHarness();
    h.engine.cluster = {
      cluster_status: () => statusOf(),
      cluster_transfer: () => ({ term: 5 }),
    };
    const made = await ask(h, "transferLeadership", { nodeId: 0n });
    // The learner has no vote, and the fifth node is not heard of.
    expect(made).toEqual({ leaderId: 3n, term: 5n });
    expect(h.engine.requests("cluster_transfer")).toEqual([{ node: 3n }]);
  });

  it("says that a node waits, or that nobody leads, where the leader's account is wanted", async () => {
    const h = await startHarness();
    const { leader: _, ...unled } = statusOf({ role: "follower" });
    h.engine.cluster = { cluster_status: () => unled };
    const error = await failureOf(
      call(h.client, ["cluster", "getClusterStatus"], { atLeader: true }, { deadlineMs: 300 }),
    );
    expect(error.details.code).toBe("NO_LEADER");
    h.engine.cluster = { cluster_status: () => ({ ...unled, role: "waiting" }) };
    const waiting = await failureOf(ask(h, "getClusterStatus", { atLeader: true }));
    expect(waiting.details.code).toBe("NODE_WAITING");
  });
});
