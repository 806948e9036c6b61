/** A node's part in a cluster, from its configuration: the peer port, what the others are told, and where they are. */
import type { ClusterOptions } from "@authledger/engine";
import { type Address, assert, LedgerError, splitAddress } from "@authledger/types";
import type { Logger } from "pino";
import { Discovery, parseDiscovery } from "./discovery.js";
import { GrpcPeers, type PeerEvent } from "./grpc-peers.js";
import { nameOf, type PeerSettings, tlsFilesOf, toldAddress } from "./peer-config.js";

export interface NodePeers {
  readonly peers: GrpcPeers;
  /** For the engine. */
  readonly cluster: ClusterOptions;
  /** Where `join` says that the other nodes are; undefined where it says nothing. */
  readonly discovery: Discovery | undefined;
  close(): Promise<void>;
}

/**
 * Opens the peer port; undefined for a node without one. Nobody is answered before the engine listens.
 * @throws LedgerError USAGE when the port or the certificates cannot be used
 */
export async function openNodePeers(
  config: PeerSettings & { readonly listen: string },
  logger: Logger,
): Promise<NodePeers | undefined> {
  const { peer, join, listen } = config;
  if (peer === undefined) return undefined;
  const peers = await openPort(peer, config, logger);
  const discovery = join === undefined ? undefined : new Discovery(parseDiscovery(join));
  // What it cannot find is said when somebody asks for it.
  void discovery?.start();
  const cluster: ClusterOptions = {
    peers,
    name: nameOf(config.name, peers.port),
    peerAddress: toldAddress(config.advertisePeer, peer, peers.port),
    clientAddress: toldAddress(config.advertiseClient, listen, addressOf(listen).port),
    join: join !== undefined,
    replicas: { logKeepEntries: config.logKeepEntries, logKeepBytes: config.logKeepBytes },
  };
  const close = async (): Promise<void> => {
    discovery?.close();
    await peers.close();
  };
  return { peers, cluster, discovery, close };
}

async function openPort(peer: string, config: PeerSettings, logger: Logger): Promise<GrpcPeers> {
  try {
    const onEvent = (event: PeerEvent): void => log(logger, event);
    const onProblem = (error: LedgerError): void =>
      logger.error({ err: error }, "the certificate of the peer port stays as it was");
    const options = { listen: addressOf(peer), tls: tlsFilesOf(config) };
    return await GrpcPeers.open(options, { onEvent, onProblem });
  } catch (cause) {
    if (cause instanceof LedgerError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot listen on ${peer}: ${why}; another process may have the port, choose one with --peer`;
    throw new LedgerError("USAGE", message, { details: { address: peer }, cause });
  }
}

function log(logger: Logger, { event, name = "unknown", why }: PeerEvent): void {
  if (event === "connected") logger.info({ peer: name }, "peer connected");
  else logger.warn({ peer: name, why }, event === "lost" ? "peer lost" : "peer refused");
}

/** The configuration has checked that it is one. */
function addressOf(text: string): Address {
  const address = splitAddress(text);
  assert(address !== undefined, "a configured address is host:port");
  return address;
}
