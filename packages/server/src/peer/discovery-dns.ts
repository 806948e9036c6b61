/** Addresses of nodes in DNS: SRV for hosts with ports (RFC 2782), A and AAAA for one port on all addresses of a name. */
import { Resolver } from "node:dns/promises";
import { type Address, LedgerError } from "@authledger/types";

/** What this module needs of a resolver. */
export interface NameResolver {
  resolveSrv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>;
  resolve4(name: string): Promise<readonly string[]>;
  resolve6(name: string): Promise<readonly string[]>;
}

const TIMEOUT_MS = 2_000;
const TRIES = 2;
/** A name exists, but not with such a record. */
const EMPTY: ReadonlySet<unknown> = new Set(["ENODATA", "ENOTFOUND"]);

/** That of this machine, or of the name servers given as "address:port". */
export function nodeResolver(servers?: readonly string[]): NameResolver {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
  if (servers !== undefined) resolver.setServers(servers);
  return resolver;
}

/** Hosts and ports of a service. @throws LedgerError DISCOVERY_FAILED */
export async function addressesOfService(
  resolver: NameResolver,
  name: string,
): Promise<readonly Address[]> {
  try {
    const records = await resolver.resolveSrv(name);
    // RFC 2782: a single "." says that there is no such service.
    const found = records.filter((record) => record.name !== "" && record.name !== ".");
    if (found.length > 0) return found.map((record) => ({ host: record.name, port: record.port }));
  } catch (cause) {
    throw failed(name, "SRV", cause);
  }
  throw failed(name, "SRV", undefined);
}

/** All addresses of a host, IPv4 and IPv6. @throws LedgerError DISCOVERY_FAILED */
export async function addressesOfHost(
  resolver: NameResolver,
  { host, port }: Address,
): Promise<readonly Address[]> {
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  const failure = answers.find((answer) => answer.status === "rejected" && !isEmpty(answer.reason));
  if (found.length > 0) return found.map((address) => ({ host: address, port }));
  throw failed(host, "A or AAAA", failure?.status === "rejected" ? failure.reason : undefined);
}

function isEmpty(reason: unknown): boolean {
  return EMPTY.has(codeOf(reason));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function failed(name: string, type: string, cause: unknown): LedgerError {
  const why =
    cause === undefined || isEmpty(cause)
      ? `has no ${type} record`
      : `could not be asked for (${String(codeOf(cause) ?? cause)})`;
  return new LedgerError("DISCOVERY_FAILED", `${name} ${why} in DNS`, { cause });
}
