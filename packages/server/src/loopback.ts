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
