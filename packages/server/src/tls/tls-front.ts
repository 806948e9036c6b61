/**
 * TLS in front of gRPC and Connect: a connection that was accepted and counted as a plain one is handed on when its
 * handshake is done, so what is behind sees the same connections as without TLS. A new certificate holds for new connections;
 * those that live go on as they are.
 */
import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { LedgerError } from "@authledger/types";
import { certificatePrincipal } from "../authn/certificate-name.js";
import type { Principal } from "../gate/principal.js";
import type { ReloadedFiles } from "./reloaded-files.js";
import { openCertificate, type ServerCertificate, type TlsFiles } from "./server-certificate.js";

/** From the connection to the end of its handshake. */
const HANDSHAKE_MS = 10_000;

export interface TlsFrontOptions extends TlsFiles {
  /** Clients without a certificate of the client CA do not get through the handshake. */
  readonly requireClientCert: boolean;
  readonly onReload?: (certificate: ServerCertificate) => void;
  readonly onProblem?: (error: LedgerError) => void;
  readonly pollMs?: number;
}

interface Certified {
  readonly principal: Principal;
  readonly expiresAtMs: number;
}

export class TlsFront {
  readonly #options: TlsFrontOptions;
  /** One for each port. */
  readonly #servers: Server[] = [];
  readonly #certificate: ReloadedFiles<ServerCertificate>;
  /** By address and port of the client. */
  readonly #certified = new Map<string, Certified>();

  /** @throws LedgerError TLS_CONFIG */
  constructor(options: TlsFrontOptions) {
    const { onReload, onProblem, pollMs } = options;
    this.#options = options;
    this.#certificate = openCertificate(options, {
      onChange: (certificate) => {
        for (const server of this.#servers) server.setSecureContext(certificate.options);
        onReload?.(certificate);
      },
      ...(onProblem !== undefined && { onProblem }),
      ...(pollMs !== undefined && { pollMs }),
    });
  }

  /** Of the certificate in use, milliseconds since 1970. */
  get expiresAtMs(): number {
    return this.#certificate.current.expiresAtMs;
  }

  /** Whom the certificate of a connection stands for; undefined without one, and once it has expired. */
  principalOf(peer: string): Principal | undefined {
    const certified = this.#certified.get(peer);
    return certified !== undefined && certified.expiresAtMs > Date.now()
      ? certified.principal
      : undefined;
  }

  /** Gives what takes accepted connections of a port, and hands on those that are through. */
  accepting(
    handOn: (socket: Socket) => void,
    protocol: "h2" | "http/1.1" = "h2",
  ): (socket: Socket) => void {
    const { requireClientCert, clientCa } = this.#options;
    const server = createServer({
      ...this.#certificate.current.options,
      ALPNProtocols: [protocol],
      handshakeTimeout: HANDSHAKE_MS,
      requestCert: clientCa !== undefined,
      rejectUnauthorized: requireClientCert,
      // A session that is resumed would outlive the CA that its certificate was believed for.
      secureOptions: constants.SSL_OP_NO_TICKET,
    });
    server.on("secureConnection", (socket: TLSSocket) => {
      this.#secured(socket);
      handOn(socket);
    });
    server.on("tlsClientError", (_error, socket: TLSSocket) => socket.destroy());
    this.#servers.push(server);
    return (socket) => {
      // Until the handshake is done nobody else listens, and a connection that breaks is no news.
      socket.on("error", () => socket.destroy());
      server.emit("connection", socket);
    };
  }

  close(): void {
    this.#certificate.close();
  }

  #secured(socket: TLSSocket): void {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    const principal = certificate && certificatePrincipal(certificate);
    if (certificate !== undefined && principal !== undefined) {
      const certified = { principal, expiresAtMs: Date.parse(certificate.validTo) };
      this.#certified.set(peer, certified);
      socket.once("close", () => {
        if (this.#certified.get(peer) === certified) this.#certified.delete(peer);
      });
    }
  }
}
