/**
 * The peer port of simulated machines: frames over a simulated network, connections that are made by a handshake and break
 * when a process ends. Frames may be lost, doubled and late, as the port's contract says.
 */
import type {
  MemberInfo,
  PeerFrame,
  PeerIdentity,
  PeerLink,
  PeerPort,
  PeerReceiver,
  PeerRefusal,
} from "@authledger/engine";
import { equalBytes, LedgerError, type NodeId } from "@authledger/types";
import type { Network } from "../world/network.js";
import type { EventLoop } from "./event-loop.js";
import type { EventTrace } from "./event-trace.js";
import type { MachineLife } from "./machine-life.js";

/** Between two attempts to reach a member. */
const DIAL_MS = 40;

export interface SwitchboardDeps {
  readonly loop: EventLoop;
  readonly network: Network;
  readonly trace: EventTrace;
}

/** Where the processes of all machines are reached: one port for each machine's address. */
export class Switchboard {
  readonly deps: SwitchboardDeps;
  readonly #ports = new Map<string, SimulatedPeers>();

  constructor(deps: SwitchboardDeps) {
    this.deps = deps;
  }

  /** The port of a new life of a machine. */
  open(machine: number, address: string, life: MachineLife): PeerPort {
    const port = new SimulatedPeers(this, machine, life);
    this.#ports.set(address, port);
    return port;
  }

  at(address: string): SimulatedPeers | undefined {
    const port = this.#ports.get(address);
    return port?.isListening ? port : undefined;
  }

  /** Breaks what a machine is connected to: its process has ended. */
  hangUp(address: string): void {
    const port = this.#ports.get(address);
    this.#ports.delete(address);
    for (const other of this.#ports.values()) if (port !== undefined) other.lost(port);
  }
}

/** A member to be reached. */
interface Link {
  readonly info: MemberInfo;
  /** The process on the other end, while connected. */
  port: SimulatedPeers | undefined;
  problem: string | undefined;
  lastHeardMs: number | undefined;
}

class SimulatedPeers implements PeerPort {
  readonly machine: number;
  readonly life: MachineLife;
  readonly #board: Switchboard;
  readonly #links = new Map<NodeId, Link>();
  /** Nodes of the cluster that this one has not heard of yet and that have reached it: they are answered, as the real port does. */
  readonly #guests = new Map<NodeId, SimulatedPeers>();
  /** Who was a member and is no more. */
  #former: ReadonlySet<NodeId> = new Set();
  #receiver: PeerReceiver | undefined;

  constructor(board: Switchboard, machine: number, life: MachineLife) {
    this.#board = board;
    this.machine = machine;
    this.life = life;
  }

  get isListening(): boolean {
    return this.#receiver !== undefined && !this.life.isOver;
  }

  get identity(): PeerIdentity {
    return this.#receiver!.identity();
  }

  listen(receiver: PeerReceiver): void {
    this.#receiver = receiver;
  }

