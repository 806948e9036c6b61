/**
 * Where the nodes of a cluster are, as host:port of their peer ports:
 *
 *     10.0.0.1:7401,10.0.0.2:7401        a list
 *     file:/etc/authledger/nodes         one on each line, or a JSON array; `#` begins a comment
 *     srv:_authledger._tcp.example.com   DNS, SRV: hosts and ports
 *     dns:nodes.example.com:7401         DNS, A and AAAA: all addresses, one port
 *
 * Files and names are asked again in the background; while that fails, what was found last stays.
 */
import { readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { joinAddress, LedgerError, splitAddress } from "@authledger/types";
import {
  addressesOfHost,
  addressesOfService,
  type NameResolver,
  nodeResolver,
} from "./discovery-dns.js";

export type DiscoverySource =
  | { readonly kind: "list"; readonly addresses: readonly string[] }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "srv"; readonly name: string }
  | { readonly kind: "dns"; readonly host: string; readonly port: number };

/** More nodes than a cluster may have. */
const ADDRESSES_MAX = 64;
const FILE_BYTES_MAX = 64 * 1024;
const REFRESH_MS = 10_000;

/** @throws LedgerError USAGE */
export function parseDiscovery(text: string): DiscoverySource {
  if (text.startsWith("file:")) {
    const path = text.slice("file:".length);
    if (isAbsolute(path)) return { kind: "file", path };
    throw misread(`"${text}" does not name a file by its whole path`);
  }
  if (text.startsWith("srv:")) {
    const name = text.slice("srv:".length);
    if (/^_[a-z0-9-]+\._tcp(\.[A-Za-z0-9-]+)+\.?$/i.test(name)) return { kind: "srv", name };
    throw misread(`"${text}" is not of the form srv:_authledger._tcp.example.com`);
  }
  if (text.startsWith("dns:")) {
    const address = splitAddress(text.slice("dns:".length));
    if (address !== undefined && address.port > 0) return { kind: "dns", ...address };
    throw misread(`"${text}" is not of the form dns:nodes.example.com:7401`);
  }
  const parts = text.split(",").map((part) => part.trim());
  return {
    kind: "list",
    addresses: checked(
      parts.filter((part) => part !== ""),
      "the list",
    ),
  };
}

/** Asks a source once. @throws LedgerError DISCOVERY_FAILED */
export async function discover(
  source: DiscoverySource,
  resolver: NameResolver = nodeResolver(),
): Promise<readonly string[]> {
  switch (source.kind) {
    case "list":
      return source.addresses;
    case "file":
      return await readAddresses(source.path);
    case "srv":
      return limited(await addressesOfService(resolver, source.name), source.name);
    case "dns":
      return limited(await addressesOfHost(resolver, source), source.host);
  }
}

export interface DiscoveryOptions {
  readonly resolver?: NameResolver;
  /** Between the end of one round and the beginning of the next. Default 10,000. */
  readonly refreshMs?: number;
}

/** Asks a source again and again, and remembers what it said last. */
export class Discovery {
  readonly #source: DiscoverySource;
  readonly #resolver: NameResolver | undefined;
  readonly #refreshMs: number;
  #addresses: readonly string[] = [];
  #problem: LedgerError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(
    source: DiscoverySource,
    { resolver, refreshMs = REFRESH_MS }: DiscoveryOptions = {},
  ) {
    this.#source = source;
    this.#resolver = resolver;
    this.#refreshMs = refreshMs;
  }

  /** As last found. */
  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** Why the last round found nothing; undefined after one that did. */
  get problem(): LedgerError | undefined {
    return this.#problem;
  }

  /** Asks now, and from then on again. Rejects never: see `problem`. */
  async start(): Promise<void> {
    await this.#round();
  }

  /** Asks now. @throws LedgerError DISCOVERY_FAILED */
  async now(): Promise<readonly string[]> {
    this.#addresses = await discover(this.#source, this.#resolver);
    this.#problem = undefined;
    return this.#addresses;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #round(): Promise<void> {
    try {
      await this.now();
    } catch (error) {
      this.#problem = LedgerError.from(error);
    }
    if (this.#isClosed || this.#source.kind === "list") return;
    this.#timer = setTimeout(() => void this.#round(), this.#refreshMs).unref();
  }
}

async function readAddresses(path: string): Promise<readonly string[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw failed(`${path} cannot be read: ${why}`, cause);
  }
  if (bytes.length > FILE_BYTES_MAX) throw failed(`${path} has more than ${FILE_BYTES_MAX} bytes`);
  const text = bytes.toString("utf8");
  try {
    return checked(text.trimStart().startsWith("[") ? fromJson(text) : fromLines(text), path);
  } catch (cause) {
    if (cause instanceof LedgerError) throw failed(cause.message, cause);
    throw failed(`${path} is not a JSON array of strings`, cause);
  }
}

function fromJson(text: string): string[] {
  const parsed: unknown = JSON.parse(text);
  if (Array.isArray(parsed) && parsed.every((one) => typeof one === "string")) return parsed;
  throw new Error("not strings");
}

function fromLines(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.replace(/#.*$/, "").trim());
  return lines.filter((line) => line !== "");
}

/** @throws LedgerError USAGE for what is no address, or too many */
function checked(addresses: readonly string[], where: string): readonly string[] {
  for (const address of addresses) {
    const parts = splitAddress(address);
    if (parts !== undefined && parts.port > 0) continue;
    throw misread(`"${address.slice(0, 80)}" in ${where} is not host:port`);
  }
  if (addresses.length > ADDRESSES_MAX) {
    throw misread(`${where} has ${addresses.length} addresses; the most are ${ADDRESSES_MAX}`);
  }
  return [...new Set(addresses)];
}

function limited(
  found: readonly { readonly host: string; readonly port: number }[],
  name: string,
): readonly string[] {
  const addresses = [...new Set(found.map(joinAddress))].sort();
  if (addresses.length <= ADDRESSES_MAX) return addresses;
  throw failed(`${name} has ${addresses.length} addresses; the most are ${ADDRESSES_MAX}`);
}

function misread(message: string): LedgerError {
  return new LedgerError("USAGE", message, { details: { field: "join" } });
}

function failed(message: string, cause?: unknown): LedgerError {
  return new LedgerError("DISCOVERY_FAILED", message, { cause });
}
