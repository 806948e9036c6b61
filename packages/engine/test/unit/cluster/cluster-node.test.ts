/** A node of a cluster by itself: what it tells its peers of members, and what becomes of errors in what they send. */
import { MemoryDisk } from "@authledger/io";
import { LedgerError, type NodeId, nodeId } from "@authledger/types";
import { expect, test } from "vitest";
import { ClusterNode } from "../../../src/cluster/cluster-node.js";
import {
  FrameKind,
  type MemberInfo,
  type PeerFrame,
  type PeerPort,
} from "../../../src/cluster/peer-port.js";
import type { EntryOwner } from "../../../src/cluster/pending-entries.js";
import type { RaftGroup } from "../../../src/cluster/raft-group.js";
import { settle, TestTime } from "../../engine-support.js";

const [A, B, C, D] = [1n, 2n, 3n, 4n].map((id) => nodeId(id)) as [NodeId, NodeId, NodeId, NodeId];

class Scene {
  readonly time = new TestTime();
  readonly fatal: LedgerError[] = [];
  readonly alarms: string[] = [];
  /** Does it lead? */
  isReady = false;
  /** Whom the transport was told of last: members but the node itself, and removed ones. */
  told: { readonly members: NodeId[]; readonly removed: NodeId[] } | undefined;
  /** Frames that were handed to the transport. */
  readonly sent: [NodeId, FrameKind][] = [];
  #members: readonly NodeId[];
  #configIndex: number;
  /** Who waits for what was proposed. */
  readonly proposed: EntryOwner<unknown>[] = [];
  readonly node: ClusterNode;

  constructor(index: number, members: readonly NodeId[]) {
    this.#members = members;
    this.#configIndex = index;
    const disk = new MemoryDisk();
    const ids = (infos: readonly MemberInfo[]): NodeId[] => infos.map((info) => info.nodeId);
    const peers = {
      listen: () => undefined,
      send: (to: NodeId, { kind }: PeerFrame) => this.sent.push([to, kind]) > 0,
      setMembers: (_: string, others: readonly MemberInfo[], removed: readonly MemberInfo[]) => {
        this.told = { members: ids(others), removed: ids(removed) };
      },
    } as unknown as PeerPort;
    const identity = { nodeId: A, incarnation: new Uint8Array(16), clusterId: "c", hasPeers: true };
    const secrets = { sealSeed: new Uint8Array(32), replicaSeed: new Uint8Array(32) };
    const scene = this;
    const group = {
      get isReady() {
        return scene.isReady;
      },
      tick: () => undefined,
      lastIndex: 0,
      propose: (_: Uint8Array, owner: EntryOwner<unknown>) => scene.proposed.push(owner),
      get configuration(): unknown {
        return scene.#configuration();
      },
    } as unknown as RaftGroup;
    this.node = new ClusterNode(
      { peers, name: "n1", peerAddress: "n1:7401", clientAddress: "n1:7400", join: false },
      {
        ...{ group, groupId: 1 as never, node: { path: "/n", identity, secrets } as never },
        ...{ disk, clock: this.time, timers: this.time, onCare: () => undefined },
        appliedIndex: () => this.#configIndex,
        configIndex: () => this.#configIndex,
        onAlarm: (alarm) => void this.alarms.push(alarm),
        onFatal: (error) => void this.fatal.push(error),
      },
    );
    this.node.start();
  }

  #configuration(): unknown {
    const voters = this.#members;
    const none = { learners: [], outgoing: [], learnersNext: [], autoLeave: false };
    const incarnation = new Uint8Array(16);
    const members = voters.map((id) => ({ nodeId: id, incarnation, name: `n${id}` }));
    return { membership: { voters, ...none }, members };
  }

  /** A configuration is applied, or is that of a state that was put in place. */
  configure(index: number, members: readonly NodeId[]): void {
    this.#configIndex = index;
    this.#members = members;
    this.node.onConfiguration();
  }

  /** An entry behind what was removed is applied. */
  async confirm(): Promise<void> {
    const confirmed = this.node.confirmRemovals();
    this.proposed.pop()!.applied([], this.#configIndex + 1);
    await confirmed;
  }
}

test("INV-GROUP-13: a member that is gone in a later configuration is told so once an entry behind it is applied", async () => {
  const scene = new Scene(1_000, [A, B, C]);
  scene.configure(1_500, [A, B, C, D]);
  scene.configure(1_600, [A, B, D]);
  const confirmed = scene.node.confirmRemovals();
  scene.configure(1_601, [A, B]);
  expect(scene.told).toEqual({ members: [B], removed: [] });
  scene.proposed.pop()!.applied([], 1_602);
  await confirmed;
  // What was proposed before says nothing of the one that went meanwhile.
  expect(scene.told).toEqual({ members: [B], removed: [C] });
  await scene.confirm();
  expect(scene.told).toEqual({ members: [B], removed: [C, D] });
  scene.configure(1_700, [A, B, C]);
  expect(scene.told).toEqual({ members: [B, C], removed: [D] });
  scene.node.stop();
});

