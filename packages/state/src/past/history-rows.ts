/**
 * What blocks replaced, kept so that an older state can be read (commitment.md, "Proofs at an older height"). Each row
 * is what was there before the block in its key.
 *
 *     leaf_hist    u32 vault || path48 || u64 (2^64 - 1 - height)     the whole record that the block replaced or removed
 *     value_hist   as leaf_hist                                       nonce16 || value, of a record that has one
 *     bucket_hist  u32 vault || u8 bucket || u64 (2^64 - 1 - height)  u32 leaves || root32
 *
 * Heights are inverted, so that rows of a path lie newest first and the first change after a height is the last row
 * before its key. A record that a block creates has no row: that it was absent before follows from the version of the
 * record that came after.
 *
 *   INV-PAST-1  A block writes one row of leaf_hist for each leaf that it replaces or removes, none for one that it
 *               creates, and one row of bucket_hist for each bucket that it changes.
 */
import { PATH_BYTES } from "@authledger/proof";
import type { Cursor } from "@authledger/store";
import { HASH_BYTES } from "@authledger/types";
import { readU32, type Tables, writeU32 } from "../tables.js";

const HEIGHT_BYTES = 8;
const PATH_AT = 4;
const LEAF_HEIGHT_AT = PATH_AT + PATH_BYTES;
/** Of a row of leaf_hist or value_hist. */
export const HISTORY_KEY_BYTES: number = LEAF_HEIGHT_AT + HEIGHT_BYTES;
const BUCKET_HEIGHT_AT = 5;
const TWO_32 = 0x1_0000_0000;

/** A bucket as it was. */
export interface PastBucket {
  readonly count: number;
  readonly root: Uint8Array;
}

export type HistoryTables = Pick<Tables, "leafHist" | "bucketHist" | "valueHist">;

/** The key of a leaf's or value's row. */
export function leafHistKey(vault: number, path: Uint8Array, height: number): Uint8Array {
  const key = new Uint8Array(HISTORY_KEY_BYTES);
  writeU32(key, 0, vault);
  key.set(path, PATH_AT);
  writeInverted(key, LEAF_HEIGHT_AT, height);
  return key;
}

/** The key of a bucket's row. */
export function bucketHistKey(vault: number, bucket: number, height: number): Uint8Array {
  const key = new Uint8Array(BUCKET_HEIGHT_AT + HEIGHT_BYTES);
  writeU32(key, 0, vault);
  key[4] = bucket;
  writeInverted(key, BUCKET_HEIGHT_AT, height);
  return key;
}

/** The block that a row of leaf_hist is of. */
export function heightOfLeafKey(key: Uint8Array): number {
  return readInverted(key, LEAF_HEIGHT_AT);
}

/** What a bucket was before the first block above `height` that changed it; undefined when none did. */
export function bucketAt(
  cursor: Cursor,
  vault: number,
  bucket: number,
  height: number,
): PastBucket | undefined {
  const isFound = cursor.seekBefore(bucketHistKey(vault, bucket, height));
  if (!isFound) return undefined;
  const { key } = cursor;
  if (readU32(key) !== vault || key[4] !== bucket) return undefined;
  const { value } = cursor;
  return { count: readU32(value), root: value.slice(4, 4 + HASH_BYTES) };
}

/** Keeps what a bucket was before a block. */
export function keepBucket(
  table: Tables["bucketHist"],
  vault: number,
  bucket: number,
  height: number,
  { count, root }: PastBucket,
): void {
  const row = new Uint8Array(4 + HASH_BYTES);
  writeU32(row, 0, count);
  row.set(root, 4);
  table.put(bucketHistKey(vault, bucket, height), row);
}

/** Keeps the record under a path, and its value if it has one, as they were before a block. */
export function keepLeaf(
  { leafHist, valueHist }: HistoryTables,
  place: { readonly vault: number; readonly path: Uint8Array; readonly height: number },
  record: Uint8Array,
  value: Uint8Array | undefined,
): void {
  const key = leafHistKey(place.vault, place.path, place.height);
  leafHist.put(key, record);
  if (value !== undefined) valueHist.put(key, value);
}

function writeInverted(key: Uint8Array, at: number, height: number): void {
  writeU32(key, at, ~Math.floor(height / TWO_32));
  writeU32(key, at + 4, ~(height % TWO_32));
}

function readInverted(key: Uint8Array, at: number): number {
  const high = ~readU32(key, at) >>> 0;
  return high * TWO_32 + (~readU32(key, at + 4) >>> 0);
}
