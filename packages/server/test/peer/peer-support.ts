/** Nodes that are only a port to peers, a connection that can be cut, slowed and chopped, and certificates. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import {
  FrameKind,
  type MemberInfo,
  type PeerFrame,
  type PeerIdentity,
  type PeerReceiver,
  type PeerRefusal,
} from "@authledger/engine";
import { groupId, type NodeId, nodeId } from "@authledger/types";
import { onTestFinished } from "vitest";
import { GrpcPeers, type PeerEvent } from "../../src/peer/grpc-peers.js";
import type { PeerTlsFiles } from "../../src/peer/peer-tls.js";

export const CLUSTER = "0123456789abcdef0123456789abcdef";

export interface Received {
  readonly from: NodeId;
  readonly kind: number;
  readonly payload: Uint8Array;
}

export interface NodeOptions {
  readonly id: bigint;
  readonly clusterId?: string | undefined;
  /** First byte of its incarnation. */
  readonly life?: number;
  readonly name?: string;
  readonly host?: string;
  /** Told instead of where it listens. */
  readonly peerAddress?: string;
  readonly port?: number;
  readonly tls?: PeerTlsFiles;
}

/** A node without an engine: what it hears, it keeps. */
export class TestNode implements PeerReceiver {
  readonly frames: Received[] = [];
  /** Who came, of which cluster, after how many frames. */
  readonly connected: [NodeId, string | undefined, number][] = [];
  /** What those who came speak. */
  readonly versions: [NodeId, number | undefined][] = [];
  readonly removed: MemberInfo[] = [];
  readonly unreachable: NodeId[] = [];
  readonly refusals: [NodeId, PeerRefusal][] = [];
  readonly events: PeerEvent[] = [];
  clusterId: string | undefined;
  readonly member: MemberInfo;
  readonly peers: GrpcPeers;

  private constructor(peers: GrpcPeers, options: NodeOptions, events: PeerEvent[]) {
    const { id, name = `n${id}`, life = 1, host = "127.0.0.1" } = options;
    this.peers = peers;
    this.events = events;
    this.clusterId = "clusterId" in options ? options.clusterId : CLUSTER;
    this.member = memberOf({
      id,
      name,
      life,
      peerAddress: options.peerAddress ?? `${host}:${peers.port}`,
    });
    peers.listen(this);
  }

  static async start(options: NodeOptions): Promise<TestNode> {
    const events: PeerEvent[] = [];
    const { host = "127.0.0.1", port = 0 } = options;
    const peers = await GrpcPeers.open(
      { listen: { host, port }, tls: options.tls },
      { onEvent: (event) => events.push(event) },
    );
    onTestFinished(() => peers.close());
    return new TestNode(peers, options, events);
  }

  get id(): NodeId {
    return this.member.nodeId;
  }

  identity(): ReturnType<PeerReceiver["identity"]> {
    return { member: this.member, clusterId: this.clusterId };
  }

  onConnected({ member, clusterId, protocolVersion }: PeerIdentity): void {
    this.versions.push([member.nodeId, protocolVersion]);
    this.connected.push([member.nodeId, clusterId, this.frames.length]);
  }

  onFrame(from: NodeId, { kind, payload }: PeerFrame): void {
    this.frames.push({ from, kind, payload });
  }

  onUnreachable(node: NodeId): void {
    this.unreachable.push(node);
  }

  onRefused(by: NodeId, why: PeerRefusal): void {
    this.refusals.push([by, why]);
  }

  knows(...others: readonly (TestNode | MemberInfo)[]): void {
    const members = others.map((other) => (other instanceof TestNode ? other.member : other));
    this.peers.setMembers(this.clusterId ?? CLUSTER, members, this.removed);
  }

  /** What it knows from now on, and who was removed before. */
  removes(gone: TestNode, ...others: readonly (TestNode | MemberInfo)[]): void {
    this.removed.push(gone.member);
    this.knows(...others);
  }

  say(to: TestNode, text: string, kind: FrameKind = FrameKind.raft): boolean {
    return this.peers.send(to.id, { kind, group: groupId(1), payload: Buffer.from(text) });
  }

  reaches(to: TestNode): boolean {
    return this.peers.link(to.id)?.isConnected === true;
  }

  problemWith(to: TestNode): string | undefined {
    return this.peers.link(to.id)?.problem;
  }

  get texts(): string[] {
    return this.frames.map(({ payload }) => Buffer.from(payload).toString());
  }
}

