/**
 * The port to the other nodes, over gRPC: one stream for each pair, dialed by the node with the lower id. The other one
 * dials too when nobody came for a while, since a node that waits to be added knows nobody.
 *
 * A lost stream is dialed again after a pause (backoff.ts); who is refused is told why (handshake.ts). Everything that
 * arrives goes to the engine at once, which bounds what it keeps; what is sent waits in bounded lanes (send-queue.ts).
 */
import type {
  PeerLink as LinkState,
  MemberInfo,
  PeerFrame,
  PeerIdentity,
  PeerPort,
  PeerReceiver,
  PeerRefusal,
} from "@authledger/engine";
import { isSameNode } from "@authledger/engine";
import type { peer } from "@authledger/proto";
import { type Address, LedgerError, type NodeId, toHex } from "@authledger/types";
import { isLoopbackAddress } from "../loopback.js";
import { Backoff } from "./backoff.js";
import { dial, identify } from "./dial.js";
import {
  decodeHello,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  explained,
  type Hello,
  helloTo,
  judge,
  meaningOf,
} from "./handshake.js";
import {
  BACKOFF_MS_MAX,
  CHECK_MS,
  DRAIN_MS,
  GRACE_MS,
  HANDSHAKE_MS,
  PEER_CONNECTIONS_MAX,
  REFUSED_MS,
} from "./peer-limits.js";
import { type LinkCounters, PeerLink } from "./peer-link.js";
import { PeerListener } from "./peer-listener.js";
import type { PeerContent, PeerStream } from "./peer-stream.js";
import {
  isNamedBy,
  openPeerCertificates,
  type PeerCertificates,
  type PeerTlsFiles,
} from "./peer-tls.js";

export interface GrpcPeersOptions {
  /** Where other nodes reach this one. Port 0 takes a free one. */
  readonly listen: Address;
  /** Mutual TLS; without it all nodes must be on this machine. */
  readonly tls: PeerTlsFiles | undefined;
}

/** What an operator may want to read in the log. */
export interface PeerEvent {
  readonly event: "connected" | "lost" | "refused";
  /** Undefined for a node that is not known. */
  readonly name: string | undefined;
  readonly why?: string;
}

export interface GrpcPeersDeps {
  readonly onEvent: (event: PeerEvent) => void;
  /** Files of certificates were replaced by some that cannot be used. */
  readonly onProblem?: (error: LedgerError) => void;
}

/** A link as metrics show it. */
export interface LinkStats extends LinkCounters, LinkState {
  readonly name: string;
}

interface Peer {
  readonly link: PeerLink;
  readonly backoff: Backoff;
  /** Undefined for a node of the cluster that this one has not heard of yet: it lives as long as its stream. */
  member: MemberInfo | undefined;
  /** As it said itself in the handshake. */
  heard: MemberInfo | undefined;
  /** A stream whose handshake is not done. */
  dialing: { readonly stream: PeerStream; readonly sinceMs: number } | undefined;
  timer: NodeJS.Timeout | undefined;
}

export class GrpcPeers implements PeerPort {
  readonly #deps: GrpcPeersDeps;
  readonly #certificates: PeerCertificates;
  readonly #peers = new Map<NodeId, Peer>();
  /** Lives of nodes that were members. */
  #removed: ReadonlySet<string> = new Set();
  readonly #dirty = new Set<PeerLink>();
  readonly #unreachable = new Set<NodeId>();
  #isFlushDue = false;
  #receiver: PeerReceiver | undefined;
  #listener: PeerListener | undefined;
  #port = 0;
  /** Streams that others dialed and have said nothing on yet. */
  readonly #shaking = new Set<PeerStream>();
  #joining: string | undefined;
  #isClosed = false;
  #checkedAtMs = performance.now();
  readonly #checking: NodeJS.Timeout;

  private constructor(options: GrpcPeersOptions, deps: GrpcPeersDeps) {
    this.#deps = deps;
    this.#certificates = openPeerCertificates(options.tls, deps.onProblem);
    this.#checking = setInterval(() => this.#check(), CHECK_MS).unref();
  }

