/**
 * A node's part in a cluster: what arrives from its peers and what leaves to them, time for its group, whom it is reached
 * by, and when it belongs to a cluster no more.
 *
 *   INV-GROUP-7  A node belongs to one cluster for good: it takes part only after the cluster's id is on its disk, is taken
 *               in by none while it begins one and begins none while it is taken in, and frames of peers that are of
 *               another cluster or another life of a member are dropped.
 *   INV-GROUP-8  That others vote beside a node is on its disk before they do: has_peers of node.json, by which a start judges
 *               the end of the log before it has read who votes.
 *   INV-GROUP-13  That a member is removed is answered, and told to it, only when a leader has committed an entry behind that: a
 *               majority of those who vote now then knows from its own disk that the removal is committed (INV-GROUP-11), and
 *               needs the vote of the removed node, whose disk may be emptied, no more. It goes on until it is told.
 */

import type { Clock, Disk, Timers } from "@authledger/io";
import { decodeMessage, encodeMessage, type Message } from "@authledger/raft";
import { equalBytes, type GroupId, LedgerError, type NodeId } from "@authledger/types";
import { SigningKey } from "../ed25519.js";
import { type NodeDirectory, type NodeIdentity, writeIdentity } from "../node-directory.js";
import { ClockGuard } from "./clock-guard.js";
import type { ClusterOptions } from "./cluster-calls.js";
import { CARE_INTERVAL_MS, REMOVAL_GRACE_MS, REMOVED_KEPT_MAX, TICK_MS } from "./cluster-limits.js";
import { nodesOf } from "./group-configuration.js";
import { includesNode } from "./member-info.js";
import type { PeerReceiver, PeerRefusal } from "./peer-port.js";
import { FrameKind, type MemberInfo, type PeerFrame, type PeerIdentity } from "./peer-port.js";
import { type NewEntry, PeerVersions } from "./peer-versions.js";
import type { RaftGroup } from "./raft-group.js";
import { RemovalWord } from "./removal-word.js";
import { isSealKey, SealingKey } from "./sealed-secret.js";
import { VoterInquiry } from "./voter-inquiry.js";

export interface ClusterNodeDeps {
  readonly group: RaftGroup;
  readonly groupId: GroupId;
  readonly node: NodeDirectory;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  /** What the state has applied. */
  readonly appliedIndex: () => number;
  /** Which entry its configuration is of. */
  readonly configIndex: () => number;
  /** Once a second, beside what the node itself does. */
  readonly onCare: () => void;
  readonly onAlarm: (alarm: string) => void;
  readonly onFatal: (error: LedgerError) => void;
}

/** The payload of an entry that says nothing. */
const NOTHING = new Uint8Array(0);

type FrameHandler = (from: NodeId, payload: Uint8Array) => void;

interface MetPeer {
  readonly member: MemberInfo;
  readonly clusterId: string;
}

export class ClusterNode implements PeerReceiver {
  readonly info: MemberInfo;
  readonly sealing: SealingKey;
  readonly clocks: ClockGuard;
  readonly #versions = new PeerVersions();
  readonly #inquiry: VoterInquiry;
  readonly #removals: RemovalWord;
  readonly #options: ClusterOptions;
  readonly #deps: ClusterNodeDeps;
  readonly #handlers = new Map<number, FrameHandler>();
  /** Members of clusters, as they told of themselves when they connected. A node that waits may be found by several. */
  readonly #met = new Map<NodeId, MetPeer>();
  #identity: NodeIdentity;
  /** As it will be when all that was asked for is on the disk. */
  #queued: NodeIdentity;
  /** Of the configuration that the transport was told last, and who went since the start. */
  #lastConfigured: readonly MemberInfo[] = [];
  #removed: readonly MemberInfo[] = [];
  /** Those of them who are told so. */
  #told: readonly MemberInfo[] = [];
  #isConfirming = false;
  /** The newest configuration that was applied; a state that was rebuilt begins with an older one. */
  #configuredAt = 0;
  #writing: Promise<void> = Promise.resolve();
  #writes = 0;
  /** A cluster of its own is being begun: what comes before its id is not on the disk yet. */
  #isBeginning = false;
  /** The cluster that is taking this node in. */
  #adopting: string | undefined;
  /** Changes under way that give this node peers. */
  #expected = 0;
  /** A cluster that has added this node, which could not be taken in while it began one, or had no room on its disk. */
  #foundBy: string | undefined;
  #hasToldOfRoom = false;
  #isRemoved = false;
  #isStopped = false;
  #cancelTick: () => void = () => undefined;
  #cancelCare: () => void = () => undefined;

