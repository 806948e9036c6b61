/** Nodes by DNS: SRV records, or all addresses of a name. */
import { lookup, resolveSrv } from "node:dns/promises";
import { joinAddress, LedgerError, splitAddress } from "@authledger/types";
import type { EndpointSource } from "./endpoint-source.js";

export interface DnsEndpointOptions {
  /** How often the name is looked up again, in milliseconds. Default 30,000. */
  readonly refreshMs?: number | undefined;
}

/**
 * `_service._tcp.name` for SRV records (RFC 2782), the ones of the best priority first; `name:port` for all addresses of a
 * name. With TLS, the latter needs `tls.serverName`.
 * @example createClient({ endpoints: dnsEndpoints("_authledger._tcp.example.com") })
 */
export function dnsEndpoints(name: string, options: DnsEndpointOptions = {}): EndpointSource {
  const { refreshMs } = options;
  const isService = name.startsWith("_");
  return { refreshMs, addresses: () => (isService ? bySrv(name) : byAddress(name)) };
}

async function bySrv(name: string): Promise<readonly string[]> {
  const records = await resolveSrv(name);
  return records
    .sort((a, b) => a.priority - b.priority || b.weight - a.weight)
    .map(({ name: host, port }) => joinAddress({ host, port }));
}

async function byAddress(name: string): Promise<readonly string[]> {
  const given = splitAddress(name);
  if (given === undefined) {
    const message = `endpoints: "${name.slice(0, 80)}" is neither _service._tcp.name nor name:port`;
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "endpoints" } });
  }
  const found = await lookup(given.host, { all: true });
  return found.map(({ address: host }) => joinAddress({ host, port: given.port })).sort();
}
