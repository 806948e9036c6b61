/**
 * Rows of the `leaf` table: every committed fact of every vault, once for each direction.
 *
 *     key    u32 vault || path48
 *     value  leaf hash (32) || record                                    (both as in commitment.md)
 *
 * The path is made of hashes of the key's levels, so this one table answers everything: a tuple by its three
 * parts is a point read; all tuples of a resource, of a resource and relation, or of a subject are a range
 * (kind 0x01 by resource, kind 0x02 by subject); and the same ranges are the subtrees that proofs show. The
 * leaf's hash is kept beside the record, so that rebuilding a small subtree hashes no leaves.
 * Values of records are in the `value` table, so that these rows stay small.
 */
import { PATH_BYTES } from "@authledger/proof";
import { HASH_BYTES } from "@authledger/types";
import { writeVault } from "./branch-row.js";

export const LEAF_KEY_BYTES: number = 4 + PATH_BYTES;

/** A buffer for leaf keys of one vault. */
export function leafKeyBuffer(vault: number): Uint8Array {
  const key = new Uint8Array(LEAF_KEY_BYTES);
  writeVault(key, vault);
  return key;
}

/** Where the path begins in a leaf key. */
export const PATH_AT = 4;

/** The record of a leaf row, as a view. */
export function recordOfRow(row: Uint8Array): Uint8Array {
  return row.subarray(HASH_BYTES);
}
