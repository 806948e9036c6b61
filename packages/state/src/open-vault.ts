/**
 * One vault as it is in memory: its trie, its history's compact range, its newest header, and how its records
 * are found.
 */
import {
  type BlockHeader,
  blockHash,
  CompactRange,
  decodeHeader,
  decodeRecord,
  equalKeys,
  type LedgerKey,
  type LedgerRecord,
  leafHash,
  type NodeLookup,
  PathHasher,
  RecordHasher,
  TrieHasher,
  vaultRef,
} from "@authledger/proof";
import { assert, HASH_BYTES, type Hasher, LedgerError } from "@authledger/types";
import { oldestBlock } from "./past/retention.js";
import { VaultAt } from "./past/vault-at.js";
import { isLiveAt, type LiveRecord, liveRecordAt, pathCollision } from "./record-fields.js";
import type { LeafCursor, StateView } from "./state-view.js";
import { heightKey, historyKey, type Tables, u32Key } from "./tables.js";
import { CurrentLeaves } from "./trie/current-leaves.js";
import { leafKeyBuffer, PATH_AT, recordOfRow } from "./trie/leaf-row.js";
import { type TrieDeps, VaultTrie } from "./trie/vault-trie.js";
import type { VaultRow } from "./vault-rows.js";

/** The newest block of a vault. */
export interface VaultTip {
  readonly header: BlockHeader;
  readonly bytes: Uint8Array;
  readonly blockHash: Uint8Array;
}

export class OpenVault implements StateView {
  row: VaultRow;
  readonly vaultRef: Uint8Array;
  readonly paths: PathHasher;
  readonly records: RecordHasher;
  readonly leaves: TrieHasher;
  readonly trie: VaultTrie;
  readonly history: CompactRange;
  readonly #tables: Tables;
  readonly #hasher: Hasher;
  readonly #leafKey: Uint8Array;
  #tip: VaultTip | undefined;

  constructor(row: VaultRow, tables: Tables, trie: TrieDeps) {
    const { hasher } = trie;
    this.row = row;
    this.#tables = tables;
    this.#hasher = hasher;
    this.vaultRef = vaultRef(hasher, row.origin, row.salt);
    this.paths = new PathHasher(hasher, row.salt);
    this.records = new RecordHasher(hasher, row.salt);
    this.leaves = new TrieHasher(hasher);
    this.trie = new VaultTrie(row.id, row.salt, trie);
    this.#leafKey = leafKeyBuffer(row.id);
    const bytes = tables.tip.get(u32Key(row.id))?.slice();
    if (bytes !== undefined) this.#setTip(bytes);
    this.history = CompactRange.restore(hasher, this.size, this.historyNode);
  }

  get id(): number {
    return this.row.id;
  }

  /** Blocks of the vault: newest height + 1. */
  get size(): number {
    return this.#tip === undefined ? 0 : this.#tip.header.height + 1;
  }

  /** Of the newest block. */
  get height(): number {
    return this.size - 1;
  }

