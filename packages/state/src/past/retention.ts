/**
 * How far back a vault can be read, and what is removed when it need not any more.
 *
 * A block is kept whole or not at all: its transactions, and what it replaced (history-rows.ts). The transactions say
 * which keys the block can have changed, so they are the index by which its history rows are found. Headers and the
 * nodes of the history tree are never removed: inclusion and consistency of every height stay provable, and so do
 * receipts that were taken before.
 *
 *   INV-RETENTION-1  The kept blocks are the newest ones, without a gap: the first transaction row says where they begin.
 *   INV-RETENTION-2  A removed block leaves no row but its header.
 */
import {
  BUCKETS,
  type CanonicalOp,
  type CanonicalTransaction,
  decodeHeader,
  decodeTransaction,
  entityKey,
  Kind,
  type LedgerKey,
  PATH_BYTES,
  type PathHasher,
  tupleKey,
  twinOf,
} from "@authledger/proof";
import type { Table } from "@authledger/store";
import { forgetRemovedEntity } from "../record-indexes.js";
import { readU32, readU48, type Tables, transactionKey, u32Key } from "../tables.js";
import { canonicalOfRow } from "../transaction-row.js";
import { bucketHistKey, leafHistKey } from "./history-rows.js";

/** What a vault keeps unless it is told otherwise: nothing is removed that nobody asked to be removed. */
export const KEEP_ALL = 0;

/** A vault as far as pruning needs it. */
interface PrunedVault {
  readonly id: number;
  readonly paths: PathHasher;
}

/** The oldest block that is kept whole; undefined in a vault without blocks. */
export function oldestBlock(tables: Tables, vault: number): number | undefined {
  const cursor = tables.transaction.cursor();
  if (!cursor.seek(transactionKey(vault, 0, 0))) return undefined;
  const { key } = cursor;
  return readU32(key) === vault ? readU48(key, 4) : undefined;
}

/** What one step of pruning did. */
export interface Pruning {
  readonly blocks: number;
  readonly operations: number;
  /** Of the rows removed, keys and values. */
  readonly bytes: number;
}

/**
 * Removes the oldest blocks that a vault of `size` blocks need not keep: at least one where there is one, and no more
 * than `blocksMax`, or until they had `operationsMax` operations.
 */
export function prune(
  tables: Tables,
  vault: PrunedVault & {
    readonly size: number;
    readonly row: { readonly retentionBlocks: number };
  },
  { blocksMax, operationsMax }: { readonly blocksMax: number; readonly operationsMax: number },
): Pruning {
  let [blocks, operations, bytes] = [0, 0, 0];
  const { retentionBlocks } = vault.row;
  if (retentionBlocks === KEEP_ALL) return { blocks, operations, bytes };
  const end = Math.max(0, vault.size - retentionBlocks);
  let height = oldestBlock(tables, vault.id) ?? end;
  while (height < end && blocks < blocksMax && operations < operationsMax) {
    const removed = removeBlock(tables, vault, height);
    operations += removed.operations;
    bytes += removed.bytes;
    height++;
    blocks++;
  }
  return { blocks, operations, bytes };
}

/** Does a vault hold blocks that its retention does not keep? Looks at two rows and opens nothing. */
export function isOverdue(
  tables: Tables,
  { id, retentionBlocks }: { readonly id: number; readonly retentionBlocks: number },
): boolean {
  if (retentionBlocks === KEEP_ALL) return false;
  const tip = tables.tip.get(u32Key(id));
  const oldest = oldestBlock(tables, id);
  if (tip === undefined || oldest === undefined) return false;
  return oldest <= decodeHeader(tip).height - retentionBlocks;
}

/** Removes the transactions of a block and what it replaced. */
function removeBlock(
  tables: Tables,
  vault: PrunedVault,
  height: number,
): { readonly operations: number; readonly bytes: number } {
  const transactions = transactionsOf(tables, vault.id, height);
  const buckets = new Uint8Array(BUCKETS);
  const path = new Uint8Array(PATH_BYTES);
  let [operations, bytes] = [0, 0];
  transactions.forEach(({ ops }, index) => {
    for (const op of ops) {
      operations++;
      for (const key of changedKeys(op)) {
        vault.paths.pathInto(key, path, 0);
        buckets[path[0]!] = 1;
        bytes += removeReplaced(tables, leafHistKey(vault.id, path, height), key);
        if (key.kind === Kind.entity) {
          forgetRemovedEntity(tables, { vault: vault.id, height }, key.partition + key.item);
        }
      }
    }
    bytes += remove(tables.transaction, transactionKey(vault.id, height, index));
  });
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    if (buckets[bucket] === 1) tables.bucketHist.delete(bucketHistKey(vault.id, bucket, height));
  }
  return { operations, bytes };
}

/** The bytes of the rows that are gone. */
function removeReplaced(tables: Tables, row: Uint8Array, { kind }: LedgerKey): number {
  const bytes = remove(tables.leafHist, row);
  const mayHaveValue = bytes > 0 && kind !== Kind.tupleBySubject;
  return mayHaveValue ? bytes + remove(tables.valueHist, row) : bytes;
}

function remove(table: Table, key: Uint8Array): number {
  const length = table.valueLength(key);
  if (length === undefined) return 0;
  table.delete(key);
  return key.length + length;
}

function transactionsOf(tables: Tables, vault: number, height: number): CanonicalTransaction[] {
  const cursor = tables.transaction.cursor();
  const transactions: CanonicalTransaction[] = [];
  for (let ok = cursor.seek(transactionKey(vault, height, 0)); ok; ok = cursor.next()) {
    const { key } = cursor;
    if (readU32(key) !== vault || readU48(key, 4) !== height) break;
    transactions.push(decodeTransaction(canonicalOfRow(cursor.value).slice()));
  }
  return transactions;
}

/** The keys that an operation can have changed. */
function changedKeys(op: CanonicalOp): readonly LedgerKey[] {
  switch (op.op) {
    case "create_tuple":
    case "delete_tuple":
    case "expire_tuple": {
      const key = tupleKey(op.tuple);
      return [key, twinOf(key)];
    }
    case "set_entity":
    case "delete_entity":
    case "expire_entity":
      return [entityKey(op.key)];
    case "set_record": {
      const { partition, group, item } = op;
      return [{ kind: Kind.ledgerRecord, partition, group, item }];
    }
    case "tuple_must_exist":
    case "tuple_must_not_exist":
    case "set_vault_head":
      return [];
  }
}
