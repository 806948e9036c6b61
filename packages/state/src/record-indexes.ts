/**
 * Rows that follow from records, written in the same batch as their leaves.
 *
 *     expiry   u48 expires_at || u32 vault || path48     what expires, the earliest first
 *     entity   u32 vault || key                          entities in the order of their keys; of one that is gone the
 *                                                        value is u48 height of the block that removed it
 *
 *   INV-INDEX-1  There is an expiry row exactly for each entity, and for each tuple by resource, that has an expiry of
 *                at most 2^48 - 1 (the year 10889); a tuple's twin goes with it.
 *   INV-INDEX-2  There is an entity row without a value exactly for each entity, and one with a height for each that a
 *                kept block removed: lists of older heights find it. The row goes with the block.
 *
 * Other records pay nothing: a tuple without an expiry touches neither table.
 */
import { Kind, type LedgerRecord, type NetChange, PATH_BYTES } from "@authledger/proof";
import { ByteWriter, compareBytes } from "@authledger/types";
import { readU32, readU48, type Tables, writeU32, writeU48 } from "./tables.js";

const EXPIRY_KEY_BYTES = 10 + PATH_BYTES;
const VAULT_AT = 6;
const PATH_AT = 10;
const HEIGHT_BYTES = 6;
const U48_MAX = 2n ** 48n - 1n;
const NO_VALUE = new Uint8Array(0);

/** Brings the rows of a record from what it was to what it is. */
export function updateIndexes(
  tables: Pick<Tables, "expiry" | "entity">,
  { vault, height }: { readonly vault: number; readonly height: number },
  path: Uint8Array,
  { key, before, after }: NetChange,
): void {
  if (key.kind !== Kind.entity && key.kind !== Kind.tupleByResource) return;
  const was = before?.expiresAtMs ?? 0n;
  const is = after?.expiresAtMs ?? 0n;
  if (was !== is) {
    if (isIndexed(was)) tables.expiry.delete(expiryKey(Number(was), vault, path));
    if (isIndexed(is)) tables.expiry.put(expiryKey(Number(is), vault, path), NO_VALUE);
  }
  if (key.kind !== Kind.entity || (before === undefined) === (after === undefined)) return;
  const row = entityRowKey(vault, key.partition + key.item);
  tables.entity.put(row, after === undefined ? u48(height) : NO_VALUE);
}

/** A block is not kept any more: forgets an entity that it removed. */
export function forgetRemovedEntity(
  { entity }: Pick<Tables, "entity">,
  { vault, height }: { readonly vault: number; readonly height: number },
  key: string,
): void {
  const row = entityRowKey(vault, key);
  const removedBy = entity.get(row);
  if (removedBy?.length === HEIGHT_BYTES && readU48(removedBy, 0) === height) entity.delete(row);
}

function u48(value: number): Uint8Array {
  const bytes = new Uint8Array(HEIGHT_BYTES);
  writeU48(bytes, 0, value);
  return bytes;
}

/** Forgets when a record expires, with the record. */
export function removeExpiry(
  tables: Pick<Tables, "expiry">,
  vault: number,
  path: Uint8Array,
  { key, expiresAtMs }: LedgerRecord,
): void {
  const isIndexedKind = key.kind === Kind.entity || key.kind === Kind.tupleByResource;
  if (!isIndexedKind || !isIndexed(expiresAtMs)) return;
  tables.expiry.delete(expiryKey(Number(expiresAtMs), vault, path));
}

/** Has a record with this expiry a row in the expiry table? */
export function isIndexed(expiresAtMs: bigint): boolean {
  return expiresAtMs > 0n && expiresAtMs <= U48_MAX;
}

export function entityRowKey(vault: number, key: string): Uint8Array {
  return new ByteWriter(128).u32(vault).utf8(key).finish();
}

export function expiryKey(expiresAtMs: number, vault: number, path: Uint8Array): Uint8Array {
  const key = new Uint8Array(EXPIRY_KEY_BYTES);
  writeU48(key, 0, expiresAtMs);
  writeU32(key, VAULT_AT, vault);
  key.set(path, PATH_AT);
  return key;
}

/** A record whose time has come. */
export interface DueRecord {
  readonly vault: number;
  readonly path: Uint8Array;
  readonly expiresAtMs: number;
}

/** What a scan of the index found, and where the next one begins: at its first row that was not looked at. */
export interface DuePage {
  readonly due: readonly DueRecord[];
  readonly next: Uint8Array | undefined;
}

/** Records with an expiry of at most `timeMs`, in the order of the index from the row `from` on. */
export function scanDue(
  { expiry }: Pick<Tables, "expiry">,
  range: {
    readonly timeMs: number;
    readonly from: Uint8Array | undefined;
    readonly rowsMax: number;
  },
): DuePage {
  const due: DueRecord[] = [];
  const end = new Uint8Array(VAULT_AT);
  writeU48(end, 0, range.timeMs + 1);
  const cursor = expiry.cursor();
  const start = range.from ?? Uint8Array.of(0);
  for (let ok = cursor.seek(start); ok; ok = cursor.next()) {
    const { key } = cursor;
    if (compareBytes(key.subarray(0, VAULT_AT), end) >= 0) break;
    if (due.length === range.rowsMax) return { due, next: key.slice() };
    due.push({
      expiresAtMs: readU48(key, 0),
      vault: readU32(key, VAULT_AT),
      path: key.slice(PATH_AT),
    });
  }
  return { due, next: undefined };
}

/** When the first record expires or has expired; undefined without any. */
export function firstExpiry({ expiry }: Pick<Tables, "expiry">): number | undefined {
  const cursor = expiry.cursor();
  return cursor.first() ? readU48(cursor.key, 0) : undefined;
}
