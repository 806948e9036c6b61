/** Whole engines that are a cluster, over a network in memory whose time moves when it is told to. */
import {
  type Disk,
  joinPath,
  MemoryDisk,
  NodeHasher,
  readFile,
  SeededRandom,
} from "@authledger/io";
import { LedgerError, type NodeId } from "@authledger/types";
import {
  type ClusterOptions,
  type ClusterStatus,
  Engine,
  type EngineOptions,
  type MemberInfo,
  type PeerFrame,
  type PeerIdentity,
  type PeerLink,
  type PeerPort,
  type PeerReceiver,
  type Tracer,
} from "../src/index.js";
import { DIRECTORY, settle, TestTime } from "./engine-support.js";

/** Delivers frames in a later turn, unless a link is cut. */
class TestNetwork {
  readonly ports = new Map<string, TestPort>();
  readonly #cut = new Set<string>();
  /** Frames that were handed over, by kind. */
  readonly sent = new Map<number, number>();
  /** Frames that are lost on their way. */
  lose: (from: NodeId, to: NodeId, frame: PeerFrame) => boolean = () => false;

  /** Nodes of different sides do not hear each other. */
  partition(...sides: readonly (readonly string[])[]): void {
    this.#cut.clear();
    for (const side of sides) {
      for (const other of sides) {
        if (side === other) continue;
        for (const a of side) for (const b of other) this.#cut.add(`${a} ${b}`);
      }
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  isCut(a: string, b: string): boolean {
    return this.#cut.has(`${a} ${b}`) || !this.ports.get(b)?.isUp;
  }
}

class TestPort implements PeerPort {
  readonly #network: TestNetwork;
  readonly #address: string;
  #receiver: PeerReceiver | undefined;
  #members: readonly MemberInfo[] = [];
  #removed: readonly MemberInfo[] = [];
  /** Who has come without being known: answered as long as nobody says that it was removed. */
  readonly #guests = new Map<NodeId, MemberInfo>();
  #clusterId: string | undefined;
  readonly #connected = new Set<NodeId>();
  /** Where a node was when the two last connected, whoever dialed. */
  readonly #streams = new Map<NodeId, TestPort>();
  isUp = true;

  constructor(network: TestNetwork, address: string) {
    this.#network = network;
    this.#address = address;
    network.ports.set(address, this);
  }

  get identity(): PeerIdentity | undefined {
    return this.#receiver?.identity();
  }

  receive(from: NodeId, frame: PeerFrame): void {
    this.#receiver?.onFrame(from, frame);
  }

  connected(peer: PeerIdentity, port?: TestPort): void {
    if (port !== undefined) this.#streams.set(peer.member.nodeId, port);
    this.#guests.set(peer.member.nodeId, peer.member);
    this.#receiver?.onConnected(peer);
  }

  listen(receiver: PeerReceiver): void {
    this.#receiver = receiver;
  }

  setMembers(
    clusterId: string,
    members: readonly MemberInfo[],
    removed: readonly MemberInfo[],
  ): void {
    this.#clusterId = clusterId;
    this.#members = members;
    this.#removed = removed;
    for (const { nodeId } of removed) this.#guests.delete(nodeId);
    for (const node of this.#connected) {
      if (!members.some(({ nodeId }) => nodeId === node)) this.#connected.delete(node);
    }
  }

  send(to: NodeId, frame: PeerFrame): boolean {
    const member = this.#members.find(({ nodeId }) => nodeId === to) ?? this.#guests.get(to);
    if (!this.isUp || member === undefined) return false;
    const other = this.#network.ports.get(member.peerAddress);
    if (other === undefined || this.#network.isCut(this.#address, member.peerAddress)) return false;
    if (!this.#connect(other, member)) return false;
    const { sent } = this.#network;
    sent.set(frame.kind, (sent.get(frame.kind) ?? 0) + 1);
    const from = this.#receiver!.identity().member.nodeId;
    if (this.#network.lose(from, to, frame)) return true;
    void settle(1).then(() => {
      if (this.#network.isCut(this.#address, member.peerAddress)) return;
      other.receive(from, frame);
    });
    return true;
  }

  link(node: NodeId): PeerLink | undefined {
    if (!this.#members.some(({ nodeId }) => nodeId === node)) return undefined;
    const other = this.#streams.get(node);
    const isConnected = other !== undefined && this.#isThere(other);
    return { isConnected, lastHeardMs: undefined, queuedBytes: 0, problem: undefined };
  }

  #isThere(other: TestPort): boolean {
    const { ports } = this.#network;
    const address = other.#address;
    return ports.get(address) === other && !this.#network.isCut(this.#address, address);
  }

  async lookup(address: string): Promise<PeerIdentity> {
    const other = this.#network.ports.get(address);
    const identity = other?.identity;
    if (identity === undefined || this.#network.isCut(this.#address, address)) {
      throw new LedgerError("UNAVAILABLE", `nobody answers at ${address}`);
    }
    return identity;
  }

  /** The handshake: both are of the cluster, or the other waits, and it is the node that was expected. */
  #connect(other: TestPort, expected: MemberInfo): boolean {
    const theirs = other.identity;
    const ours = this.#receiver?.identity();
    if (theirs === undefined || ours === undefined) return false;
    if (other.#removed.some(({ nodeId }) => nodeId === ours.member.nodeId)) {
      this.#receiver!.onRefused(theirs.member.nodeId, "removed");
      return false;
    }
    if (this.#connected.has(expected.nodeId)) return true;
    if (theirs.member.nodeId !== expected.nodeId) return false;
    if (theirs.clusterId !== undefined && theirs.clusterId !== this.#clusterId) return false;
    this.#connected.add(expected.nodeId);
    this.#streams.set(expected.nodeId, other);
    other.connected(ours, this);
    this.#receiver!.onConnected(theirs);
    return true;
  }
}

export interface ClusterMember {
  readonly name: string;
  readonly address: string;
  readonly disk: Disk;
  readonly fatal: LedgerError[];
  readonly alarms: string[];
  /** What its wall clock is ahead of the others. */
  readonly skew: { ms: number };
  engine: Engine;
}

const STEP_MS = 25;

export class TestCluster {
  readonly time = new TestTime();
  readonly network = new TestNetwork();
  readonly members: ClusterMember[] = [];
  readonly #options: Partial<EngineOptions>;
  readonly #cluster: Partial<ClusterOptions>;
  readonly #tracerOf: (name: string) => Tracer | undefined;
  #seed = 1;

  constructor(
    options: Partial<EngineOptions> = {},
    cluster: Partial<ClusterOptions> = {},
    tracerOf: (name: string) => Tracer | undefined = () => undefined,
  ) {
    this.#options = options;
    this.#cluster = cluster;
    this.#tracerOf = tracerOf;
  }

  /** A founder and nodes that join it, all voters. */
  static async of(
    size: number,
    options: Partial<EngineOptions> = {},
    more: Partial<ClusterOptions> = {},
    tracerOf?: (name: string) => Tracer | undefined,
  ): Promise<TestCluster> {
    const cluster = new TestCluster(options, more, tracerOf);
    const founder = await cluster.start("n1", false);
    for (let i = 2; i <= size; i++) await cluster.start(`n${i}`, true);
    const addresses = cluster.members.map(({ address }) => address);
    await cluster.until(founder.engine.call("cluster_init", { addresses }));
    return cluster;
  }

  async start(name: string, join: boolean, disk: Disk = new MemoryDisk()): Promise<ClusterMember> {
    const address = `${name}:7401`;
    const fatal: LedgerError[] = [];
    const alarms: string[] = [];
    const skew = { ms: 0 };
    const engine = await this.until(this.#open(name, join, { disk, fatal, alarms, skew }));
    const member = { name, address, disk, fatal, alarms, skew, engine };
    this.members.push(member);
    return member;
  }

  #open(
    name: string,
    join: boolean,
    { disk, fatal, alarms, skew }: Pick<ClusterMember, "disk" | "fatal" | "alarms" | "skew">,
  ): Promise<Engine> {
    const address = `${name}:7401`;
    const peers = new TestPort(this.network, address);
    const cluster = { peers, name, peerAddress: address, clientAddress: `${name}:7400`, join };
    return Engine.open(
      {
        directory: DIRECTORY,
        cacheBytes: 1 << 22,
        logSegmentBytes: 256 * 1024,
        ...this.#options,
        cluster: { ...cluster, ...this.#cluster },
      },
      {
        disk,
        clock: {
          nowMs: () => this.time.nowMs() + skew.ms,
          monotonicMs: () => this.time.monotonicMs(),
        },
        timers: this.time,
        random: new SeededRandom(this.#seed++),
        hasher: new NodeHasher(),
        lock: async () => ({ release: async () => undefined }),
        onFatal: (error) => fatal.push(error),
        onAlarm: (alarm) => alarms.push(alarm),
        tracer: this.#tracerOf(name),
      },
    );
  }

  /** The node is gone, with everything that was not synced; its engine goes on in a world of its own. */
  crash(member: ClusterMember): void {
    this.network.ports.get(member.address)!.isUp = false;
  }

  /** Starts a node that crashed on what its disk has kept. */
  async restart(member: ClusterMember): Promise<ClusterMember> {
    const { disk: before } = member;
    if (!(before instanceof MemoryDisk)) throw new Error("only a disk in memory is found again");
    const disk = before.crash(new SeededRandom(this.#seed++), { unsynced: "lost" });
    this.members.splice(this.members.indexOf(member), 1);
    return this.start(member.name, true, disk);
  }

  /** Lets time pass. */
  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.time.advance(STEP_MS);
      await settle(4);
    }
  }

  /** Lets time pass until a promise is settled. */
  async until<T>(promise: Promise<T>, mostMs = 20_000): Promise<T> {
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    promise.then(settled, settled);
    await settle(8);
    for (let passed = 0; !isSettled && passed < mostMs; passed += STEP_MS) await this.run(STEP_MS);
    if (!isSettled) throw new Error(`not settled within ${mostMs} ms`);
    return promise;
  }

  /** Lets time pass until something holds. */
  async eventually(holds: () => boolean, mostMs = 20_000): Promise<void> {
    for (let passed = 0; !holds(); passed += STEP_MS) {
      if (passed >= mostMs) throw new Error(`does not hold within ${mostMs} ms: ${holds}`);
      await this.run(STEP_MS);
    }
  }

  async status(member: ClusterMember): Promise<ClusterStatus> {
    return member.engine.call("cluster_status", {});
  }

  get alive(): ClusterMember[] {
    return this.members.filter(({ address }) => this.network.ports.get(address)!.isUp);
  }

  leaders(): ClusterMember[] {
    return this.alive.filter(({ engine }) => engine.stats().group.role === "leader");
  }

  /** The leader of the highest term, once it can write. */
  async leader(): Promise<ClusterMember> {
    let found: ClusterMember | undefined;
    await this.eventually(() => {
      const leaders = this.leaders();
      leaders.sort((a, b) => b.engine.stats().group.term - a.engine.stats().group.term);
      found = leaders[0];
      if (found === undefined) return false;
      const { group, appliedIndex } = found.engine.stats();
      return appliedIndex === group.lastIndex;
    });
    return found!;
  }

  async close(): Promise<void> {
    for (const { engine } of this.members) await this.until(engine.close());
  }
}

/** Makes the last batch of the log unreadable; where it begins. */
export async function spoilLastBatch(disk: MemoryDisk): Promise<void> {
  const wal = joinPath(DIRECTORY, "wal");
  const names = (await disk.list(wal)).filter((name) => name.endsWith(".seg")).sort();
  for (const name of names.reverse()) {
    const path = joinPath(wal, name);
    const bytes = await readFile(disk as Disk, path);
    let end = bytes.length;
    while (end > 4096 && bytes.subarray(end - 4096, end).every((byte) => byte === 0)) end -= 4096;
    if (end <= 4096) continue;
    disk.corrupt(path, end - 4096 + 100, Uint8Array.of(0xff, 0xff, 0xff));
    return;
  }
}