test("a leader confirms what was removed before it led, and tries again until that is applied", async () => {
  const scene = new Scene(1_000, [A, B, C]);
  scene.configure(1_600, [A, B]);
  scene.time.advance(1_000);
  expect(scene.proposed).toEqual([]);
  scene.isReady = true;
  scene.time.advance(1_000);
  scene.time.advance(1_000);
  expect(scene.proposed).toHaveLength(1);
  scene.proposed.pop()!.failed(new LedgerError("NO_LEADER", "so it is"));
  await settle(4);
  scene.time.advance(1_000);
  expect(scene.told).toEqual({ members: [B], removed: [] });
  scene.proposed.pop()!.applied([], 1_601);
  expect(scene.told).toEqual({ members: [B], removed: [C] });
  await settle(4);
  scene.time.advance(1_000);
  expect(scene.proposed).toEqual([]);
  scene.node.stop();
});

/**
 * The story: a node was added at entry 1,500. A wrong replica rebuilt itself from a state whose configuration is that of entry
 * 1,000, took the new node for one that was removed, and told it so: a healthy member stopped for good.
 */
test("a rebuilt state, whose configuration is older, removes nobody who was added since", async () => {
  const scene = new Scene(1_000, [A, B, C]);
  scene.configure(1_500, [A, B, C, D]);
  scene.configure(1_000, [A, B, C]);
  expect(scene.told).toEqual({ members: [B, C, D], removed: [] });
  scene.configure(1_500, [A, B, C, D]);
  await scene.confirm();
  expect(scene.told).toEqual({ members: [B, C, D], removed: [] });
  // What comes after is news again.
  scene.configure(1_700, [A, B, C]);
  await scene.confirm();
  expect(scene.told).toEqual({ members: [B, C], removed: [D] });
  scene.node.stop();
});

test("INV-GROUP-13: a node leaves when others say that it was removed, not when it has read so itself", () => {
  const scene = new Scene(1_500, [A, B, C]);
  scene.configure(1_700, [B, C]);
  expect(scene.node.isRemoved).toBe(false);
  scene.node.onRefused(B, "removed");
  expect(scene.node.isRemoved).toBe(true);
  scene.node.stop();
});

/** The story: a node that waited was found by two clusters. The one that it is not of removed it, and it left its own. */
test("a node of another cluster removes nobody, is told nothing, and its frames are dropped (INV-GROUP-7)", () => {
  const scene = new Scene(1_000, [A, B]);
  const heard: NodeId[] = [];
  scene.node.on(FrameKind.digest, (from) => void heard.push(from));
  const incarnation = new Uint8Array(16);
  for (const [node, clusterId] of [
    [B, "c"],
    [D, "other"],
  ] as const) {
    const member = { nodeId: node, incarnation, name: `n${node}` } as MemberInfo;
    scene.node.onConnected({ member, clusterId });
    const payload = new Uint8Array(0);
    scene.node.onFrame(node, { kind: FrameKind.digest, group: 1 as never, payload });
  }
  expect(heard).toEqual([B]);
  scene.isReady = true;
  scene.time.advance(1_000);
  expect(scene.told).toEqual({ members: [B], removed: [] });
  expect(scene.proposed).toEqual([]);
  scene.node.onRefused(D, "removed");
  expect(scene.node.isRemoved).toBe(false);
  scene.node.onRefused(B, "removed");
  expect(scene.node.isRemoved).toBe(true);
  scene.node.stop();
});

/**
 * The story: after all nodes had lost their power, one of them was elected before a second was over and anybody had told it the
 * time: it stamped with a clock that nobody had judged.
 */
test("a member that connects is told the time before it is told anything else", () => {
  const scene = new Scene(1_000, [A, B]);
  const member = (id: NodeId): MemberInfo =>
    ({ nodeId: id, incarnation: new Uint8Array(16) }) as unknown as MemberInfo;
  scene.node.onConnected({ member: member(B), clusterId: "c" });
  scene.node.onConnected({ member: member(C), clusterId: "c" });
  expect(scene.sent).toEqual([[B, FrameKind.clock]]);
  scene.node.stop();
});

/** The story: a healthy node's own disk failed while it answered a peer, and the error was thrown at the connection. */
test("an error of its own while it takes a frame stops the node; what cannot be read only drops the frame", () => {
  const scene = new Scene(1_000, [A, B]);
  const errors = ["CODEC_DECODE", "IO_READ_FAILED"] as const;
  for (const code of errors) {
    scene.node.on(FrameKind.digest, () => {
      throw new LedgerError(code, "so it is");
    });
    scene.node.onFrame(B, {
      kind: FrameKind.digest,
      group: 1 as never,
      payload: new Uint8Array(0),
    });
  }
  expect(scene.alarms).toEqual(["node 2 sent what cannot be understood: so it is"]);
  expect(scene.fatal).toEqual([expect.objectContaining({ code: "IO_READ_FAILED" })]);
  scene.node.stop();
});