  /** @throws LedgerError USAGE for certificates that cannot be used; the system's error for an address that is taken */
  static async open(options: GrpcPeersOptions, deps: GrpcPeersDeps): Promise<GrpcPeers> {
    const peers = new GrpcPeers(options, deps);
    try {
      const { listener, port } = await PeerListener.open(options.listen, {
        credentials: () => peers.#certificates.current,
        identity: () => peers.#receiver?.identity(),
        onStream: (stream) => peers.#incoming(stream),
      });
      peers.#listener = listener;
      peers.#port = port;
      return peers;
    } catch (error) {
      clearInterval(peers.#checking);
      peers.#certificates.close();
      throw error;
    }
  }

  /** As bound. */
  get port(): number {
    return this.#port;
  }

  listen(receiver: PeerReceiver): void {
    this.#receiver = receiver;
  }

  send(to: NodeId, frame: PeerFrame): boolean {
    const link = this.#peers.get(to)?.link;
    if (link === undefined) return false;
    const isTaken = link.send(frame);
    this.#dirty.add(link);
    this.#flushSoon();
    return isTaken;
  }

  setMembers(
    _clusterId: string,
    members: readonly MemberInfo[],
    removed: readonly MemberInfo[],
  ): void {
    const own = this.#receiver?.identity().member.nodeId;
    this.#removed = new Set(removed.map(lifeOf));
    const wanted = new Map(members.map((member) => [member.nodeId, member]));
    for (const [node, peer] of this.#peers) this.#retain(node, peer, wanted.get(node));
    for (const [node, member] of wanted) {
      if (node === own) continue;
      const peer = this.#peers.get(node) ?? this.#add(node);
      const isNew = peer.member === undefined || peer.member.peerAddress !== member.peerAddress;
      peer.member = member;
      if (isNew) this.#reach(peer, 0);
    }
  }

  link(node: NodeId): LinkState | undefined {
    return this.#peers.get(node)?.link.state;
  }

  async lookup(address: string): Promise<PeerIdentity> {
    if (!this.#mayReach(address)) {
      throw new LedgerError("USAGE", `${address}: ${NEEDS_TLS}`, {
        details: { field: "peerCert" },
      });
    }
    return await identify(address, this.#certificates.current);
  }

  /** Of all peers that are members or connected. */
  stats(): LinkStats[] {
    return [...this.#peers.values()].map(({ link, member, heard }) => ({
      ...link.counters,
      ...link.state,
      name: (member ?? heard)?.name ?? String(link.node),
    }));
  }

  /** Lets what waits leave, for a moment, and closes everything. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#checking);
    this.#certificates.close();
    const links = [...this.#peers.values()].map(({ link }) => link);
    const endAtMs = performance.now() + DRAIN_MS;
    for (const link of links) link.flush();
    while (performance.now() < endAtMs && !links.every(({ isIdle }) => isIdle)) {
      await new Promise<void>((resolve) => setTimeout(resolve, 5));
    }
    for (const peer of this.#peers.values()) {
      clearTimeout(peer.timer);
      peer.dialing?.stream.abort();
      peer.link.detach("the node stops");
    }
    this.#listener?.close();
  }

  #add(node: NodeId): Peer {
    const link = new PeerLink(node, {
      now: () => performance.now(),
      onFrame: (from, frame) => this.#receiver?.onFrame(from, frame),
      onLoss: () => this.#lost(node),
      onDown: () => this.#down(node),
      onRefusal: (_link, refusal) => this.#refusedBy(this.#peers.get(node), refusal),
    });
    const peer: Peer = {
      link,
      backoff: new Backoff(),
      member: undefined,
      heard: undefined,
      dialing: undefined,
      timer: undefined,
    };
    this.#peers.set(node, peer);
    return peer;
  }

  /** What becomes of a peer when the members are others: it stays, is let in as long as its stream lives, or is told to go. */
  #retain(node: NodeId, peer: Peer, wanted: MemberInfo | undefined): void {
    const known = peer.heard ?? peer.member;
    const isAnother = wanted !== undefined && known !== undefined && !isSameNode(known, wanted);
    const isRemoved = known !== undefined && this.#removed.has(lifeOf(known));
    if (wanted !== undefined && !isAnother) return;
    peer.member = undefined;
    clearTimeout(peer.timer);
    if (!isAnother && !isRemoved && peer.link.isConnected) return;
    this.#peers.delete(node);
    peer.dialing?.stream.abort();
    peer.link.refuse(encodeRefusal(isRemoved ? "removed" : "other-incarnation"));
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    // After everything that runs now: all frames of a turn leave together.
    process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushDue = false;
    for (const link of this.#dirty) link.flush();
    this.#dirty.clear();
    for (const node of this.#unreachable) this.#receiver?.onUnreachable(node);
    this.#unreachable.clear();
  };

  /** The engine hears of it when it is not in the middle of something. */
  #lost(node: NodeId): void {
    this.#unreachable.add(node);
    this.#flushSoon();
  }

  #down(node: NodeId): void {
    this.#lost(node);
    const peer = this.#peers.get(node);
    if (peer === undefined || this.#isClosed) return;
    this.#tell("lost", peer, peer.link.problem);
    // A stream that ends as soon as it begins is no success.
    if (performance.now() - peer.link.connectedAtMs > BACKOFF_MS_MAX) peer.backoff.reset();
    if (peer.member === undefined) this.#peers.delete(node);
    else this.#reach(peer, peer.backoff.next());
    const isAlone = ![...this.#peers.values()].some(({ link }) => link.isConnected);
    if (isAlone) this.#joining = undefined;
  }

  /** Dials after a pause; the node with the higher id leaves the other one time to come. */
  #reach(peer: Peer, delayMs: number): void {
    if (this.#isClosed || this.#receiver === undefined) return;
    const isOurs = this.#receiver.identity().member.nodeId < peer.link.node;
    clearTimeout(peer.timer);
    peer.timer = setTimeout(() => this.#dial(peer), isOurs ? delayMs : delayMs + GRACE_MS).unref();
  }

  #dial(peer: Peer): void {
    const { link, member } = peer;
    const own = this.#receiver?.identity();
    if (member === undefined || own?.clusterId === undefined || this.#isClosed) return;
    if (link.isConnected || peer.dialing !== undefined) return;
    if (!this.#mayReach(member.peerAddress)) {
      link.problem = NEEDS_TLS;
      this.#reach(peer, REFUSED_MS);
      return;
    }
    const stream = dial(member.peerAddress, this.#certificates.current);
    peer.dialing = { stream, sinceMs: performance.now() };
    const failed = (why: string, pauseMs = peer.backoff.next()): void => {
      clearTimeout(timer);
      if (peer.dialing?.stream !== stream) return;
      peer.dialing = undefined;
      stream.abort();
      link.problem = why;
      this.#reach(peer, pauseMs);
    };
    const timer = setTimeout(() => failed(`no answer within ${HANDSHAKE_MS} ms`), HANDSHAKE_MS);
    timer.unref();
    const onContent = (content: PeerContent): void => {
      clearTimeout(timer);
      if (peer.dialing?.stream !== stream) return;
      const refusal = this.#answered(peer, stream, member, content);
      if (refusal !== undefined) failed(refusal, REFUSED_MS);
    };
    stream.listen({ onContent, onClosed: failed });
    stream.say({ $case: "hello", value: encodeHello(helloTo(own, member)) });
  }

  /** What came back for our hello: in words why not, or the stream is the peer's from now on. */
  #answered(
    peer: Peer,
    stream: PeerStream,
    member: MemberInfo,
    content: PeerContent,
  ): string | undefined {
    if (content.$case === "refusal") return this.#refusedBy(peer, content.value);
    const hello = content.$case === "hello" ? helloOf(content.value) : undefined;
    if (hello === undefined) return "it does not say who it is";
    const refusal = this.#judge(hello, stream, member);
    if (refusal !== undefined) {
      return this.#refuse(stream, refusal, hello, member.name);
    }
    peer.dialing = undefined;
    this.#adopt(peer, stream, hello, true);
    return undefined;
  }

  #incoming(stream: PeerStream): void {
    if (this.#isClosed || this.#shaking.size >= PEER_CONNECTIONS_MAX) {
      stream.abort();
      return;
    }
    this.#shaking.add(stream);
    const done = (): void => {
      clearTimeout(timer);
      this.#shaking.delete(stream);
    };
    const timer = setTimeout(() => {
      done();
      stream.abort();
    }, HANDSHAKE_MS).unref();
    const onContent = (content: PeerContent): void => {
      done();
      this.#greeted(stream, content.$case === "hello" ? helloOf(content.value) : undefined);
    };
    stream.listen({ onContent, onClosed: done });
  }

  /** Somebody dialed this node and said who it is. */
  #greeted(stream: PeerStream, hello: Hello | undefined): void {
    if (hello === undefined || this.#receiver === undefined || this.#isClosed) {
      stream.abort();
      return;
    }
    const known = this.#peers.get(hello.member.nodeId);
    const refusal = this.#judge(hello, stream, undefined);
    if (refusal !== undefined) {
      const why = this.#refuse(stream, refusal, hello);
      if (known?.link.isConnected === false) known.link.problem = why;
      return;
    }
    const peer = known ?? this.#add(hello.member.nodeId);
    if (this.#isSpare(peer)) {
      stream.abort();
      return;
    }
    const reply = helloTo(this.#receiver.identity(), hello.member);
    stream.say({ $case: "hello", value: encodeHello(reply) });
    this.#adopt(peer, stream, hello, false);
  }

  #judge(
    hello: Hello,
    stream: PeerStream,
    dialed: MemberInfo | undefined,
  ): PeerRefusal | undefined {
    const own = this.#receiver?.identity();
    if (own === undefined) return "waiting";
    return judge(hello, {
      own,
      dialed,
      joining: this.#joining,
      memberOf: (node) => this.#peers.get(node)?.member,
      isRemoved: (member) => this.#removed.has(lifeOf(member)),
      isNamed: (member) => isNamedBy(stream.names, member),
    });
  }

  /**
   * Both nodes may dial at once. The stream that the lower id dials stays, unless nothing was heard on it for a while: then
   * the other node knows better that it is dead.
   */
  #isSpare({ link, dialing }: Peer): boolean {
    const own = this.#receiver?.identity().member.nodeId;
    if (own === undefined || own > link.node) return false;
    const now = performance.now();
    if (link.aliveAtMs !== undefined) return link.isDialed && now - link.aliveAtMs < GRACE_MS;
    return dialing !== undefined && now - dialing.sinceMs < GRACE_MS / 2;
  }

