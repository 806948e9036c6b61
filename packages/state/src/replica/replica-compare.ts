/**
 * What two replicas compare to find where their states part: newest headers, then the buckets of a vault, then the
 * leaves of a bucket. Each part is small; who asks narrows it down.
 */
import { BUCKETS, blockHash, decodeHeader, PATH_BYTES } from "@authledger/proof";
import { equalBytes, HASH_BYTES, type Hasher, LedgerError } from "@authledger/types";
import type { GroupState } from "../group-state.js";
import type { StateView } from "../state-view.js";
import { isGone } from "../vault-rows.js";

/** The newest block of a vault. */
export interface VaultHead {
  /** Internal id, the same on every replica. */
  readonly vault: number;
  readonly height: number;
  readonly blockHash: Uint8Array;
}

/** A leaf by its path; the hash is of its record. */
export interface ComparedLeaf {
  readonly path: Uint8Array;
  readonly hash: Uint8Array;
}

/** The heads of live vaults from an id on, in the order of the ids, and where to go on. */
export function replicaHeads(
  state: GroupState,
  from: number,
  limit: number,
): { readonly heads: readonly VaultHead[]; readonly next: number | undefined } {
  const heads: VaultHead[] = [];
  const end = Math.min(state.rows.vaultCount, from + limit);
  for (let id = from; id < end; id++) {
    const row = state.rows.vault(id);
    if (row === undefined || isGone(row)) continue;
    const { height, tip } = state.requireVault(id);
    heads.push({ vault: id, height, blockHash: tip.blockHash });
  }
  return { heads, next: end < state.rows.vaultCount ? end : undefined };
}

/**
 * Where this replica's history parts from another one's that has this head and has applied the log up to `applied`, as
 * has this one: undefined for nowhere, else the height of this one to compare with.
 */
export function partedAt(
  state: GroupState,
  head: VaultHead,
  applied: number,
  hasher: Hasher,
): number | undefined {
  const row = state.rows.vault(head.vault);
  if (row === undefined || isGone(row)) return undefined;
  const vault = state.requireVault(head.vault);
  if (head.height > vault.height) return vault.height;
  if (!equalBytes(blockHash(hasher, vault.header(head.height)!), head.blockHash))
    return head.height;
  const next = vault.header(head.height + 1);
  const isMissing = next !== undefined && decodeHeader(next).index <= applied;
  return isMissing ? head.height + 1 : undefined;
}

/** A vault as of a block. @throws LedgerError VAULT_NOT_FOUND, VAULT_DELETED, HEIGHT_NOT_REACHED, HEIGHT_UNAVAILABLE */
export function comparedView(state: GroupState, vault: number, height: number): StateView {
  const open = state.requireVault(vault);
  return open.height === height ? open : open.at(height);
}

/** The hashes of the 256 buckets, one after the other. */
export function bucketHashes(view: StateView): Uint8Array {
  const hashes = new Uint8Array(BUCKETS * HASH_BYTES);
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    hashes.set(view.trie.bucketTreeNode(-1, bucket), bucket * HASH_BYTES);
  }
  return hashes;
}

/** Leaves of a bucket behind a path, in order; fewer than `limit` at its end. */
export function bucketLeaves(
  view: StateView,
  bucket: number,
  after: Uint8Array | undefined,
  limit: number,
  hasher: Hasher,
): ComparedLeaf[] {
  const first = after?.slice() ?? new Uint8Array(PATH_BYTES);
  if (after === undefined) first[0] = bucket;
  if (first[0] !== bucket) throw new LedgerError("INVALID_ARGUMENT", "a path of another bucket");
  const leaves: ComparedLeaf[] = [];
  const cursor = view.leafCursor();
  for (let ok = cursor.seek(first); ok && leaves.length < limit; ok = cursor.next()) {
    const { path, record } = cursor;
    if (path[0] !== bucket) break;
    if (record === undefined || (after !== undefined && equalBytes(path, after))) continue;
    leaves.push({ path: path.slice(), hash: hasher.sha256(record) });
  }
  return leaves;
}
