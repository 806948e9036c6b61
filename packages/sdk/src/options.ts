/**
 * What a client is told when it is made, and what each call may be told. Nothing is checked when a client is
 * made (`createClient` never throws); the first call checks and reports what is wrong.
 */
import { LedgerError, limits, parseSlug, splitAddress } from "@authledger/types";
import type { Interceptor } from "./hooks/interceptors.js";
import type { ClientMetrics } from "./hooks/metrics.js";
import type { ClientTracing } from "./hooks/tracing.js";
import type { EndpointSource } from "./sources/endpoint-source.js";
import type { PinnedRoots } from "./verify/pinned-roots.js";

/** An organization's or vault's public number; text is read as an unsigned decimal number. */
export type Slug = bigint | string;

/** Whose data is meant. */
export interface Tenant {
  readonly organization: Slug;
  readonly vault: Slug;
}

/** Turns verification on: every answer is computed from its proof, and what the server claims is ignored. */
export interface VerifyOptions {
  /** The vault's trust anchor as text, from a channel that you trust. */
  readonly anchor?: string | undefined;
  /**
   * Take the anchor from the server at the first contact when there is neither `anchor` nor a pinned root.
   * Protects from everything that changes afterwards, and from nothing before. Default false.
   */
  readonly trustOnFirstUse?: boolean | undefined;
  /** Keeps the newest verified head of each vault. Default: in memory, for as long as the client lives. */
  readonly pinnedRoots?: PinnedRoots | undefined;
  /** Oldest signed head of a current answer, in seconds. Default 60. */
  readonly maxAgeS?: number | undefined;
  /** How far the cosigners' clocks may be ahead of ours, in seconds. Default 5. */
  readonly maxSkewS?: number | undefined;
  /**
   * Distinct replicas of the vault's policy that must have cosigned every head, where that is more than the policy's
   * quorum; 0 to 64. With all of them nobody alone shows two histories, and one replica that is down refuses the
   * answers. Default 0: the quorum.
   */
  readonly cosignatures?: number | undefined;
}

/** PEM as text or bytes; never the path of a file. */
export type PemText = string | Uint8Array;

/** TLS of the connections. */
export interface TlsOptions {
  /** Certificates that are believed. Default: those that Node believes. */
  readonly ca?: PemText | undefined;
  /** The client's own certificate, for mutual TLS; with its `key`. */
  readonly cert?: PemText | undefined;
  readonly key?: PemText | undefined;
  /** The name that the certificate of a node must have. Default: the host of its address. */
  readonly serverName?: string | undefined;
}

/** A token, and where it is known when it ends, in milliseconds since 1970: it is asked for again before that. */
export type Token = string | { readonly token: string; readonly expiresAtMs?: number | undefined };

export interface ClientOptions {
  /**
   * host:port of one or more nodes of a cluster, 1 to 32, or where they are found: see `@authledger/sdk/sources`.
   * Writes go to the one that leads, once it is known.
   */
  readonly endpoints: string | readonly string[] | EndpointSource;
  /**
   * Learn the other nodes of the cluster from those that were given, and use them too? A node that was not given is used
   * once it has shown that it is of the same cluster. Default true: every 30 s, and when somebody else leads.
   */
  readonly discover?: boolean | { readonly refreshMs?: number | undefined } | undefined;
  /**
   * Which node reads go to that any replica may answer: `one` and the same as long as it is well, or of two by chance the
   * one that is likely to be faster. Default `one`.
   */
  readonly replicas?: "one" | "fastest" | undefined;
  /** Needed by every call but those of `admin`. */
  readonly tenant?: Tenant | undefined;
  /** TLS; `true` for the certificates that Node believes. Default: none, which is for loopback. */
  readonly tls?: TlsOptions | boolean | undefined;
  /** An API key or a JWT that does not change. It is sent over TLS or to this machine only. */
  readonly token?: string | undefined;
  /**
   * Gives the token, instead of `token`: asked when one is first needed, shortly before the one at hand ends, and when it
   * was refused.
   */
  readonly credentials?: (() => Token | Promise<Token>) | undefined;
  /** Send the token over plaintext to other machines too? For networks that are protected otherwise. Default false. */
  readonly allowPlaintextToken?: boolean | undefined;
  /** Time for a call with all its retries, in milliseconds: 1 to 3,600,000. Default 5,000. */
  readonly deadlineMs?: number | undefined;
  /** How often a call is tried where that is safe, 1 to 1,000; each endpoint is tried at least once. Default 5. */
  readonly attemptsMax?: number | undefined;
  /**
   * Put single calls (`check`, `read`, `write`) of one tick together into one request? Those of one request are
   * answered at one height. Default true.
   */
  readonly coalesce?: boolean | undefined;
  /** Names this client in sequence numbers and idempotency keys. Default: empty, no name. */
  readonly clientId?: string | undefined;
  /**
   * When an endpoint that fails is left alone: after so many failures in a row, for so many milliseconds, twice as long each
   * time. Calls that find all of them left alone fail with CIRCUIT_OPEN at once. Default 5 and 500; `false`: never.
   */
  readonly breaker?:
    | { readonly failures?: number | undefined; readonly openMs?: number | undefined }
    | false
    | undefined;
  /**
   * Ask a second node when a read takes long (longer than 95 % of those before, or `afterMs`), for at most this share of
   * all reads? Default false; `true`: 0.05.
   */
  readonly hedge?:
    | { readonly afterMs?: number | undefined; readonly shareMax?: number | undefined }
    | boolean
    | undefined;
  /** Code of the program around every call; the first is the outermost. */
  readonly interceptors?: readonly Interceptor[] | undefined;
  /** Is told of calls, attempts and circuits: `prometheusMetrics()` of `@authledger/sdk/prometheus`. */
  readonly metrics?: ClientMetrics | undefined;
  /** Makes calls part of traces: `otelTracing()` of `@authledger/sdk/otel`. */
  readonly tracing?: ClientTracing | undefined;
  /** Absent: answers are taken as the server gives them. */
  readonly verify?: VerifyOptions | undefined;
}