  setMembers(
    _clusterId: string,
    members: readonly MemberInfo[],
    removed: readonly MemberInfo[],
  ): void {
    const kept = new Set(members.map(({ nodeId }) => nodeId));
    for (const [node, { port }] of this.#links) {
      if (kept.has(node)) continue;
      this.#links.delete(node);
      // Its connections are closed, so that it dials again and hears why.
      port?.life.after(1, () => port.lost(this));
    }
    this.#former = new Set(removed.map(({ nodeId }) => nodeId));
    for (const [node, port] of this.#guests) {
      if (!this.#former.has(node)) continue;
      this.#guests.delete(node);
      port.life.after(1, () => port.lost(this));
    }
    for (const info of members) if (!this.#links.has(info.nodeId)) this.#addMember(info);
  }

  /** Somebody who has reached this node already is reached by that connection. */
  #addMember(info: MemberInfo): void {
    const port = this.#guests.get(info.nodeId);
    this.#guests.delete(info.nodeId);
    const problem = port === undefined ? "not reached yet" : undefined;
    this.#links.set(info.nodeId, { info, port, problem, lastHeardMs: undefined });
    if (port === undefined) this.#dial(info.nodeId, 0);
  }

  send(to: NodeId, frame: PeerFrame): boolean {
    const target = this.#links.get(to)?.port ?? this.#guests.get(to);
    if (target === undefined || this.life.isOver) return false;
    const { network, loop } = this.#board.deps;
    const copy = { ...frame, payload: frame.payload.slice() };
    const from = this.identity.member.nodeId;
    const delays = network.route(this.machine, target.machine, loop.now);
    for (const delay of delays) target.life.after(delay, () => target.receive(from, this, copy));
    if (delays.length === 0) this.life.after(1, () => this.#receiver!.onUnreachable(to));
    return true;
  }

  link(node: NodeId): PeerLink | undefined {
    const link = this.#links.get(node);
    if (link === undefined) return undefined;
    const { port, problem, lastHeardMs } = link;
    return { isConnected: port !== undefined, lastHeardMs, queuedBytes: 0, problem };
  }

  lookup(address: string): Promise<PeerIdentity> {
    const { network, loop } = this.#board.deps;
    return new Promise((resolve, reject) => {
      const target = this.#board.at(address);
      const there = target && network.route(this.machine, target.machine, loop.now)[0];
      if (target === undefined || there === undefined) {
        const unreached = new LedgerError("UNAVAILABLE", `nobody answers at ${address}`);
        this.life.after(100, () => reject(unreached));
        return;
      }
      target.life.after(there, () => {
        const found = target.identity;
        this.life.after(there, () => resolve(found));
      });
    });
  }

  receive(from: NodeId, port: SimulatedPeers, frame: PeerFrame): void {
    const link = this.#links.get(from);
    // A member that this node does not know yet reaches it too; one that it has hung up on does not.
    const known = link === undefined ? this.#guests.get(from) : link.port;
    if (this.#former.has(from) || known !== port) return;
    if (link !== undefined) link.lastHeardMs = this.#board.deps.loop.now;
    const { trace } = this.#board.deps;
    trace.note(
      `n${this.machine}`,
      `frame ${frame.kind} of ${frame.payload.length} B from n${port.machine}`,
    );
    this.#receiver!.onFrame(from, frame);
  }

  /** The process at the other end has ended. */
  lost(port: SimulatedPeers): void {
    for (const [node, guest] of this.#guests) if (guest === port) this.#guests.delete(node);
    for (const [node, link] of this.#links) {
      if (link.port !== port) continue;
      link.port = undefined;
      link.problem = "connection lost";
      this.life.after(1, () => this.#receiver!.onUnreachable(node));
      this.#dial(node, DIAL_MS);
    }
  }

  #dial(node: NodeId, delayMs: number): void {
    this.life.after(delayMs, () => {
      const link = this.#links.get(node);
      if (link === undefined || link.port !== undefined) return;
      const { network, loop } = this.#board.deps;
      const target = this.#board.at(link.info.peerAddress);
      const out = target && network.route(this.machine, target.machine, loop.now)[0];
      const back = target && network.route(target.machine, this.machine, loop.now)[0];
      this.#dial(node, DIAL_MS + (out ?? 0) + (back ?? 0));
      if (target === undefined || out === undefined || back === undefined) return;
      target.life.after(out, () => this.#meet(target, link, back));
    });
  }

  /** Runs where the dialed process is. */
  #meet(target: SimulatedPeers, link: Link, back: number): void {
    if (this.life.isOver) return;
    const mine = this.identity;
    const refusal = target.#refuses(mine, link.info);
    if (refusal === undefined) target.#connected(this, mine);
    const theirs = target.identity;
    this.life.after(back, () => {
      if (this.#links.get(link.info.nodeId) !== link || link.port !== undefined) return;
      if (refusal !== undefined) {
        link.problem = refusal;
        this.#receiver!.onRefused(link.info.nodeId, refusal);
      } else if (!target.life.isOver) {
        link.port = target;
        link.problem = undefined;
        this.#receiver!.onConnected(theirs);
      }
    });
  }

  #connected(from: SimulatedPeers, peer: PeerIdentity): void {
    const link = this.#links.get(peer.member.nodeId);
    if (link === undefined) this.#guests.set(peer.member.nodeId, from);
    else {
      link.port = from;
      link.problem = undefined;
    }
    this.#receiver!.onConnected(peer);
  }

  /** Why this process does not talk to a caller that expects somebody here. */
  #refuses(caller: PeerIdentity, expected: MemberInfo): PeerRefusal | undefined {
    const { member, clusterId } = this.identity;
    if (member.nodeId !== expected.nodeId) return "other-node";
    if (!equalBytes(member.incarnation, expected.incarnation)) return "other-incarnation";
    if (caller.clusterId === undefined) return "waiting";
    if (clusterId !== undefined && clusterId !== caller.clusterId) return "other-cluster";
    return this.#former.has(caller.member.nodeId) ? "removed" : undefined;
  }
}