  /** The oldest block that is kept: its transactions, and the state after it and before it. */
  get oldest(): number {
    return oldestBlock(this.#tables, this.id) ?? this.size;
  }

  /** The newest block; there is one from the vault's creation on. */
  get tip(): VaultTip {
    assert(this.#tip !== undefined, "a vault has a genesis", { vault: this.id });
    return this.#tip;
  }

  /** Hash of the newest block, zeros before genesis. */
  get previousHash(): Uint8Array {
    return this.#tip?.blockHash ?? new Uint8Array(32);
  }

  get configHash(): Uint8Array | undefined {
    return this.#tip?.header.configHash;
  }

  #setTip(bytes: Uint8Array): void {
    this.#tip = {
      header: decodeHeader(bytes),
      bytes,
      blockHash: blockHash(this.#hasher, bytes),
    };
  }

  /** Appends a block: tip, header row and the nodes of the history tree that it completes. */
  append(bytes: Uint8Array): void {
    const { tip, header, history } = this.#tables;
    const height = this.size;
    this.#setTip(bytes);
    tip.put(u32Key(this.id), bytes);
    header.put(heightKey(this.id, height), bytes);
    for (const { level, index, hash } of this.history.append(this.tip.blockHash)) {
      // Leaves are hashed again from their headers.
      if (level > 0) history.put(historyKey(this.id, level, index), hash);
    }
  }

  /** A stored header. */
  header(height: number): Uint8Array | undefined {
    return this.#tables.header.get(heightKey(this.id, height))?.slice();
  }

  /** Nodes of the history tree, for proofs. */
  readonly historyNode: NodeLookup = (level, index) => {
    const bytes =
      level === 0
        ? this.#tables.header.get(heightKey(this.id, index))
        : this.#tables.history.get(historyKey(this.id, level, index));
    assert(bytes !== undefined, "complete subtrees of the history are stored", {
      vault: this.id,
      level,
      index,
    });
    return level === 0 ? leafHash(this.#hasher, bytes) : bytes.slice();
  };

  /** The key of a leaf or value row, in a buffer that the next call reuses. */
  rowKey(path: Uint8Array): Uint8Array {
    this.#leafKey.set(path, PATH_AT);
    return this.#leafKey;
  }

  /**
   * The vault as of a block, for reads and proofs. Good until the next `await`.
   * @throws LedgerError HEIGHT_NOT_REACHED above the newest block, HEIGHT_UNAVAILABLE below the oldest one that is kept
   */
  at(height: number): VaultAt {
    this.requireKept(height);
    return new VaultAt(this, this.#tables, this.#hasher, this.header(height)!);
  }

  /**
   * The vault before a block, for the proof of that block. Good until the next `await`.
   * @throws LedgerError as `at`, about the block itself
   */
  before(height: number): VaultAt {
    assert(height > 0, "there is nothing before genesis", { vault: this.id });
    this.requireKept(height);
    return new VaultAt(this, this.#tables, this.#hasher, this.header(height - 1)!);
  }

  /** The error of who asks for a height that is still to come. */
  notReached(height: number): LedgerError {
    const { height: newest } = this;
    const message = `there is no block ${height} yet; the newest is ${newest}`;
    return new LedgerError("HEIGHT_NOT_REACHED", message, { details: { height, newest } });
  }

  /** @throws LedgerError HEIGHT_NOT_REACHED, HEIGHT_UNAVAILABLE unless the block is kept */
  requireKept(height: number): void {
    const { height: newest, oldest } = this;
    if (height > newest) throw this.notReached(height);
    if (height >= oldest) return;
    const message = `block ${height} is not kept any more: heights ${oldest} to ${newest} can be read`;
    throw new LedgerError("HEIGHT_UNAVAILABLE", message, { details: { height, oldest, newest } });
  }

  /**
   * The record under a key, expired or not.
   * @throws LedgerError PATH_COLLISION when another key has its path
   */
  record(key: LedgerKey, path: Uint8Array = this.paths.path(key)): LedgerRecord | undefined {
    const record = this.recordAt(path);
    if (record === undefined || equalKeys(record.key, key)) return record;
    throw pathCollision();
  }

  /** The record whose leaf is at a path, expired or not. */
  recordAt(path: Uint8Array): LedgerRecord | undefined {
    const row = this.#tables.leaf.get(this.rowKey(path));
    return row && decodeRecord(recordOfRow(row).slice());
  }

  /**
   * Is there a record under a key that is not expired at `timeMs`? All that a check asks, so only key and expiry of
   * the record are looked at, where they lie.
   *
   * @param key canonical bytes of the key
   * @throws LedgerError PATH_COLLISION when another key has its path
   */
  hasLive(key: Uint8Array, path: Uint8Array, timeMs: number): boolean {
    const row = this.#tables.leaf.get(this.rowKey(path));
    return row !== undefined && isLiveAt(row, HASH_BYTES, key, timeMs);
  }

  /** The same record, without its key. @throws LedgerError PATH_COLLISION */
  live(key: Uint8Array, path: Uint8Array, timeMs: number): LiveRecord | undefined {
    const row = this.#tables.leaf.get(this.rowKey(path));
    return row && liveRecordAt(row, HASH_BYTES, key, timeMs);
  }

  /** `nonce16 || value` of the record under a path, a view. */
  value(path: Uint8Array): Uint8Array | undefined {
    return this.#tables.value.get(this.rowKey(path));
  }

  /** The leaves in the order of their paths. */
  leafCursor(): LeafCursor {
    return new CurrentLeaves(this.#tables.leaf, this.id);
  }
}
