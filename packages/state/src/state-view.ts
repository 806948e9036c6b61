/** What a state of a vault can be asked, be it the newest one (open-vault.ts) or that of an older block (past/vault-at.ts). */
import type { LedgerKey, LedgerRecord, PathHasher, TrieSource } from "@authledger/proof";
import type { LiveRecord } from "./record-fields.js";

/** Leaves of a vault in the order of their paths. */
export interface LeafCursor {
  /** Goes to the first path from `path` on; false at the end. */
  seek(path: Uint8Array): boolean;
  next(): boolean;
  /** A view, valid until the cursor moves. */
  readonly path: Uint8Array;
  /**
   * A view of the record, valid until the cursor moves. Undefined where the state has no leaf: a cursor stops also at
   * paths that have a record in another state, so that who reads can count what it costs.
   */
  readonly record: Uint8Array | undefined;
}

export interface StateView {
  /** Internal id of the vault. */
  readonly id: number;
  /** The block after which the vault is in this state. */
  readonly height: number;
  /** Over the records of the partition "ledger", as the header has it; undefined before genesis. */
  readonly configHash: Uint8Array | undefined;
  readonly paths: PathHasher;
  /** For proofs; good until the next `await`. */
  readonly trie: TrieSource;
  /**
   * The record under a key, expired or not.
   * @throws LedgerError PATH_COLLISION when another key has its path
   */
  record(key: LedgerKey, path?: Uint8Array): LedgerRecord | undefined;
  /** Is there a record that is not expired at `timeMs` under a key, given as canonical bytes with its path? */
  hasLive(key: Uint8Array, path: Uint8Array, timeMs: number): boolean;
  /** The same record without its key; undefined where there is none. */
  live(key: Uint8Array, path: Uint8Array, timeMs: number): LiveRecord | undefined;
  /** `nonce16 || value` of the record under a path, a view; undefined where it has none. */
  value(path: Uint8Array): Uint8Array | undefined;
  /** The leaves in the order of their paths. */
  leafCursor(): LeafCursor;
}
