/**
 * Branded identities: numbers and bigints that the type checker keeps apart.
 *
 * Inside the server, organizations, vaults, users and groups have dense sequential ids (L-1); outside they
 * are named by 64-bit slugs (L-2, L-3). An internal id never leaves the server and never enters a hash.
 * u64 is `bigint` on the wire; log indexes, terms and heights are numbers of at most 2^53 - 1 inside,
 * checked once at the door.
 */
import { LedgerError } from "./ledger-error.js";

declare const brand: unique symbol;

/** `T` that cannot be mistaken for another brand of `T`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

export type OrganizationId = Brand<number, "OrganizationId">;
export type VaultId = Brand<number, "VaultId">;
export type UserId = Brand<number, "UserId">;
/** One Raft group. Never called shard or region. */
export type GroupId = Brand<number, "GroupId">;
/** A node's Snowflake id, stable over restarts. */
export type NodeId = Brand<bigint, "NodeId">;
/** An organization's public name; 0 is `_system`. */
export type OrganizationSlug = Brand<bigint, "OrganizationSlug">;
/** A vault's public name; 0 is the vault of `_system`. */
export type VaultSlug = Brand<bigint, "VaultSlug">;
/** Number of a block in its vault's chain; 0 is genesis. */
export type Height = Brand<number, "Height">;
export type LogIndex = Brand<number, "LogIndex">;
export type Term = Brand<number, "Term">;

/** The slug that is reserved for the system organization and its vault (L-4). */
export const SYSTEM_SLUG = 0n;

const MAX_INTERNAL_ID = 0xffff_ffff;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;

export function organizationId(n: number): OrganizationId {
  return internalId(n, "organization id") as OrganizationId;
}
export function vaultId(n: number): VaultId {
  return internalId(n, "vault id") as VaultId;
}
export function userId(n: number): UserId {
  return internalId(n, "user id") as UserId;
}
export function groupId(n: number): GroupId {
  return internalId(n, "group id") as GroupId;
}
export function nodeId(n: bigint): NodeId {
  return u64(n, "node id") as NodeId;
}
export function organizationSlug(n: bigint): OrganizationSlug {
  return u64(n, "organization slug") as OrganizationSlug;
}
export function vaultSlug(n: bigint): VaultSlug {
  return u64(n, "vault slug") as VaultSlug;
}
export function height(n: number): Height {
  return counter(n, "height") as Height;
}
export function logIndex(n: number): LogIndex {
  return counter(n, "log index") as LogIndex;
}
export function term(n: number): Term {
  return counter(n, "term") as Term;
}

interface InternalIds {
  readonly org: OrganizationId;
  readonly vault: VaultId;
  readonly user: UserId;
  readonly group: GroupId;
}

/** The kinds of internal id that print with a prefix. */
export type InternalIdKind = keyof InternalIds;

/**
 * Prints an internal id for logs and debug output.
 * @example formatInternalId("vault", vaultId(7)) // "vault:7"
 */
export function formatInternalId<K extends InternalIdKind>(kind: K, id: InternalIds[K]): string {
  return `${kind}:${id}`;
}

/**
 * Reads back what `formatInternalId` printed.
 * @throws LedgerError INVALID_ARGUMENT for another kind, leading zeros or anything that is no id.
 */
export function parseInternalId<K extends InternalIdKind>(kind: K, text: string): InternalIds[K] {
  const digits = text.startsWith(`${kind}:`) ? text.slice(kind.length + 1) : "";
  if (!/^(0|[1-9][0-9]{0,9})$/.test(digits)) {
    throw invalid("internal id", `"${text}" is not of the form ${kind}:<number>`);
  }
  return internalId(Number(digits), "internal id") as InternalIds[K];
}

/**
 * Reads a slug as people write it: an unsigned decimal number.
 * @throws LedgerError INVALID_ARGUMENT naming `field`.
 */
export function parseSlug(text: string, field: string): bigint {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(text)) {
    throw invalid(field, `"${text}" is not an unsigned decimal number`);
  }
  return u64(BigInt(text), field);
}

function internalId(n: number, what: string): number {
  if (Number.isInteger(n) && n >= 0 && n <= MAX_INTERNAL_ID) return n;
  throw invalid(what, `${n} is not an integer from 0 to ${MAX_INTERNAL_ID}`);
}

function counter(n: number, what: string): number {
  if (Number.isSafeInteger(n) && n >= 0) return n;
  throw invalid(what, `${n} is not an integer from 0 to 2^53 - 1`);
}

function u64(n: bigint, what: string): bigint {
  if (n >= 0n && n <= MAX_U64) return n;
  throw invalid(what, `${n} does not fit unsigned 64 bits`);
}

function invalid(field: string, why: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", `${field}: ${why}`, { details: { field } });
}
