/** The peer port: accepts connections of other nodes, hands their streams on, and answers who this node is. */
import { createServer, type Socket } from "node:net";
import type { PeerIdentity } from "@authledger/engine";
import { encodeMemberInfos } from "@authledger/engine";
import { peer } from "@authledger/proto";
import type { Address } from "@authledger/types";
import {
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { BATCH_BYTES_MAX, PEER_CONNECTIONS_MAX } from "./peer-limits.js";
import { CONNECT, PeerStream } from "./peer-stream.js";
import { namesOf, type PeerCredentials } from "./peer-tls.js";

export interface PeerListenerDeps {
  /** For the next connection. */
  readonly credentials: () => PeerCredentials;
  /** Undefined before the node knows. */
  readonly identity: () => PeerIdentity | undefined;
  readonly onStream: (stream: PeerStream) => void;
}

type Call = ServerDuplexStream<peer.ConnectRequest, Buffer>;

/** Dead connections without a stream end so; links look after themselves. */
const OPTIONS = {
  "grpc.enable_channelz": 0,
  "grpc.max_receive_message_length": BATCH_BYTES_MAX,
  "grpc.max_send_message_length": BATCH_BYTES_MAX,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.max_concurrent_streams": 16,
};

export class PeerListener {
  readonly #server: Server;
  readonly #deps: PeerListenerDeps;
  readonly #sockets = new Map<string, Socket>();
  #stopListening: () => void = () => undefined;

  private constructor(deps: PeerListenerDeps) {
    this.#deps = deps;
    this.#server = new Server(OPTIONS);
    this.#server.addService(
      { connect: CONNECT, identify: peer.PeerServiceService.identify } as never,
      {
        connect: (call: Call) => this.#connect(call),
        identify: (_call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) =>
          this.#identify(answer),
      },
    );
  }

  /** Rejects with the error of the system when the address cannot be had. */
  static async open(
    { host, port }: Address,
    deps: PeerListenerDeps,
  ): Promise<{ readonly listener: PeerListener; readonly port: number }> {
    const listener = new PeerListener(deps);
    let credentials = deps.credentials();
    let injector = listener.#server.createConnectionInjector(credentials.server);
    const net = createServer({ noDelay: true }, (socket) => {
      listener.#keep(socket);
      if (credentials !== deps.credentials()) {
        credentials = deps.credentials();
        injector = listener.#server.createConnectionInjector(credentials.server);
      }
      injector.injectConnection(socket);
    });
    net.maxConnections = PEER_CONNECTIONS_MAX;
    await new Promise<void>((resolve, reject) => {
      net.once("error", reject);
      net.listen(port, host, resolve);
    });
    listener.#stopListening = () => net.close();
    const bound = net.address();
    return {
      listener,
      port: typeof bound === "object" && bound !== null ? bound.port : port,
    };
  }

  /** Takes no more connections; those that are open end. */
  close(): void {
    this.#stopListening();
    this.#server.forceShutdown();
    for (const socket of this.#sockets.values()) socket.destroy();
  }

  #keep(socket: Socket): void {
    const key = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#sockets.set(key, socket);
    socket.once("close", () => {
      if (this.#sockets.get(key) === socket) this.#sockets.delete(key);
    });
  }

  /** A connection carries one stream, so it ends with it, whatever the peer has not read. */
  #connect(call: Call): void {
    const { sslPeerCertificate } = call.getAuthContext();
    const names = sslPeerCertificate === undefined ? undefined : namesOf(sslPeerCertificate);
    const socket = this.#sockets.get(call.getPeer());
    this.#deps.onStream(
      new PeerStream(
        call,
        () => names,
        () => socket?.destroy(),
      ),
    );
  }

  #identify(answer: sendUnaryData<unknown>): void {
    const identity = this.#deps.identity();
    if (identity === undefined) {
      answer({ code: status.UNAVAILABLE, details: "the node is starting" });
      return;
    }
    const { member, clusterId = "" } = identity;
    answer(null, { member: encodeMemberInfos([member]), clusterId });
  }
}
