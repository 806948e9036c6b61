/**
 * The audit log: the entities `audit:<time>-<random>` of the system vault, one for each call of administration and one a
 * minute for each kind of refused call. For administrators of the cluster.
 *
 *   INV-SDK-17  A client that verifies gives out no record that is not computed from a proof.
 *
 * Which records there are is the server's word also then: lists of entities have no proof. Who must know that none is left
 * out follows the changes of the system vault.
 */
import { decodeUtf8, LedgerError } from "@authledger/types";
import type { Session } from "../session.js";
import { malformed } from "./convert.js";
import { listEntities } from "./listings.js";
import { readMany } from "./reads.js";
import type { Entity, ReadOptions } from "./values.js";

const PREFIX = "audit:";
/** Hex digits of the time in a key. */
const TIME_DIGITS = 12;
const PAGE_DEFAULT = 1_000;
/** The proof of a page grows with its rows. */
const PROVEN_PAGE_MAX = 100;
const SYSTEM = { organization: 0n, vault: 0n };

/** `refused`: the caller was not let in; such calls of a minute are told of together. */
export type AuditOutcome = "success" | "failure" | "refused";

export interface AuditRecord {
  /** Of its entity in the system vault. */
  readonly key: string;
  /** Milliseconds since 1970; of a summary that of its first call. */
  readonly timeMs: bigint;
  /** Name of the principal. */
  readonly actor: string;
  /** `AdminService/CreateVault`. */
  readonly action: string;
  /** What the request named. */
  readonly resource: Readonly<Record<string, string>>;
  readonly outcome: AuditOutcome;
  /** Code of the error, and what it said. */
  readonly code?: string;
  readonly message?: string;
  readonly requestId: string;
  /** Address of the client. */
  readonly client: string;
  /** The node that the call reached. */
  readonly node: string;
  /** Calls that a summary stands for. */
  readonly count?: number;
  /** The last of them. */
  readonly untilMs?: bigint;
  /** Height of the system vault's block that holds it. */
  readonly version: bigint;
  /** It was computed from its proof: the client verifies. */
  readonly isProven: boolean;
}

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
      const record = recordOf(entity, isVerifying);
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
  if (sinceMs === undefined || untilMs === undefined) return PREFIX;
  const [from, to] = [hexOf(sinceMs), hexOf(untilMs)];
  let same = 0;
  while (same < TIME_DIGITS && from[same] === to[same]) same++;
  return PREFIX + from.slice(0, same);
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
  return key.slice(PREFIX.length, PREFIX.length + TIME_DIGITS);
}

function isWanted(record: AuditRecord, { actor, action, outcome }: AuditFilter): boolean {
  if (actor !== undefined && record.actor !== actor) return false;
  if (action !== undefined && !record.action.startsWith(action)) return false;
  return outcome === undefined || record.outcome === outcome;
}

/** @throws LedgerError CODEC_DECODE */
function recordOf({ key, value, version }: Entity, isProven: boolean): AuditRecord {
  const fields = fieldsOf(value);
  const { actor, action, outcome, requestId, client, node, code, message } = fields;
  const texts = { actor, action, requestId, client, node };
  const isWhole =
    Object.values(texts).every((text) => typeof text === "string") && isOutcome(outcome);
  if (!isWhole || !key.startsWith(PREFIX)) throw malformed(`no audit record under ${key}`);
  const { timeMs, untilMs, count, resource } = fields;
  return {
    ...{ key, timeMs: wholeOf(timeMs) },
    ...(texts as Record<keyof typeof texts, string>),
    ...{ resource: textsOf(resource), outcome },
    ...(typeof code === "string" && { code }),
    ...(typeof message === "string" && { message }),
    ...(typeof count === "number" && { count }),
    ...(untilMs !== undefined && { untilMs: wholeOf(untilMs) }),
    ...{ version, isProven },
  };
}

function fieldsOf(value: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const fields: unknown = JSON.parse(decodeUtf8(value) ?? "");
    if (typeof fields === "object" && fields !== null) return fields as Record<string, unknown>;
  } catch {
    // told below
  }
  throw malformed("an audit record that is no JSON");
}

function isOutcome(value: unknown): value is AuditOutcome {
  return value === "success" || value === "failure" || value === "refused";
}

function wholeOf(value: unknown): bigint {
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  throw malformed("an audit record without a time");
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const [name, text] of Object.entries(value ?? {})) texts[name] = String(text);
  return texts;
}
