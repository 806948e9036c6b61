/**
 * One vault's block of one entry: runs the transactions, then writes what they changed, the trie, the header
 * and the history (commitment.md, "What operations do", "Header").
 *
 *   INV-BLOCK-1  Each vault with at least one accepted transaction gets exactly one block per entry.
 *   INV-BLOCK-2  Rows, trie and header of a block belong to one batch of the page store.
 */
import {
  BlockExecutor,
  type CanonicalTransaction,
  checkRecordBytes,
  configHash,
  type ExecutionResult,
  encodeHeader,
  Kind,
  keyId,
  type LedgerKey,
  leafHash,
  type NetChange,
  NONCE_BYTES,
  PATH_BYTES,
  type StoredRecord,
  stateRoot,
  treeRoot,
  writeRecord,
} from "@authledger/proof";
import {
  assert,
  ByteWriter,
  compareBytes,
  HASH_BYTES,
  type Hasher,
  versionAt,
} from "@authledger/types";
import type { NoncedValue } from "./entry.js";
import type { OpenVault } from "./open-vault.js";
import { HISTORY_KEY_BYTES, keepLeaf } from "./past/history-rows.js";
import { updateIndexes } from "./record-indexes.js";
import { readU48, type Tables, transactionKey } from "./tables.js";
import { encodeTransactionRow, type TransactionRow } from "./transaction-row.js";
import { LEAF_KEY_BYTES, leafKeyBuffer, PATH_AT, recordOfRow } from "./trie/leaf-row.js";
import { countKind, noChange, type UsageChange } from "./usage.js";

/** Where a block stands in the log. */
export interface BlockPlace {
  readonly index: number;
  readonly term: number;
  readonly timeMs: number;
}

interface PathChange extends NetChange {
  readonly path: Uint8Array;
  /** The first bytes of the path as a number, to sort by. */
  readonly rank: number;
}

/** A block that was written. */
export interface BlockResult {
  readonly blockHash: Uint8Array;
  readonly leavesChanged: number;
  readonly usage: UsageChange;
}

const NO_HASH = new Uint8Array(HASH_BYTES);

export class BlockBuilder {
  readonly vault: OpenVault;
  readonly height: number;
  readonly #place: BlockPlace;
  readonly #tables: Tables;
  readonly #hasher: Hasher;
  readonly #executor: BlockExecutor;
  readonly #transactions: TransactionRow[] = [];
  /** Values of the keys that accepted transactions wrote last. */
  readonly #values = new Map<string, NoncedValue>();
  /** Paths of the keys that were read, by identity. */
  readonly #paths = new Map<LedgerKey, Uint8Array>();
  readonly #row = new ByteWriter(512);
  readonly #recordHash = new Uint8Array(HASH_BYTES);
  /** What the block adds to what the vault holds. */
  readonly #usage: UsageChange = noChange();

  constructor(vault: OpenVault, place: BlockPlace, tables: Tables, hasher: Hasher) {
    this.vault = vault;
    this.height = vault.size;
    this.#place = place;
    this.#tables = tables;
    this.#hasher = hasher;
    const source = {
      get: (key: LedgerKey) => {
        const path = vault.paths.path(key);
        this.#paths.set(key, path);
        return vault.record(key, path);
      },
    };
    const version = versionAt(vault.row.origin, this.height);
    this.#executor = new BlockExecutor(source, version, place.timeMs);
  }

  get transactionCount(): number {
    return this.#transactions.length;
  }

