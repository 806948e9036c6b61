/**
 * The audit log: the entities `audit:<time>-<random>` of the system vault, one for each call of administration and one a
 * minute for each kind of refused call. For administrators of the cluster.
 *
 *   INV-SDK-17  A client that verifies gives out no record that is not computed from a proof.
 *
 * Which records there are is the server's word also then: lists of entities have no proof. Who must know that none is left
 * out follows the changes of the system vault.
 */
import { LedgerError } from "@authledger/types";
import type { Session } from "../session.js";
import {
  AUDIT_PREFIX,
  type AuditOutcome,
  type AuditRecord,
  auditRecordOf,
} from "./audit-record.js";
import { listEntities } from "./listings.js";
import { readMany } from "./reads.js";
import type { Entity, ReadOptions } from "./values.js";

/** Hex digits of the time in a key. */
const TIME_DIGITS = 12;
const PAGE_DEFAULT = 1_000;
/** The proof of a page grows with its rows. */
const PROVEN_PAGE_MAX = 100;
const SYSTEM = { organization: 0n, vault: 0n };

/** Each is a filter where it is set. */
export interface AuditFilter {
  /** Milliseconds since 1970; records of this time and later. */
  readonly sinceMs?: bigint | undefined;
  /** Records before this time. */
  readonly untilMs?: bigint | undefined;
  /** The whole name of a principal. */
  readonly actor?: string | undefined;
  /** `AdminService/CreateVault`, or the beginning of it, such as `IamService/`. */
  readonly action?: string | undefined;
  readonly outcome?: AuditOutcome | undefined;
}

export interface AuditLogOptions extends AuditFilter, Omit<ReadOptions, "prove"> {
  /** Records of one page, 1 to 1,000 (100 where the client verifies). Default 1,000. */
  readonly pageSize?: number | undefined;
  /**
   * Trust anchor of the system vault, for a client that verifies another vault. Default: what is pinned for the system vault,
   * or trust on first use where the client allows it.
   */
  readonly anchor?: string | undefined;
}

/** Oldest first. */
export async function* auditLog(
  session: Session,
  options: AuditLogOptions,
): AsyncGenerator<AuditRecord, void, undefined> {
  const system = session.forVault(SYSTEM, options.anchor);
  const isVerifying = system.verifier() !== undefined;
  const { pageSize: wanted = PAGE_DEFAULT } = options;
  const pageSize = isVerifying ? Math.min(wanted, PROVEN_PAGE_MAX) : wanted;
  const listed = listEntities(system, prefixOf(options), { ...options, pageSize, unproven: true });
  for await (const { rows } of listed.pages()) {
    const inTime = rows.filter(({ key }) => isInTime(key, options));
    const entities = isVerifying ? await proven(system, inTime, options) : inTime;
    for (const entity of entities) {
      const record = auditRecordOf(entity, isVerifying);
      if (isWanted(record, options)) yield record;
    }
    if (rows.some(({ key }) => isBehind(key, options))) return;
  }
}

/** Those that are there: a record may have expired since it was listed. */
async function proven(
  session: Session,
  rows: readonly Entity[],
  { consistency, signal, deadlineMs, requestId }: AuditLogOptions,
): Promise<readonly Entity[]> {
  if (rows.length === 0) return [];
  const keys = rows.map(({ key }) => key);
  const { of } = await readMany(session, keys, { consistency, signal, deadlineMs, requestId });
  return keys.flatMap((_, i) => of(i).entity ?? []);
}

/** Keys of a span of time have a beginning in common: what is outside of it is not fetched, as far as that goes. */
function prefixOf({ sinceMs, untilMs }: AuditFilter): string {
  if (sinceMs === undefined || untilMs === undefined) return AUDIT_PREFIX;
  const [from, to] = [hexOf(sinceMs), hexOf(untilMs)];
  let same = 0;
  while (same < TIME_DIGITS && from[same] === to[same]) same++;
  return AUDIT_PREFIX + from.slice(0, same);
}

/** @throws LedgerError INVALID_ARGUMENT */
function hexOf(timeMs: bigint): string {
  const hex = timeMs.toString(16).padStart(TIME_DIGITS, "0");
  if (timeMs >= 0n && hex.length === TIME_DIGITS) return hex;
  throw new LedgerError("INVALID_ARGUMENT", `${timeMs} is no time in milliseconds since 1970`);
}

function isInTime(key: string, filter: AuditFilter): boolean {
  const { sinceMs } = filter;
  return !isBehind(key, filter) && (sinceMs === undefined || timeOf(key) >= hexOf(sinceMs));
}

function isBehind(key: string, { untilMs }: AuditFilter): boolean {
  return untilMs !== undefined && timeOf(key) >= hexOf(untilMs);
}

function timeOf(key: string): string {
  return key.slice(AUDIT_PREFIX.length, AUDIT_PREFIX.length + TIME_DIGITS);
}

function isWanted(record: AuditRecord, { actor, action, outcome }: AuditFilter): boolean {
  if (actor !== undefined && record.actor !== actor) return false;
  if (action !== undefined && !record.action.startsWith(action)) return false;
  return outcome === undefined || record.outcome === outcome;
}
