/**
 * Entities in the order of their keys, by prefix: a walk over the entity index (record-indexes.ts), since leaves lie in
 * the order of hashes. The index has every entity of every kept height, so older states are listed by the same walk.
 */
import { decodeUtf8 } from "@authledger/types";
import { LIST_SCAN_MAX, type ReadEntity, readEntity } from "./reader.js";
import { entityRowKey } from "./record-indexes.js";
import type { StateView } from "./state-view.js";
import type { Tables } from "./tables.js";

export interface EntityQuery {
  /** Empty for all. */
  readonly prefix: string;
  /** Also those that have expired and are not collected yet. */
  readonly includeExpired: boolean;
  readonly timeMs: number;
  readonly limit: number;
  /** A page ends before its values take more; one that is larger is a page of its own. */
  readonly bytesMax: number;
  /** The `next` of the page before. */
  readonly from: Uint8Array | undefined;
}

export interface EntityPage {
  readonly entities: readonly ReadEntity[];
  /** Key of the first entity that was not looked at, as UTF-8; absent at the end. */
  readonly next: Uint8Array | undefined;
}

/** Bytes in front of the key in a row of the index. */
const KEY_AT = 4;

export function listEntities(state: StateView, tables: Tables, query: EntityQuery): EntityPage {
  const entities: ReadEntity[] = [];
  const start = entityRowKey(state.id, query.prefix);
  const cursor = tables.entity.cursor();
  let bytes = 0;
  let looked = 0;
  for (let ok = cursor.seek(startOf(state, query) ?? start); ok; ok = cursor.next()) {
    const row = cursor.key;
    if (!beginsWith(row, start)) break;
    const isFull = entities.length >= query.limit || looked++ >= LIST_SCAN_MAX;
    const entity = isFull ? undefined : entityOf(state, row.subarray(KEY_AT), query);
    bytes += entity === undefined ? 0 : entity.value.length + row.length;
    if (isFull || (bytes > query.bytesMax && entities.length > 0)) {
      return { entities, next: row.slice(KEY_AT) };
    }
    if (entity !== undefined) entities.push(entity);
  }
  return { entities, next: undefined };
}

function startOf({ id }: StateView, { from }: EntityQuery): Uint8Array | undefined {
  if (from === undefined) return undefined;
  const key = new Uint8Array(KEY_AT + from.length);
  key.set(entityRowKey(id, ""));
  key.set(from, KEY_AT);
  return key;
}

function entityOf(
  state: StateView,
  keyBytes: Uint8Array,
  { includeExpired, timeMs }: EntityQuery,
): ReadEntity | undefined {
  return readEntity(state, decodeUtf8(keyBytes)!, timeMs, includeExpired);
}

function beginsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}
