/**
 * Questions about a state of a vault, the newest or an older one: tuples, entities, lists. Reads take no pin: they run between two
 * batches without awaiting.
 *
 * Expiry: a record with 0 < expires_at_ms <= time is absent for readers, collected or not.
 */
import {
  decodeRecord,
  entityKey,
  GROUP_BITS,
  isLive,
  Kind,
  type LedgerRecord,
  NONCE_BYTES,
  PARTITION_BITS,
  PATH_BYTES,
  tupleKey,
  tupleOfKey,
} from "@authledger/proof";
import { assert, compareBytes, type Tuple } from "@authledger/types";
import { isErased, valueUnlessErased } from "./erased-value.js";
import type { OpenVault } from "./open-vault.js";
import type { StateView } from "./state-view.js";
import { type Tables, transactionKey } from "./tables.js";
import { canonicalOfRow } from "./transaction-row.js";

/** Rows that one page of a list looks at, at most: a filter that matches little must not stop the engine. */
export const LIST_SCAN_MAX = 20_000;

const NO_BYTES = new Uint8Array(0);

export interface ListedTuple {
  readonly tuple: Tuple;
  readonly version: number;
  readonly expiresAtMs: number;
  /** Its condition, where it has one: canonical encoding, and the nonce in front of it in its digest. */
  readonly condition?: { readonly value: Uint8Array; readonly nonce: Uint8Array };
  /** In a list of an older height: it has a condition, which was erased. */
  readonly erased?: true;
}

export interface ReadEntity {
  readonly key: string;
  readonly nonce: Uint8Array;
  readonly value: Uint8Array;
  readonly version: number;
  readonly expiresAtMs: number;
  /** As of an older height: the value was erased then, in milliseconds since 1970; it and its nonce are empty. */
  readonly erasedAtMs?: number;
}

/** Any combination of the three; none of them lists everything. */
export interface TupleFilter {
  readonly resource?: string | undefined;
  readonly relation?: string | undefined;
  readonly subject?: string | undefined;
}

export interface TuplePage {
  readonly tuples: readonly ListedTuple[];
  /** Path of the first row that was not looked at; absent at the end. */
  readonly next: Uint8Array | undefined;
}

/** Is the tuple stored and not expired? */
export function hasTuple(state: StateView, tuple: Tuple, timeMs: number): boolean {
  const record = state.record(tupleKey(tuple));
  return record !== undefined && isLive(record, timeMs);
}

/** Of an erased value the record is left: it says what was there, and a proof shows its digest. */
export function readEntity(
  state: StateView,
  key: string,
  timeMs: number,
  includeExpired = false,
): ReadEntity | undefined {
  const path = state.paths.path(entityKey(key));
  const record = state.record(entityKey(key), path);
  if (record === undefined || !(includeExpired || isLive(record, timeMs))) return undefined;
  const about = { version: Number(record.version), expiresAtMs: Number(record.expiresAtMs) };
  const stored = valueUnlessErased(state, path);
  if (isErased(stored)) return { key, nonce: NO_BYTES, value: NO_BYTES, ...about, ...stored };
  assert(stored !== undefined, "an entity has a value", { vault: state.id });
  return { key, nonce: stored.slice(0, NONCE_BYTES), value: stored.slice(NONCE_BYTES), ...about };
}

/** The part of the leaves that a filter lies in. */
interface ListRange {
  readonly kind: Kind;
  readonly partition: string | undefined;
  readonly group: string | undefined;
}

/** By resource where one is given, else by subject, else everything. */
export function rangeOf({ resource, relation, subject }: TupleFilter): ListRange {
  if (resource !== undefined) {
    return { kind: Kind.tupleByResource, partition: resource, group: relation };
  }
  if (subject !== undefined) {
    return { kind: Kind.tupleBySubject, partition: subject, group: relation };
  }
  return { kind: Kind.tupleByResource, partition: undefined, group: undefined };
}

/** Tuples in the order of their paths, from the path `from` on. */
export function listTuples(
  state: StateView,
  filter: TupleFilter,
  page: { readonly limit: number; readonly from?: Uint8Array | undefined; readonly timeMs: number },
): TuplePage {
  const range = rangeOf(filter);
  const tuples: ListedTuple[] = [];
  const { prefix, bytes } = prefixOf(state, range);
  const cursor = state.leafCursor();
  let looked = 0;
  for (let ok = cursor.seek(page.from ?? prefix); ok; ok = cursor.next()) {
    const { path } = cursor;
    if (compareBytes(path.subarray(0, bytes), prefix.subarray(0, bytes)) !== 0) break;
    if (tuples.length >= page.limit || looked++ >= LIST_SCAN_MAX) {
      return { tuples, next: path.slice() };
    }
    const { record } = cursor;
    const found = record && matching(record, range, filter, page.timeMs);
    if (found !== undefined) tuples.push(listedTuple(state, found));
  }
  return { tuples, next: undefined };
}

/** The first path of a range, and how many of its bytes all paths of the range share. */
function prefixOf(
  { paths }: StateView,
  { kind, partition, group }: ListRange,
): { readonly prefix: Uint8Array; readonly bytes: number } {
  if (partition === undefined) return { prefix: new Uint8Array(PATH_BYTES), bytes: 0 };
  const bits = group === undefined ? PARTITION_BITS : GROUP_BITS;
  return { prefix: paths.listPrefix(kind, partition, group), bytes: bits / 8 };
}

function matching(
  bytes: Uint8Array,
  range: ListRange,
  filter: TupleFilter,
  timeMs: number,
): LedgerRecord | undefined {
  if (bytes[0] !== range.kind) return undefined;
  const record: LedgerRecord = decodeRecord(bytes);
  if (!isLive(record, timeMs)) return undefined;
  const tuple = tupleOfKey(record.key);
  const isWanted =
    (filter.resource === undefined || filter.resource === tuple.resource) &&
    (filter.relation === undefined || filter.relation === tuple.relation) &&
    (filter.subject === undefined || filter.subject === tuple.subject);
  return isWanted ? record : undefined;
}

/** A tuple's condition lies with its authoritative direction. */
function listedTuple(
  state: StateView,
  { key, version, expiresAtMs, value }: LedgerRecord,
): ListedTuple {
  const tuple = tupleOfKey(key);
  const plain = { tuple, version: Number(version), expiresAtMs: Number(expiresAtMs) };
  if (value === undefined) return plain;
  const stored = valueUnlessErased(state, state.paths.path(tupleKey(tuple)));
  if (isErased(stored)) return { ...plain, erased: true };
  assert(stored !== undefined, "a tuple with a condition has its value", { vault: state.id });
  const nonce = stored.slice(0, NONCE_BYTES);
  return { ...plain, condition: { value: stored.slice(NONCE_BYTES), nonce } };
}

/**
 * A stored transaction of an existing block, as a view.
 * @throws LedgerError HEIGHT_UNAVAILABLE when retention has removed it
 */
export function transactionRow(
  vault: OpenVault,
  tables: Tables,
  height: number,
  index: number,
): Uint8Array {
  const row = tables.transaction.get(transactionKey(vault.id, height, index));
  if (row === undefined) vault.requireKept(height);
  assert(row !== undefined, "a block that is kept has its transactions", { height, index });
  return row;
}

/** The canonical transactions of a block. @throws LedgerError HEIGHT_UNAVAILABLE */
export function blockTransactions(
  vault: OpenVault,
  tables: Tables,
  height: number,
  count: number,
): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    canonicalOfRow(transactionRow(vault, tables, height, i)).slice(),
  );
}