export function memberOf(about: {
  readonly id: bigint;
  readonly name?: string;
  readonly life?: number;
  readonly peerAddress: string;
}): MemberInfo {
  return {
    nodeId: nodeId(about.id),
    incarnation: new Uint8Array(16).fill(about.life ?? 1),
    name: about.name ?? `n${about.id}`,
    peerAddress: about.peerAddress,
    clientAddress: "127.0.0.1:1",
    cosignKey: new Uint8Array(32),
    sealKey: new Uint8Array(32),
  };
}

/** Polls until it holds; fails after 5 s with what was waited for. */
export async function until(what: string, holds: () => boolean, withinMs = 5_000): Promise<void> {
  const endAtMs = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > endAtMs) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Starts nodes of one cluster that know each other. */
export async function startCluster(...ids: readonly bigint[]): Promise<TestNode[]> {
  const nodes = await Promise.all(ids.map((id) => TestNode.start({ id })));
  for (const node of nodes) node.knows(...nodes.filter((other) => other !== node));
  await until("all nodes reach each other", () =>
    nodes.every((node) => nodes.every((other) => other === node || node.reaches(other))),
  );
  return nodes;
}

/** A TCP connection in the middle. */
export class TcpProxy {
  readonly port: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** Passes nothing on, either way, and stops reading. */
  isPaused = false;
  /** New connections are refused. */
  isDown = false;
  /** Cuts what passes into pieces of so many bytes. */
  pieceBytes: (() => number) | undefined;
  connections = 0;

  private constructor(port: number) {
    this.port = port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  static async start(target: () => number): Promise<TcpProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const proxy = new TcpProxy((server.address() as AddressInfo).port);
    server.on("connection", (near) => {
      if (proxy.isDown) near.destroy();
      else proxy.#join(near, connect({ port: target(), host: "127.0.0.1", noDelay: true }));
    });
    onTestFinished(() => {
      proxy.cut();
      server.close();
    });
    return proxy;
  }

  /** Ends all connections. */
  cut(): void {
    for (const [near, far] of this.#pairs) {
      near.destroy();
      far.destroy();
    }
  }

  #join(near: Socket, far: Socket): void {
    this.connections++;
    near.setNoDelay(true);
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      void this.#pass(from, to);
    }
  }

  async #pass(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        while (this.isPaused) await new Promise((resolve) => setTimeout(resolve, 10));
        const size = this.pieceBytes;
        for (let at = 0; at < chunk.length; ) {
          const end = size === undefined ? chunk.length : at + size();
          if (!to.write(chunk.subarray(at, end))) {
            await new Promise<void>((resolve) => {
              to.once("drain", resolve);
              to.once("close", resolve);
            });
          }
          if (size !== undefined) await new Promise<void>((resolve) => setImmediate(resolve));
          at = end;
        }
      }
    } catch {
      // The other side is told by the handlers of `close`.
    }
  }
}

export const HAS_OPENSSL = spawnSync("openssl", ["version"]).status === 0;
if (!HAS_OPENSSL) process.stderr.write("openssl is not installed: the tests of TLS do not run\n");

/** A CA that makes certificates for nodes. */
export class Authority {
  readonly directory: string;

  /** Its files lie in the directory. */
  constructor(directory: string) {
    this.directory = directory;
    this.#openssl(
      ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca".split(
        " ",
      ),
      ...["-keyout", this.#path("ca.key"), "-out", this.#path("ca.pem")],
    );
  }

  /** `names`: as OpenSSL writes them, such as "DNS:n1,IP:127.0.0.1"; none for a certificate without names. */
  issue(file: string, names: string | undefined): PeerTlsFiles {
    const [key, request, cert, extensions] = ["key", "csr", "pem", "ext"].map((end) =>
      this.#path(`${file}.${end}`),
    ) as [string, string, string, string];
    const alternatives = names === undefined ? "" : `subjectAltName=${names}\n`;
    writeFileSync(extensions, `basicConstraints=CA:FALSE\n${alternatives}`);
    this.#openssl(
      ..."req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes".split(" "),
      ...["-subj", `/CN=${file}`, "-keyout", key, "-out", request],
    );
    this.#openssl(
      ...[
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        this.#path("ca.pem"),
        "-CAkey",
        this.#path("ca.key"),
      ],
      ...["-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", cert],
    );
    return { cert, key, ca: this.#path("ca.pem") };
  }

  #path(name: string): string {
    return join(this.directory, name);
  }

  #openssl(...args: string[]): void {
    const run = spawnSync("openssl", args, { encoding: "utf8" });
    if (run.status !== 0) throw new Error(`openssl ${args[0]}: ${run.stderr}`);
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