/** What every call accepts. */
export interface CallOptions {
  /** Gives the call up; a write may still happen. */
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds, instead of the client's. */
  readonly deadlineMs?: number | undefined;
  /**
   * Names the call in logs and errors, printable ASCII. A call with a name is sent as a request of its own.
   * Default: a random UUID for each request.
   */
  readonly requestId?: string | undefined;
}

const DEADLINE_MS_DEFAULT = 5_000;
const DEADLINE_MS_MAX = 3_600_000;
const ATTEMPTS_DEFAULT = 5;
const ATTEMPTS_MAX = 1_000;
const ENDPOINTS_MAX = 32;
/** Keys of a policy, at most. */
const COSIGNATURES_MAX = 64;
const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;

/** Slugs as numbers. */
export interface VaultName {
  readonly organization: bigint;
  readonly vault: bigint;
  /** On the wire 0 is also what was forgotten, so requests say that they mean the system vault. */
  readonly system?: boolean | undefined;
}

/**
 * Both slugs given as 0 name the system vault, which cluster administrators read: the audit log is there.
 * @throws LedgerError SLUG_REQUIRED, INVALID_ARGUMENT
 */
export function vaultNameOf(tenant: Tenant | undefined): VaultName {
  const isSystem = String(tenant?.organization) === "0" && String(tenant?.vault) === "0";
  if (isSystem) return { organization: 0n, vault: 0n, system: true };
  return {
    organization: slugOf(tenant?.organization, "organization"),
    vault: slugOf(tenant?.vault, "vault"),
  };
}

/** @throws LedgerError SLUG_REQUIRED, INVALID_ARGUMENT */
export function slugOf(slug: Slug | undefined, field: string): bigint {
  const value = slug === undefined ? 0n : parseSlug(String(slug), field);
  if (value !== 0n) return value;
  throw new LedgerError("SLUG_REQUIRED", `${field} is missing`, { details: { field } });
}

/** @throws LedgerError INVALID_ARGUMENT */
export function endpointsOf(given: string | readonly string[]): readonly string[] {
  const endpoints = [...new Set(typeof given === "string" ? [given] : given)];
  if (endpoints.length < 1 || endpoints.length > ENDPOINTS_MAX) {
    throw invalid("endpoints", `1 to ${ENDPOINTS_MAX} endpoints, not ${endpoints.length}`);
  }
  for (const endpoint of endpoints) {
    if ((splitAddress(endpoint)?.port ?? 0) > 0) continue;
    throw invalid("endpoints", `"${endpoint.slice(0, 80)}" is not host:port`);
  }
  return endpoints;
}

/** @throws LedgerError INVALID_ARGUMENT */
export function deadlineOf(call: CallOptions, client: ClientOptions): number {
  const deadlineMs = call.deadlineMs ?? client.deadlineMs ?? DEADLINE_MS_DEFAULT;
  return inRange(deadlineMs, DEADLINE_MS_MAX, "deadlineMs");
}

/** @throws LedgerError INVALID_ARGUMENT */
export function attemptsOf({ attemptsMax }: ClientOptions): number {
  return Math.floor(inRange(attemptsMax ?? ATTEMPTS_DEFAULT, ATTEMPTS_MAX, "attemptsMax"));
}

/** @throws LedgerError INVALID_ARGUMENT */
export function coalesceOf({ coalesce = true }: ClientOptions): boolean {
  if (typeof coalesce === "boolean") return coalesce;
  throw invalid("coalesce", "true or false");
}

/** @throws LedgerError INVALID_ARGUMENT: what is no header of HTTP/2 would fail in the depth of the transport */
export function requestIdOf(id: string): string {
  if (REQUEST_ID.test(id)) return id;
  throw invalid("requestId", "1 to 128 printable ASCII characters without spaces");
}

/** What was asked for, undefined for the quorum. @throws LedgerError INVALID_ARGUMENT */
export function cosignaturesOf(verify: VerifyOptions | undefined): number | undefined {
  const { cosignatures } = verify ?? {};
  if (cosignatures === undefined) return undefined;
  if (Number.isInteger(cosignatures) && cosignatures >= 0 && cosignatures <= COSIGNATURES_MAX) {
    return cosignatures;
  }
  throw invalid("verify.cosignatures", `0 to ${COSIGNATURES_MAX}`);
}

/** @throws LedgerError INVALID_ARGUMENT, LIMIT_EXCEEDED */
export function pageSizeOf(size: number | undefined): number {
  if (size === undefined) return limits.LIST_PAGE_MAX;
  if (Number.isInteger(size) && size >= 1 && size <= limits.LIST_PAGE_MAX) return size;
  throw invalid("pageSize", `a page has 1 to ${limits.LIST_PAGE_MAX} rows`);
}

function inRange(value: number, max: number, field: string): number {
  if (value >= 1 && value <= max) return value;
  throw invalid(field, `${value} is not from 1 to ${max}`);
}

function invalid(field: string, why: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", `${field}: ${why}`, { details: { field } });
}
