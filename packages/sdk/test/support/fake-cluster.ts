/** A node whose account of its cluster a test writes, and that keeps what it was asked to change. */
import { cluster } from "@authledger/proto";
import { fakeLedger, refusal } from "./fake-ledger.js";

export const { MEMBER_ROLE_VOTER: VOTER, MEMBER_ROLE_LEARNER: LEARNER } = cluster.MemberRole;
const { REPLICATION_STATE_REPLICATE: REPLICATE } = cluster.ReplicationState;

export interface FakeCluster {
  readonly endpoint: string;
  status: cluster.GetClusterStatusResponse;
  /** Name and request, in order. */
  readonly calls: [string, unknown][];
  /** What calls of a name fail with, by the code of the error. */
  readonly failures: Map<string, string>;
  /** After each call. */
  onCall: (name: string) => void;
}

export function member(
  id: number,
  changes: Partial<cluster.ClusterMember> = {},
): cluster.ClusterMember {
  return {
    ...{ nodeId: BigInt(id), name: `n${id}`, role: VOTER, matchIndex: 100n, nextIndex: 101n },
    ...{ peerAddress: `10.0.0.${id}:7401`, clientAddress: `10.0.0.${id}:7400` },
    ...{ replication: REPLICATE, isActive: true },
    link: { isConnected: true, lastHeardMs: 4n, queuedBytes: 0n, problem: "" },
    ...changes,
  };
}

/** Three voters of which the first leads and answers, unless told otherwise. */
export async function startCluster(
  changes: Partial<cluster.GetClusterStatusResponse> = {},
): Promise<FakeCluster> {
  const fake: Omit<FakeCluster, "endpoint"> = {
    status: {
      ...{ nodeId: 1n, name: "n1", clusterId: "ab".repeat(16), role: 1, term: 7n, leaderId: 1n },
      ...{ commitIndex: 100n, appliedIndex: 100n, lastIndex: 100n },
      ...{ isJoint: false, isRecovering: false, stateProblem: "" },
      members: [member(1), member(2), member(3)],
      ...changes,
    },
    ...{ calls: [], failures: new Map(), onCall: () => undefined },
  };
  const take = (name: string, request: unknown): void => {
    fake.calls.push([name, request]);
    const failure = fake.failures.get(name);
    fake.onCall(name);
    if (failure !== undefined) throw refusal(failure, failure);
  };
  const { endpoint } = await fakeLedger({
    cluster: {
      getClusterStatus: (request) => {
        take("status", request);
        return fake.status;
      },
      getPeers: (request) => {
        take("peers", request);
        const version = Uint8Array.of(7);
        const isUnchanged = Buffer.from(request.knownVersion).equals(version);
        if (isUnchanged) return cluster.GetPeersResponse.create({ version, isUnchanged });
        const { clusterId, leaderId, members: peers } = fake.status;
        const api = { apiVersionOldest: 1, apiVersionNewest: 1 };
        return { version, isUnchanged, clusterId, leaderId, peers, ...api };
      },
      initCluster: (request) => {
        take("init", request);
        return { clusterId: fake.status.clusterId, rootKey: "", rootKeyFile: "" };
      },
      addMember: (request) => {
        take("add", request);
        return { member: member(4, { role: LEARNER }) };
      },
      promoteMember: (request) => {
        take("promote", request);
        return {};
      },
      removeMember: (request) => {
        take("remove", request);
        return {};
      },
      transferLeadership: (request) => {
        take("transfer", request);
        return { leaderId: request.nodeId || 2n, term: 8n };
      },
    },
  });
  return Object.assign(fake, { endpoint });
}
