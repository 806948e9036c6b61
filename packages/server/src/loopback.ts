/** Is a host this machine and nothing else? Names but `localhost` are not: what they stand for may change. */
import { isIPv4 } from "node:net";
import { splitAddress } from "@authledger/types";

/** A name such as 127.example.com only looks like a loopback address. */
export function isLoopback(host = ""): boolean {
  return host === "localhost" || host === "::1" || (host.startsWith("127.") && isIPv4(host));
}

/** Of host:port. */
export function isLoopbackAddress(address: string): boolean {
  return isLoopback(splitAddress(address)?.host);
}

/** Of a client's address as the library of gRPC writes it: IPv6 without brackets, IPv4 perhaps mapped into it. */
export function isLoopbackPeer(peer: string): boolean {
  const host = peer.slice(0, Math.max(0, peer.lastIndexOf(":")));
  return isLoopback(host.replace(/^::ffff:/, ""));
}
