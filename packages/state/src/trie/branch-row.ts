/**
 * Rows of the `branch` table: one for each branch with more than SMALL_LEAVES_MAX leaves below it.
 *
 *     key    u32 vault || prefix[0..8) || 0x00 || u16 bit                      bit <= 64
 *            u32 vault || prefix[0..8) || 0x01 || prefix[8..48) || u16 bit     bit > 64
 *     value  left32 || right32 || u32 left leaves || u32 right leaves || u48 height of the last change below
 *
 * Prefixes are padded with zeros. In a vault with random paths nearly all rows have the short form.
 *
 *   INV-BRANCH-1  Rows sort as the trie is walked, parents first and left before right: the topmost branch of
 *                 any subtree is the first row at or after the subtree's own prefix.
 */
import { PATH_BYTES } from "@authledger/proof";
import { HASH_BYTES } from "@authledger/types";
import type { NodePool } from "./node-pool.js";

const SHORT_BITS = 64;
const SHORT_BYTES = 8;
const VAULT_BYTES = 4;
const SHORT_KEY_BYTES = VAULT_BYTES + SHORT_BYTES + 1 + 2;
const LONG_KEY_BYTES = VAULT_BYTES + PATH_BYTES + 1 + 2;
const COUNTS_AT = 2 * HASH_BYTES;
export const BRANCH_VALUE_BYTES: number = COUNTS_AT + 4 + 4 + 6;

const longKey = new Uint8Array(LONG_KEY_BYTES);
const shortKey = longKey.subarray(0, SHORT_KEY_BYTES);

/** The key of a branch, in a buffer that the next call reuses. */
export function branchKey(
  vault: number,
  prefix: Uint8Array,
  prefixOffset: number,
  bit: number,
): Uint8Array {
  const isShort = bit <= SHORT_BITS;
  const key = isShort ? shortKey : longKey;
  writeVault(key, vault);
  for (let i = 0; i < SHORT_BYTES; i++) key[VAULT_BYTES + i] = prefix[prefixOffset + i]!;
  key[VAULT_BYTES + SHORT_BYTES] = isShort ? 0 : 1;
  if (!isShort) {
    for (let i = SHORT_BYTES; i < PATH_BYTES; i++) {
      key[VAULT_BYTES + 1 + i] = prefix[prefixOffset + i]!;
    }
  }
  key[key.length - 2] = bit >> 8;
  key[key.length - 1] = bit & 0xff;
  return key;
}

/** The bit that a row's key names. */
export function bitOfKey(key: Uint8Array): number {
  return (key[key.length - 2]! << 8) | key[key.length - 1]!;
}

/** Writes the zero-padded prefix that a row's key names to `out[0, 48)`. */
export function prefixOfKey(key: Uint8Array, out: Uint8Array): void {
  out.fill(0, 0, PATH_BYTES);
  for (let i = 0; i < SHORT_BYTES; i++) out[i] = key[VAULT_BYTES + i]!;
  if (key[VAULT_BYTES + SHORT_BYTES] === 0) return;
  for (let i = SHORT_BYTES; i < PATH_BYTES; i++) out[i] = key[VAULT_BYTES + 1 + i]!;
}

/** The vault that a row's key names. */
export function vaultOfKey(key: Uint8Array): number {
  return ((key[0]! << 24) | (key[1]! << 16) | (key[2]! << 8) | key[3]!) >>> 0;
}

export function writeVault(key: Uint8Array, vault: number): void {
  key[0] = vault >>> 24;
  key[1] = vault >>> 16;
  key[2] = vault >>> 8;
  key[3] = vault;
}

const value = new Uint8Array(BRANCH_VALUE_BYTES);
const view = new DataView(value.buffer);

/** The value of a branch in memory, in a buffer that the next call reuses. */
export function branchValue(pool: NodePool, node: number): Uint8Array {
  pool.copyHashes(node, value, 0);
  view.setUint32(COUNTS_AT, pool.sideCount(node, 0));
  view.setUint32(COUNTS_AT + 4, pool.sideCount(node, 1));
  const height = pool.height(node);
  view.setUint16(COUNTS_AT + 8, Math.floor(height / 0x1_0000_0000));
  view.setUint32(COUNTS_AT + 10, height >>> 0);
  return value;
}

/** Sets a node's sides and height from a row's value. */
export function readBranchValue(
  row: Uint8Array,
  pool: NodePool,
  node: number,
  noChild: number,
): void {
  const at = new DataView(row.buffer, row.byteOffset, row.byteLength);
  const left = at.getUint32(COUNTS_AT);
  const right = at.getUint32(COUNTS_AT + 4);
  pool.setSide(node, 0, left, row.subarray(0, HASH_BYTES), noChild);
  pool.setSide(node, 1, right, row.subarray(HASH_BYTES, COUNTS_AT), noChild);
  pool.setHeight(node, at.getUint16(COUNTS_AT + 8) * 0x1_0000_0000 + at.getUint32(COUNTS_AT + 10));
}