  /** Runs a transaction; an accepted one is in the block from now on. */
  run(
    transaction: CanonicalTransaction,
    canonical: Uint8Array,
    values: ReadonlyMap<string, NoncedValue>,
  ): ExecutionResult {
    assert(transaction.timestampMs === this.#place.timeMs, "a block has one time", {
      vault: this.vault.id,
    });
    const result = this.#executor.run(transaction);
    if (result.kind === "accepted") {
      this.#transactions.push({ statuses: result.statuses, canonical });
      for (const [key, value] of values) this.#values.set(key, value);
    }
    return result;
  }

  /** The value of a key that the transactions so far left, or that was there before them. */
  value(key: LedgerKey): NoncedValue | undefined {
    const written = this.#values.get(keyId(key));
    if (written !== undefined) return written;
    const row = this.vault.value(this.vault.paths.path(key));
    return row && { nonce: row.slice(0, NONCE_BYTES), value: row.slice(NONCE_BYTES) };
  }

  /** Writes the block. */
  finish(): BlockResult {
    const changes = this.#executor.netChanges().map((change) => this.#locate(change));
    changes.sort((a, b) => a.rank - b.rank || compareBytes(a.path, b.path));
    this.#updateTrie(changes);
    this.#writeTransactions();
    this.vault.append(this.#header(changes));
    const { blockHash } = this.vault.tip;
    return { blockHash, leavesChanged: changes.length, usage: this.#usage };
  }

  #locate({ key, before, after }: NetChange): PathChange {
    const path = this.#paths.get(key) ?? this.vault.paths.path(key);
    return { key, before, after, path, rank: readU48(path, 0) };
  }

  #writeLeaf({ key, path, before, after }: PathChange): void {
    const { leaf, value } = this.#tables;
    const { vault } = this;
    // Nobody asks for a state before genesis.
    if (before !== undefined && this.height > 0) this.#keep(key, path, before);
    if (after === undefined) {
      countKind(this.#usage, key.kind, -1);
      leaf.delete(vault.rowKey(path));
      if (before?.value !== undefined && key.kind !== Kind.tupleBySubject) {
        value.delete(vault.rowKey(path));
      }
      return;
    }
    const replaced = leaf.put(vault.rowKey(path), this.#leafRow(key, path, after));
    assert(replaced === (before !== undefined), "both directions of a tuple agree (INV-EXEC-3)");
    if (!replaced) countKind(this.#usage, key.kind, 1);
    this.#writeValue(key, path, before?.value !== undefined, after.value !== undefined);
  }

  /** Keeps what the block replaces or removes, for readers of older heights. */
  #keep(key: LedgerKey, path: Uint8Array, before: StoredRecord): void {
    const { vault, height } = this;
    this.#row.clear();
    writeRecord(this.#row, key, before);
    const hasValue = before.value !== undefined && key.kind !== Kind.tupleBySubject;
    const value = hasValue ? this.#tables.value.get(vault.rowKey(path))?.slice() : undefined;
    keepLeaf(this.#tables, { vault: vault.id, path, height }, this.#row.view(), value);
    // The record was a leaf row, with a hash in front of it, and its value a row beside it.
    this.#usage.liveBytes -= LEAF_KEY_BYTES + HASH_BYTES + this.#row.length;
    this.#usage.historyBytes += HISTORY_KEY_BYTES + this.#row.length;
    if (value === undefined) return;
    this.#usage.liveBytes -= LEAF_KEY_BYTES + value.length;
    this.#usage.historyBytes += HISTORY_KEY_BYTES + value.length;
  }

  /** Leaf hash and record, in a buffer that the next call reuses. */
  #leafRow(key: LedgerKey, path: Uint8Array, record: StoredRecord): Uint8Array {
    const row = this.#row;
    row.clear();
    writeRecord(row.bytes(NO_HASH), key, record);
    checkRecordBytes(row.length - HASH_BYTES);
    const bytes = row.view();
    this.#usage.liveBytes += LEAF_KEY_BYTES + bytes.length;
    this.vault.records.hashInto(recordOfRow(bytes), this.#recordHash, 0);
    this.vault.leaves.leafInto(path, this.#recordHash, bytes, 0);
    return bytes;
  }

  /** A tuple's condition lies with its authoritative direction. */
  #writeValue(key: LedgerKey, path: Uint8Array, had: boolean, has: boolean): void {
    if (key.kind === Kind.tupleBySubject) return;
    const { value } = this.#tables;
    if (!has) {
      if (had) value.delete(this.vault.rowKey(path));
      return;
    }
    const nonced = this.#values.get(keyId(key));
    assert(nonced !== undefined, "the entry carries the value that it commits to");
    const row = new Uint8Array(nonced.nonce.length + nonced.value.length);
    row.set(nonced.nonce);
    row.set(nonced.value, nonced.nonce.length);
    value.put(this.vault.rowKey(path), row);
    this.#usage.liveBytes += LEAF_KEY_BYTES + row.length;
  }

  #updateTrie(changes: readonly PathChange[]): void {
    const count = changes.length;
    const paths = new Uint8Array(count * PATH_BYTES);
    const deltas = new Int8Array(count);
    changes.forEach(({ path, before, after }, i) => {
      paths.set(path, i * PATH_BYTES);
      deltas[i] = (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
    });
    const place = { vault: this.vault.id, height: this.height };
    const writeLeaves = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        const change = changes[i]!;
        this.#writeLeaf(change);
        updateIndexes(this.#tables, place, change.path, change);
      }
    };
    this.vault.trie.update(this.height, { count, paths, deltas, writeLeaves });
  }

  #writeTransactions(): void {
    this.#transactions.forEach((row, i) => {
      const key = transactionKey(this.vault.id, this.height, i);
      const bytes = encodeTransactionRow(row);
      this.#tables.transaction.put(key, bytes);
      this.#usage.historyBytes += key.length + bytes.length;
    });
  }

  #header(changes: readonly PathChange[]): Uint8Array {
    const { vault } = this;
    const hashes = this.#transactions.map(({ canonical }) => leafHash(this.#hasher, canonical));
    const { trie } = vault;
    return encodeHeader({
      bothDirections: true,
      vaultRef: vault.vaultRef,
      height: this.height,
      timestampMs: this.#place.timeMs,
      term: this.#place.term,
      index: this.#place.index,
      transactionCount: hashes.length,
      transactionRoot: treeRoot(this.#hasher, hashes),
      previousHash: vault.previousHash,
      historyRoot: vault.history.root(),
      stateRoot: stateRoot(this.#hasher, vault.vaultRef, trie.total, trie.top()),
      leafCount: trie.total,
      configHash: this.#configHash(changes),
    });
  }

  /** As before, unless the block set a record of the partition "ledger". */
  #configHash(changes: readonly PathChange[]): Uint8Array {
    const { vault } = this;
    const isTouched = changes.some(
      ({ key }) => key.kind === Kind.ledgerRecord && key.partition === "ledger",
    );
    if (!isTouched && vault.configHash !== undefined) return vault.configHash;
    const prefix = vault.paths.listPrefix(Kind.ledgerRecord, "ledger");
    const from = leafKeyBuffer(vault.id);
    from.set(prefix, PATH_AT);
    const hashes: Uint8Array[] = [];
    const cursor = this.#tables.leaf.cursor();
    for (let ok = cursor.seek(from); ok; ok = cursor.next()) {
      if (compareBytes(cursor.key.subarray(0, 20), from.subarray(0, 20)) !== 0) break;
      hashes.push(vault.records.hash(recordOfRow(cursor.value)));
    }
    return configHash(this.#hasher, hashes);
  }
}
