/**
 * What of a node's configuration is about its peers, checked as a whole.
 *
 * Peers are authenticated by certificates of the cluster's own CA. Without them the peer port serves this machine only, and
 * `insecureAnyAddress` does not change that: who reaches a peer port can vote and write.
 */
import { hostname } from "node:os";
import { joinAddress, LedgerError, splitAddress, validateName } from "@authledger/types";
import { isLoopbackAddress } from "../loopback.js";
import { parseDiscovery } from "./discovery.js";
import type { PeerTlsFiles } from "./peer-tls.js";

/** As a person gives it. */
export interface PeerSettings {
  /** Where other nodes reach this one, host:port. Absent: the node is a cluster of itself and opens no peer port. */
  readonly peer: string | undefined;
  /** An empty directory waits to be added to a cluster; where its other nodes are (discovery.ts), or empty. */
  readonly join: string | undefined;
  /** So many nodes that wait begin a cluster by themselves, 1 to 31. Absent: an operator does it (cluster init). */
  readonly expect: number | undefined;
  /** For people; unique in the cluster. Default: the host's name and the peer port. */
  readonly name: string | undefined;
  /** host:port that peers and clients are told, where it is not what the node binds. */
  readonly advertisePeer: string | undefined;
  readonly advertiseClient: string | undefined;
  /** PEM files of mutual TLS. All or none. */
  readonly peerCert: string | undefined;
  readonly peerKey: string | undefined;
  readonly peerCa: string | undefined;
  /**
   * Log kept for members that lack it, behind what the node itself needs; one that lacks more is sent the whole state.
   * Entries, 1 to 100,000,000, and bytes of their payloads, 1 MiB to 1 TiB. Default 100,000 and 256 MiB.
   */
  readonly logKeepEntries: number;
  readonly logKeepBytes: number;
}

/** Where the peer port is when a node is to join and is not told. */
export const PEER_ADDRESS_DEFAULT = "127.0.0.1:7401";

/** @throws LedgerError USAGE naming the field, and what to give */
export function requirePeerSettings(settings: PeerSettings & { readonly listen: string }): void {
  const { peer, join, name, listen, advertisePeer, advertiseClient } = settings;
  if (name !== undefined) validateName(name, "name");
  if (join !== undefined) parseDiscovery(join);
  else if (settings.expect !== undefined) {
    throw usage("expect", "expect is about nodes that begin together: give --join too");
  }
  if (peer === undefined) {
    requireNothing(settings);
    return;
  }
  const tls = tlsFilesOf(settings);
  for (const [field, address] of Object.entries({ peer, advertisePeer })) {
    if (tls !== undefined || address === undefined || isLoopbackAddress(address)) continue;
    throw usage(
      field,
      `${field} ${address} is not on this machine, and nodes know each other by certificates: give --peer-cert, --peer-key and --peer-ca (--insecure-any-address is about clients only)`,
    );
  }
  requireTellable("peer", peer, advertisePeer);
  requireTellable("listen", listen, advertiseClient);
  if (advertiseClient === undefined && splitAddress(listen)?.port === 0) {
    const why = "port 0 cannot be told to the other nodes";
    throw usage("listen", `listen ${listen}: ${why}: choose a port, or give --advertise-client`);
  }
}

/** Undefined without certificates. @throws LedgerError USAGE when some are missing */
export function tlsFilesOf({ peerCert, peerKey, peerCa }: PeerSettings): PeerTlsFiles | undefined {
  if (peerCert !== undefined && peerKey !== undefined && peerCa !== undefined) {
    return { cert: peerCert, key: peerKey, ca: peerCa };
  }
  const given = [peerCert, peerKey, peerCa].filter((file) => file !== undefined);
  if (given.length === 0) return undefined;
  const field = peerCert === undefined ? "peerCert" : peerKey === undefined ? "peerKey" : "peerCa";
  throw usage(field, "--peer-cert, --peer-key and --peer-ca are given together");
}

/** The address that others are told: as advertised, else as bound. */
export function toldAddress(advertised: string | undefined, bound: string, port: number): string {
  const host = splitAddress(bound)?.host ?? "";
  return advertised ?? joinAddress({ host, port });
}

/** Unique on a machine by its port, and elsewhere by its host. */
export function nameOf(name: string | undefined, port: number): string {
  const host = hostname()
    .split(".")[0]!
    .replaceAll(/[^A-Za-z0-9_-]/g, "-")
    .slice(0, 64);
  return name ?? `${host || "node"}-${port}`;
}

function requireNothing(settings: PeerSettings): void {
  const { name, advertisePeer, advertiseClient, peerCert, peerKey, peerCa } = settings;
  const others = { name, advertisePeer, advertiseClient, peerCert, peerKey, peerCa };
  for (const [field, value] of Object.entries(others)) {
    if (value === undefined) continue;
    throw usage(field, `${field} is about the nodes of a cluster: give --peer too`);
  }
}

/** Nobody can connect to "all addresses". */
function requireTellable(field: string, address: string, advertised: string | undefined): void {
  const host = splitAddress(address)?.host ?? "";
  if (advertised !== undefined || (host !== "0.0.0.0" && host !== "::")) return;
  const flag = field === "peer" ? "--advertise-peer" : "--advertise-client";
  const why = "stands for all addresses of this machine";
  throw usage(field, `${field} ${address} ${why}: give ${flag}, which other nodes are told`);
}

function usage(field: string, message: string): LedgerError {
  return new LedgerError("USAGE", message, { details: { field } });
}
