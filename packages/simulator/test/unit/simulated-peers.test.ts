/** The simulated peer port keeps to what the real one does. */
import type { MemberInfo, PeerIdentity, PeerPort, PeerReceiver } from "@authledger/engine";
import { SeededRandom } from "@authledger/io";
import { groupId, type NodeId, nodeId } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { EventLoop } from "../../src/cluster/event-loop.js";
import { EventTrace } from "../../src/cluster/event-trace.js";
import { MachineLife } from "../../src/cluster/machine-life.js";
import { Switchboard } from "../../src/cluster/simulated-peers.js";
import { FaultPlan } from "../../src/world/fault-plan.js";
import { Network } from "../../src/world/network.js";

const CLUSTER = "c".repeat(32);
const QUIET = { loss: 0, duplicate: 0, lateDuplicate: 0, reorder: 0 };

class Board {
  readonly loop = new EventLoop();
  readonly #board: Switchboard;

  constructor(size: number) {
    const random = new SeededRandom(1);
    const plan = new FaultPlan(1, [], { isRecorded: false });
    const settings = { latencyMsMin: 0.1, latencyMsMax: 0.2, ...QUIET };
    const network = new Network(size, settings, { random, plan });
    const trace = new EventTrace(() => this.loop.now);
    this.#board = new Switchboard({ loop: this.loop, network, trace });
  }

  node(number: number): Node {
    const life = new MachineLife(this.loop);
    const info = memberOf(number);
    return new Node(info, this.#board.open(number, info.peerAddress, life));
  }
}

class Node implements PeerReceiver {
  readonly info: MemberInfo;
  readonly port: PeerPort;
  readonly heard: NodeId[] = [];
  readonly refused: string[] = [];

  constructor(info: MemberInfo, port: PeerPort) {
    this.info = info;
    this.port = port;
    port.listen(this);
  }

  identity(): PeerIdentity {
    return { member: this.info, clusterId: CLUSTER };
  }

  say(to: Node): boolean {
    const payload = Uint8Array.of(1);
    return this.port.send(to.info.nodeId, { kind: 1, group: groupId(1), payload });
  }

  /** Whom it knows, and who was a member. */
  knows(members: readonly Node[], former: readonly Node[] = []): void {
    this.port.setMembers(
      CLUSTER,
      members.map(({ info }) => info),
      former.map(({ info }) => info),
    );
  }

  onFrame(from: NodeId): void {
    this.heard.push(from);
  }

  onRefused(_by: NodeId, why: string): void {
    this.refused.push(why);
  }

  onConnected(): void {}
  onUnreachable(): void {}
}

function memberOf(number: number): MemberInfo {
  const bytes = new Uint8Array(32).fill(number);
  return {
    nodeId: nodeId(BigInt(number + 1)),
    incarnation: bytes.subarray(16),
    name: `n${number}`,
    peerAddress: `n${number}.sim:7000`,
    clientAddress: `n${number}.sim:7001`,
    cosignKey: bytes,
    sealKey: bytes,
  };
}

describe("simulated peers", () => {
  // Seed 20052: a node that had been away knew nobody of the cluster of now. Its leader reached it, and nothing that it
  // answered left, for ever; the port of gRPC answers whoever has reached it.
  it("answer a node that is not known yet, by the connection that it made", async () => {
    const board = new Board(2);
    const [stale, leader] = [board.node(0), board.node(1)];
    stale.knows([]);
    leader.knows([stale]);
    await board.loop.runUntil(100);
    expect(leader.say(stale)).toBe(true);
    await board.loop.runUntil(200);
    expect(stale.heard).toEqual([leader.info.nodeId]);
    expect(stale.say(leader)).toBe(true);
    await board.loop.runUntil(300);
    expect(leader.heard).toEqual([stale.info.nodeId]);
    stale.knows([leader]);
    expect(stale.say(leader)).toBe(true);
    await board.loop.runUntil(400);
    expect(leader.heard).toHaveLength(2);
  });

  // Seed 20115: a node that was removed while it was away reached those who did not remember it after a start of their own;
  // when the leader said that it was removed it was not hung up on, and never heard so.
  it("hang up on who turns out to be removed, so that it dials again and hears why", async () => {
    const board = new Board(2);
    const [removed, other] = [board.node(0), board.node(1)];
    other.knows([]);
    removed.knows([other]);
    await board.loop.runUntil(100);
    expect(removed.port.link(other.info.nodeId)?.isConnected).toBe(true);
    other.knows([], [removed]);
    await board.loop.runUntil(300);
    expect(removed.refused).toContain("removed");
    expect(removed.say(other)).toBe(false);
  });
});
