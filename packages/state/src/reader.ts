/**
 * Questions about a vault's current state: tuples, entities, lists. Reads take no pin: they run between two
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
import { compareBytes, LedgerError, type Tuple } from "@authledger/types";
import type { OpenVault } from "./open-vault.js";
import { readU32, readU48, type Tables, transactionKey } from "./tables.js";
import { canonicalOfRow } from "./transaction-row.js";
import { leafKeyBuffer, PATH_AT, recordOfRow } from "./trie/leaf-row.js";

/** Rows that one page of a list looks at, at most: a filter that matches little must not stop the engine. */
export const LIST_SCAN_MAX = 20_000;

export interface ListedTuple {
  readonly tuple: Tuple;
  readonly version: number;
  readonly expiresAtMs: number;
}

export interface ReadEntity {
  readonly key: string;
  readonly nonce: Uint8Array;
  readonly value: Uint8Array;
  readonly version: number;
  readonly expiresAtMs: number;
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
export function hasTuple(vault: OpenVault, tuple: Tuple, timeMs: number): boolean {
  const record = vault.record(tupleKey(tuple));
  return record !== undefined && isLive(record, timeMs);
}

export function readEntity(
  vault: OpenVault,
  tables: Tables,
  key: string,
  timeMs: number,
): ReadEntity | undefined {
  const path = vault.paths.path(entityKey(key));
  const record = vault.record(entityKey(key), path);
  if (record === undefined || !isLive(record, timeMs)) return undefined;
  const stored = tables.value.get(vault.rowKey(path));
  if (stored === undefined) return undefined;
  return {
    key,
    nonce: stored.slice(0, NONCE_BYTES),
    value: stored.slice(NONCE_BYTES),
    version: Number(record.version),
    expiresAtMs: Number(record.expiresAtMs),
  };
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
  vault: OpenVault,
  tables: Tables,
  filter: TupleFilter,
  page: { readonly limit: number; readonly from?: Uint8Array | undefined; readonly timeMs: number },
): TuplePage {
  const range = rangeOf(filter);
  const tuples: ListedTuple[] = [];
  const start = leafKeyBuffer(vault.id);
  const prefixBytes = prefixOf(vault, range, start);
  const end = start.slice(0, PATH_AT + prefixBytes);
  if (page.from !== undefined) start.set(page.from, PATH_AT);
  const cursor = tables.leaf.cursor();
  let looked = 0;
  for (let ok = cursor.seek(start); ok; ok = cursor.next()) {
    const { key } = cursor;
    if (compareBytes(key.subarray(0, end.length), end) !== 0) break;
    if (tuples.length >= page.limit || looked++ >= LIST_SCAN_MAX) {
      return { tuples, next: key.slice(PATH_AT, PATH_AT + PATH_BYTES) };
    }
    const tuple = matching(cursor.value, range, filter, page.timeMs);
    if (tuple !== undefined) tuples.push(tuple);
  }
  return { tuples, next: undefined };
}

/** Writes the range's prefix into a leaf key; the number of bytes that all its paths share. */
function prefixOf(vault: OpenVault, range: ListRange, key: Uint8Array): number {
  if (range.partition === undefined) return 0;
  key.set(vault.paths.listPrefix(range.kind, range.partition, range.group), PATH_AT);
  return (range.group === undefined ? PARTITION_BITS : GROUP_BITS) / 8;
}

function matching(
  row: Uint8Array,
  range: ListRange,
  filter: TupleFilter,
  timeMs: number,
): ListedTuple | undefined {
  const bytes = recordOfRow(row);
  if (bytes[0] !== range.kind) return undefined;
  const record: LedgerRecord = decodeRecord(bytes);
  if (!isLive(record, timeMs)) return undefined;
  const tuple = tupleOfKey(record.key);
  const isWanted =
    (filter.resource === undefined || filter.resource === tuple.resource) &&
    (filter.relation === undefined || filter.relation === tuple.relation) &&
    (filter.subject === undefined || filter.subject === tuple.subject);
  if (!isWanted) return undefined;
  return {
    tuple,
    version: Number(record.version),
    expiresAtMs: Number(record.expiresAtMs),
  };
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
  const key = transactionKey(vault.id, height, index);
  const row = tables.transaction.get(key);
  if (row !== undefined) return row;
  const cursor = tables.transaction.cursor();
  const isMore = cursor.seek(key) && readU32(cursor.key) === vault.id;
  const oldest = isMore ? readU48(cursor.key, 4) : vault.size;
  const message = `the transactions of block ${height} have been removed by retention; those from height ${oldest} on are there`;
  throw new LedgerError("HEIGHT_UNAVAILABLE", message, { details: { height, oldest } });
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
