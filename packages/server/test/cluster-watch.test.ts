/** When a node of a cluster is ready, and what is measured of the cluster. */
import type { ClusterStatus, MemberStatus, PeerLink } from "@authledger/engine";
import { LedgerError, nodeId } from "@authledger/types";
import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { addClusterMetrics } from "../src/cluster-metrics.js";
import { ClusterWatch } from "../src/cluster-watch.js";
import { FakeEngine } from "./support/fake-engine.js";

const UP: PeerLink = { isConnected: true, lastHeardMs: 1, queuedBytes: 3, problem: undefined };

function member(id: bigint, changes: Partial<MemberStatus> = {}): MemberStatus {
  const none = new Uint8Array(0);
  const about = { nodeId: nodeId(id), name: `n${id}`, peerAddress: "", clientAddress: "" };
  const info = { ...about, incarnation: none, cosignKey: none, sealKey: none };
  return { info, role: "voter", ...changes };
}

function statusOf(changes: Partial<ClusterStatus> = {}): ClusterStatus {
  return {
    ...{ nodeId: nodeId(1n), name: "n1", clusterId: "ab", role: "follower", term: 3 },
    ...{ leader: nodeId(2n), commitIndex: 90, appliedIndex: 88, lastIndex: 95, isJoint: false },
    isRecovering: false,
    members: [member(1n), member(2n, { link: UP }), member(3n, { link: UP })],
    ...changes,
  };
}

interface Watched {
  readonly watch: ClusterWatch;
  readonly told: (string | undefined)[];
  readonly changes: ClusterStatus[];
  readonly set: (status: ClusterStatus | LedgerError) => void;
  nowMs: number;
}

function watched(): Watched {
  const engine = new FakeEngine();
  const [told, changes]: [(string | undefined)[], ClusterStatus[]] = [[], []];
  const made = { nowMs: 0 };
  const watch = new ClusterWatch({
    engine,
    nowMs: () => made.nowMs,
    onReadiness: (problem) => told.push(problem),
    onChange: (status) => changes.push(status),
  });
  const set = (status: ClusterStatus | LedgerError): void => {
    engine.cluster = {
      cluster_status: () => {
        if (status instanceof LedgerError) throw status;
        return status;
      },
    };
  };
  return Object.assign(made, { watch, told, changes, set });
}

describe("a node is ready (INV-CLUSTER-3)", () => {
  const { leader: _, ...unled } = statusOf();
  const down: PeerLink = { ...UP, isConnected: false };
  const cutOff = [member(1n), member(2n, { link: down }), member(3n, { link: down })];
  it.each<[string, ClusterStatus, string | undefined]>([
    ["as a follower that is close to the leader", statusOf(), undefined],
    ["alone", statusOf({ role: "leader", leader: nodeId(1n), members: [member(1n)] }), undefined],
    ["not while it waits", { ...unled, role: "waiting", members: [] }, "waits to be added"],
    ["not when it was removed", statusOf({ role: "removed" }), "was removed"],
    ["not while it recovers", statusOf({ isRecovering: true }), "catches up"],
    // Balancers went on sending to it, and a rolling restart went on to the next node.
    ["not with a wrong state", statusOf({ stateProblem: "it is wrong" }), "it is wrong"],
    ["not far behind", statusOf({ commitIndex: 9_000 }), "8912 committed entries to apply"],
    ["not cut off from all others", statusOf({ members: cutOff }), "reaches no other one"],
    ["not before there was a leader", unled, "has no leader"],
  ])("%s", async (_name, status, problem) => {
    const w = watched();
    w.set(status);
    await w.watch.look();
    if (problem === undefined) expect(w.watch.problem).toBeUndefined();
    else expect(w.watch.problem).toContain(problem);
  });

  it("through an election, and not without a leader for seconds", async () => {
    const w = watched();
    w.set(statusOf());
    await w.watch.look();
    w.set(unled);
    w.nowMs = 2_900;
    await w.watch.look();
    expect(w.watch.problem).toBeUndefined();
    w.nowMs = 3_100;
    await w.watch.look();
    expect(w.watch.problem).toBe("the cluster has no leader");
    w.set(statusOf({ term: 4 }));
    await w.watch.look();
    // Told when it changes, and only then; and who leads likewise.
    expect(w.told).toEqual([undefined, "the cluster has no leader", undefined]);
    expect(w.changes.map(({ term, leader }) => [term, leader])).toEqual([
      [3, 2n],
      [3, undefined],
      [4, 2n],
    ]);
  });

  it("not when the engine has stopped", async () => {
    const w = watched();
    w.set(new LedgerError("NODE_STOPPED", "the node has stopped"));
    await w.watch.look();
    expect(w.told).toEqual(["the node has stopped"]);
  });
});

it("metrics show role, term, lag of each follower and links, with the members' names as labels", async () => {
  const registry = new Registry();
  let status: ClusterStatus | undefined;
  addClusterMetrics(registry, () => status);
  expect(await registry.metrics()).toContain('authledger_raft_role{role="leader"} 0');
  const members = [
    member(1n, { match: 95 }),
    member(2n, { match: 90, isActive: true, link: UP }),
    member(3n, { match: 4, isActive: false, link: { ...UP, isConnected: false } }),
  ];
  status = statusOf({ role: "leader", leader: nodeId(1n), members });
  const text = await registry.metrics();
  for (const line of [
    'authledger_raft_role{role="leader"} 1',
    'authledger_raft_role{role="follower"} 0',
    "authledger_raft_term 3",
    "authledger_raft_apply_lag 2",
    "authledger_raft_voters 3",
    'authledger_raft_follower_lag{node="n2"} 5',
    'authledger_raft_follower_lag{node="n3"} 91',
    'authledger_raft_follower_active{node="n3"} 0',
    'authledger_raft_peer_connected{node="n3"} 0',
    'authledger_raft_peer_queued_bytes{node="n2"} 3',
  ]) {
    expect(text.split("\n")).toContain(line);
  }
  expect(text).not.toContain('follower_lag{node="n1"}');
});