  #adopt(peer: Peer, stream: PeerStream, hello: Hello, isDialed: boolean): void {
    clearTimeout(peer.timer);
    peer.dialing?.stream.abort();
    peer.dialing = undefined;
    peer.heard = hello.member;
    if (this.#receiver?.identity().clusterId === undefined) this.#joining = hello.clusterId;
    peer.link.attach(stream, isDialed);
    clearTimeout(peer.timer);
    this.#tell("connected", peer, undefined);
    const { member, clusterId, protocolVersion } = hello;
    this.#receiver?.onConnected({ member, clusterId, protocolVersion });
  }

  /** @returns why, in words */
  #refuse(
    stream: PeerStream,
    refusal: PeerRefusal,
    hello: Hello,
    name: string = hello.member.name,
  ): string {
    stream.say({ $case: "refusal", value: encodeRefusal(refusal) });
    stream.end();
    const why = explained(refusal, hello);
    this.#deps.onEvent({ event: "refused", name, why });
    return why;
  }

  /** A peer refuses this node: in words why. */
  #refusedBy(peer: Peer | undefined, message: peer.PeerRefusal): string {
    const refusal = decodeRefusal(message);
    const why = `it refuses this node: ${refusal === undefined ? "for a reason of a newer version" : meaningOf(refusal)}`;
    if (peer === undefined) return why;
    this.#tell("refused", peer, why);
    peer.link.detach(why);
    if (refusal !== undefined) this.#receiver?.onRefused(peer.link.node, refusal);
    return why;
  }

  #mayReach(address: string): boolean {
    return this.#certificates.current.isTls || isLoopbackAddress(address);
  }

  #tell(event: PeerEvent["event"], { member, heard }: Peer, why: string | undefined): void {
    const name = (member ?? heard)?.name;
    this.#deps.onEvent({ event, name, ...(why !== undefined && { why }) });
  }

  /** A process that was stopped reads first what came meanwhile, before it calls anybody silent. */
  #check(): void {
    const now = performance.now();
    const wasStopped = now - this.#checkedAtMs > 4 * CHECK_MS;
    this.#checkedAtMs = now;
    if (wasStopped) return;
    for (const { link } of this.#peers.values()) link.check(now);
  }
}

const NEEDS_TLS =
  "it is not on this machine, and the peer port has no certificate: give peer-cert, peer-key and peer-ca";

/** One life of one node. */
function lifeOf({ nodeId, incarnation }: MemberInfo): string {
  return `${nodeId}/${toHex(incarnation)}`;
}

/** Undefined for bytes that are no node. */
function helloOf(message: peer.PeerHello): Hello | undefined {
  try {
    return decodeHello(message);
  } catch (error) {
    if (error instanceof LedgerError) return undefined;
    throw error;
  }
}