  constructor(options: ClusterOptions, deps: ClusterNodeDeps) {
    this.#options = options;
    this.#deps = deps;
    const { identity, secrets } = deps.node;
    this.#identity = identity;
    this.#queued = identity;
    this.sealing = new SealingKey(secrets.sealSeed);
    this.clocks = new ClockGuard(deps.clock);
    this.info = {
      nodeId: identity.nodeId,
      incarnation: identity.incarnation,
      name: options.name,
      peerAddress: options.peerAddress,
      clientAddress: options.clientAddress,
      cosignKey: new SigningKey(secrets.replicaSeed).publicKey,
      sealKey: this.sealing.publicKey,
    };
    const { group, onAlarm, onFatal } = deps;
    this.#inquiry = new VoterInquiry({
      ...{ group, self: identity.nodeId, onAlarm, onFatal },
      send: (to, kind, payload) => this.send(to, kind, payload),
    });
    this.#removals = new RemovalWord({
      leader: () => group.leader,
      isLeading: () => group.isReady,
      strangers: () => this.#strangers(this.#metHere()),
      told: () => this.#told,
      note: (strangers) => this.#noteStrangers(strangers),
      tell: (removed) => this.#tellRemoved(removed),
      send: (to, kind, payload) => this.send(to, kind, payload),
    });
    this.on(FrameKind.voter, (from, payload) => this.#inquiry.heard(from, payload));
    this.on(FrameKind.strangers, (from, payload) => this.#removals.asked(from, payload));
    this.on(FrameKind.removed, (_from, payload) => this.#removals.answered(payload));
    this.on(FrameKind.raft, (from, payload) => this.#onRaft(from, payload));
    this.on(FrameKind.clock, (from, payload) => this.clocks.heard(from, payload));
  }

  /** The cluster that the node belongs to for good; undefined while it waits. */
  get clusterId(): string | undefined {
    return this.#identity.clusterId;
  }

  /** It was added to its cluster by another node; false while it waits, and for the node that began the cluster. */
  get isJoined(): boolean {
    return this.#identity.clusterId !== undefined && this.#identity.joins === true;
  }

  get isRemoved(): boolean {
    return this.#isRemoved;
  }

  /** Takes frames of a kind from members. */
  on(kind: FrameKind, handler: FrameHandler): void {
    this.#handlers.set(kind, handler);
  }

  /** Begins to listen, and to feed the group with time. */
  start(): void {
    this.#options.peers.listen(this);
    this.#configuredAt = this.#deps.configIndex();
    this.#tellMembers();
    this.#notePeers();
    this.#tick();
    this.#care();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelTick();
    this.#cancelCare();
  }

  /** Hands a frame over to a member; it may be lost. */
  send(to: NodeId, kind: FrameKind, payload: Uint8Array): boolean {
    return this.#options.peers.send(to, { kind, group: this.#deps.groupId, payload });
  }

  /** The same to all other members. */
  sendToAll(kind: FrameKind, payload: Uint8Array): void {
    for (const { nodeId } of this.#configured) {
      if (nodeId !== this.info.nodeId) this.send(nodeId, kind, payload);
    }
  }

  sendMessage(message: Message): void {
    const isSent = this.send(message.to, FrameKind.raft, encodeMessage(message));
    if (!isSent && message.type === "append") this.#deps.group.unreachable(message.to);
  }

  /**
   * Begins a cluster of this node, which no other one takes in from here on.
   * @param prepare what must be on the disk before the cluster's id
   * @throws LedgerError CLUSTER_MISMATCH where another cluster is taking the node in
   */
  async begin(clusterId: string, prepare: () => Promise<void>): Promise<void> {
    if (this.#adopting !== undefined) throw ofAnother(this.#adopting);
    this.#isBeginning = true;
    try {
      await prepare();
      await this.join(clusterId, false);
    } finally {
      this.#isBeginning = false;
    }
  }

  /**
   * The node is of this cluster from now on. Resolves when that is on the disk.
   * @throws LedgerError CLUSTER_MISMATCH where it is of another one
   */
  async join(clusterId: string, joins: boolean): Promise<void> {
    const { clusterId: known, joins: joined = false } = this.#identity;
    if (known === clusterId && joined === joins) return;
    if (known !== undefined && known !== clusterId) throw ofAnother(known);
    await this.#write({ clusterId, joins });
    this.#tellMembers();
  }

  /** Resolves when nothing is written any more; after `stop`. */
  async idle(): Promise<void> {
    await this.#writing;
    await this.#deps.node.secrets.idle();
  }

  /** One write after the other; what is on the disk is what counts. @throws LedgerError SHUTTING_DOWN after `stop` */
  async #write(change: Partial<NodeIdentity>): Promise<void> {
    // Whoever opens the directory next writes node.json as well.
    if (this.#isStopped) throw new LedgerError("SHUTTING_DOWN", "the node is shutting down");
    const { node, disk } = this.#deps;
    this.#queued = { ...this.#queued, ...change };
    this.#writes++;
    const written = this.#writing.then(async () => {
      const identity = { ...this.#identity, ...change };
      if (isSameIdentity(identity, this.#identity)) return;
      await writeIdentity(node.path, identity, disk);
      this.#identity = identity;
    });
    const ended = (): void => {
      if (--this.#writes === 0) this.#queued = this.#identity;
    };
    this.#writing = written.then(ended, ended);
    await written;
  }

  /**
   * Runs a change by which others come to vote beside this node, which votes alone. They will count on what it acknowledges,
   * and a start that finds the end of the log unreadable must know (INV-GROUP-8).
   * @throws LedgerError what `change` throws; DISK_FULL before it has begun
   */
  async withPeers(change: () => Promise<void>): Promise<void> {
    this.#expected++;
    try {
      await this.#write({ hasPeers: true });
      await change();
    } finally {
      this.#expected--;
      this.#notePeers();
    }
  }

  /** So that the next start knows, before it reads the log, whether others count on what this node has acknowledged. */
  #notePeers(): void {
    if (this.#isStopped) return;
    const { voters, outgoing } = this.#deps.group.configuration.membership;
    const hasPeers = [...voters, ...outgoing].some((voter) => voter !== this.info.nodeId);
    const isKnown = hasPeers === (this.#queued.hasPeers ?? false);
    if (isKnown || this.#queued.clusterId === undefined) return;
    if (!hasPeers && !this.#isSurelyAlone) return;
    this.#write({ hasPeers }).catch((error: unknown) => {
      const failure = LedgerError.from(error);
      // Without room it is tried again every second: who was alone has noted its peers before, others are not alone.
      if (failure.code !== "DISK_FULL") this.#deps.onFatal(failure);
    });
  }

  /** No entry that may give this node peers is under way: a change that failed may lie in the log, and come into force later. */
  get #isSurelyAlone(): boolean {
    const { group, appliedIndex } = this.#deps;
    if (this.#expected > 0 || group.isRecovering) return false;
    return group.isReady && appliedIndex() === group.lastIndex;
  }

  /**
   * The members are others, or have other addresses. Those of a rebuilt state are old news: whoever was added since
   * is no removed node, and nobody is told anything until the log has come to where it was.
   */
  onConfiguration(): void {
    const configIndex = this.#deps.configIndex();
    if (configIndex < this.#configuredAt) return;
    this.#configuredAt = configIndex;
    this.#tellMembers();
    this.#notePeers();
    this.clocks.forget((node) => this.#isMember(node));
  }

  /**
   * Commits an entry behind the removals that are known here, and tells those who were removed. INV-GROUP-13.
   * @throws LedgerError (by rejection) what became of the entry; a leader tries it again every second
   */
  confirmRemovals(): Promise<void> {
    const removed = this.#removed;
    return new Promise((resolve, reject) => {
      const applied = (): void => {
        this.#told = removed;
        this.#tellMembers();
        resolve();
      };
      this.#deps.group.propose(NOTHING, { applied, failed: reject });
    });
  }

  #confirmAgain(): void {
    const isTold = this.#removed.every((member) => this.#told.includes(member));
    if (isTold || this.#isConfirming || !this.#deps.group.isReady) return;
    this.#isConfirming = true;
    const ended = (): void => {
      this.#isConfirming = false;
    };
    this.confirmRemovals().then(ended, ended);
  }

  /** @throws LedgerError UPGRADE_UNFINISHED while a member does not understand such entries (INV-PEER-6) */
  requireUnderstood(what: NewEntry): void {
    this.#versions.require(what, this.#configured);
  }

  identity(): PeerIdentity {
    return { member: this.info, clusterId: this.#identity.clusterId };
  }

  onConnected(peer: PeerIdentity): void {
    const { clusterId, member, protocolVersion } = peer;
    if (clusterId === undefined) return;
    this.#versions.heard(member.nodeId, protocolVersion);
    this.#met.set(member.nodeId, { member, clusterId });
    if (this.#identity.clusterId === undefined) this.#adopt(clusterId);
    else if (this.#configured.length === 0) this.#tellMembers();
    // Before its first vote: whoever leads next knows then how far its clock is off.
    if (this.#isMember(member.nodeId)) {
      this.send(member.nodeId, FrameKind.clock, this.clocks.frame());
    }
  }

  onFrame(from: NodeId, { kind, group, payload }: PeerFrame): void {
    // The files are closed before the connections are.
    if (this.#isStopped) return;
    if (this.#identity.clusterId === undefined || group !== this.#deps.groupId) return;
    if (this.#isStranger(from)) return;
    try {
      this.#handlers.get(kind)?.(from, payload);
    } catch (error) {
      const failure = LedgerError.from(error);
      if (failure.code === "CODEC_DECODE") {
        this.#deps.onAlarm(`node ${from} sent what cannot be understood: ${failure.message}`);
      } else {
        // It is not the link's fault: an error here is one of the own disk, or a bug.
        this.#deps.onFatal(failure);
      }
    }
  }

  onUnreachable(node: NodeId): void {
    this.#deps.group.unreachable(node);
  }

  onRefused(by: NodeId, why: PeerRefusal): void {
    const isOurs = this.#identity.clusterId !== undefined && !this.#isForeign(by);
    if (why === "removed" && isOurs) {
      this.#leave(`node ${by} says that it is no member`);
    } else if (why === "other-incarnation") {
      this.#deps.onAlarm(`node ${by} knows this node under another incarnation`);
    }
  }

  /**
   * What a member told of itself when it connected, where that is not what the group knows. Who is not connected may have
   * told another leader newer things since.
   */
  changedInfos(): readonly MemberInfo[] {
    const { peers } = this.#options;
    const heard = this.#metHere().filter(({ nodeId }) => peers.link(nodeId)?.isConnected);
    const told = [...heard, this.info];
    return this.#configured.flatMap((known) => {
      const now = told.find(({ nodeId }) => nodeId === known.nodeId);
      const isNews = now !== undefined && isMoved(known, now) && isSealKey(now.sealKey);
      return isNews ? [now] : [];
    });
  }

  get #configured(): readonly MemberInfo[] {
    return this.#deps.group.configuration.members;
  }

  #isMember(node: NodeId): boolean {
    return nodesOf(this.#deps.group.configuration.membership).includes(node);
  }

  /** Of another cluster, or another life of a member under its node id. */
  #isStranger(node: NodeId): boolean {
    if (this.#isForeign(node)) return true;
    const known = this.#configured.find(({ nodeId }) => nodeId === node);
    const met = this.#met.get(node);
    if (known === undefined || met === undefined) return false;
    return !equalBytes(known.incarnation, met.member.incarnation);
  }

  /** Of another cluster: it came while this node waited. */
  #isForeign(node: NodeId): boolean {
    const met = this.#met.get(node);
    return met !== undefined && met.clusterId !== this.#identity.clusterId;
  }

  /** Those of this node's cluster. */
  #metHere(): readonly MemberInfo[] {
    const met = [...this.#met.values()].map(({ member }) => member);
    return met.filter(({ nodeId }) => !this.#isForeign(nodeId));
  }

  #onRaft(from: NodeId, payload: Uint8Array): void {
    const { group } = this.#deps;
    const message = decodeMessage(payload);
    // Whole states come as checked files, not as messages.
    if (message.from !== from || message.to !== this.info.nodeId || message.type === "snapshot") {
      return;
    }
    group.receive(message);
  }

  /** Found by a cluster that has added it. Frames are dropped until the disk says so; whoever sent them repeats them. */
  #adopt(clusterId: string): void {
    if (this.#adopting !== undefined || this.#identity.joins !== true || this.#isStopped) return;
    this.#foundBy = clusterId;
    if (this.#isBeginning) return;
    this.#adopting = clusterId;
    this.#takenIn(clusterId)
      .catch((error: unknown) => this.#notAdopted(clusterId, LedgerError.from(error)))
      .finally(() => {
        this.#adopting = undefined;
      });
  }

  /** A log seed of its own must be gone before: nobody asks for the cluster's where there is one. */
  async #takenIn(clusterId: string): Promise<void> {
    await this.#deps.node.secrets.dropLogSeed();
    await this.join(clusterId, true);
  }

  /** Nothing was promised to anybody yet: on a full disk the node goes on waiting, and tries again. */
  #notAdopted(clusterId: string, error: LedgerError): void {
    if (this.#isStopped) return;
    if (error.code !== "DISK_FULL") {
      this.#deps.onFatal(error);
      return;
    }
    if (!this.#hasToldOfRoom) {
      const message = `the node waits for room on its disk to join the cluster ${clusterId}: ${error.message}`;
      this.#deps.onAlarm(message);
    }
    this.#hasToldOfRoom = true;
  }

  #adoptAgain(): void {
    if (this.#foundBy !== undefined && this.clusterId === undefined) this.#adopt(this.#foundBy);
  }

  /** Before the node knows the group's members it answers those who have reached it. */
  #tellMembers(): void {
    const { clusterId } = this.#identity;
    if (clusterId === undefined) return;
    const known = this.#configured.length > 0 ? this.#configured : this.#metHere();
    const others = known.filter(({ nodeId }) => nodeId !== this.info.nodeId);
    this.#removed = nextRemoved(this.#removed, this.#lastConfigured, this.#configured);
    this.#lastConfigured = this.#configured;
    this.#told = this.#told.filter((member) => this.#removed.includes(member));
    this.#options.peers.setMembers(clusterId, others, this.#told);
  }

  /**
   * Whoever carries the cluster's id was in a configuration that was applied. A leader that has applied an entry of its term
   * knows all of those: who is in none of them was removed, even if that was before this process began.
   */
  #noteStrangers(met: readonly MemberInfo[]): void {
    if (!this.#deps.group.isReady) return;
    const strangers = this.#strangers(met).filter((one) => !includesNode(this.#removed, one));
    if (strangers.length > 0) this.#removed = [...this.#removed, ...strangers];
  }

  #strangers(met: readonly MemberInfo[]): MemberInfo[] {
    return met.filter(({ nodeId }) => !this.#isMember(nodeId));
  }

  /** The leader has said so of nodes that are connected here. */
  #tellRemoved(members: readonly MemberInfo[]): void {
    const news = members.filter((one) => !includesNode(this.#told, one));
    if (news.length === 0) return;
    this.#removed = [...this.#removed.filter((one) => !includesNode(news, one)), ...news];
    this.#told = [...this.#told, ...news];
    this.#tellMembers();
  }

  #leave(why: string): void {
    if (this.#isRemoved) return;
    this.#isRemoved = true;
    const message = `node ${this.info.nodeId} (${this.info.name}) is no member of its cluster any more: ${why}`;
    const error = new LedgerError("NODE_REMOVED", message);
    this.#deps.timers.after(REMOVAL_GRACE_MS, () => this.#deps.onFatal(error));
  }

  #tick(): void {
    const { timers, clock, group } = this.#deps;
    const dueMs = clock.monotonicMs() + TICK_MS;
    this.#cancelTick = timers.after(TICK_MS, () => {
      this.#tick();
      if (clock.monotonicMs() < dueMs + TICK_MS) group.tick();
      else this.#tickLate();
    });
  }

  /** The loop was held: a node hears what came meanwhile before it concludes anything from the time that passed. */
  #tickLate(): void {
    const { timers, group, onFatal } = this.#deps;
    const ticked = timers.yield().then(() => group.tick());
    ticked.catch((error: unknown) => onFatal(LedgerError.from(error)));
  }

  #care(): void {
    this.#cancelCare = this.#deps.timers.after(CARE_INTERVAL_MS, () => {
      this.#care();
      this.sendToAll(FrameKind.clock, this.clocks.frame());
      this.#noteStrangers(this.#metHere());
      this.#confirmAgain();
      this.#removals.care();
      this.#adoptAgain();
      this.#notePeers();
      this.#inquiry.care();
      this.#deps.onCare();
    });
  }
}

/** Configurations are applied in the order of the log: who was in one and is not in a later one was removed. */
function nextRemoved(
  removed: readonly MemberInfo[],
  before: readonly MemberInfo[],
  now: readonly MemberInfo[],
): readonly MemberInfo[] {
  const gone = [...removed, ...before].filter((member) => !includesNode(now, member));
  return gone.slice(-REMOVED_KEPT_MAX);
}

function isSameIdentity(a: NodeIdentity, b: NodeIdentity): boolean {
  return (
    a.clusterId === b.clusterId &&
    (a.joins ?? false) === (b.joins ?? false) &&
    (a.hasPeers ?? false) === (b.hasPeers ?? false)
  );
}

function ofAnother(clusterId: string): LedgerError {
  const message = `this node belongs to the cluster ${clusterId}, or is being taken in by it`;
  return new LedgerError("CLUSTER_MISMATCH", message, { details: { clusterId } });
}

/** The same life of a node, which tells other things of itself than before. */
function isMoved(known: MemberInfo, now: MemberInfo): boolean {
  if (!equalBytes(known.incarnation, now.incarnation)) return false;
  return (
    known.name !== now.name ||
    known.peerAddress !== now.peerAddress ||
    known.clientAddress !== now.clientAddress ||
    !equalBytes(known.cosignKey, now.cosignKey) ||
    !equalBytes(known.sealKey, now.sealKey)
  );
}
