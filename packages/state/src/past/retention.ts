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
  decodeTransaction,
  entityKey,
  Kind,
  type LedgerKey,
  PATH_BYTES,
  type PathHasher,
  tupleKey,
  twinOf,
} from "@authledger/proof";
import { forgetRemovedEntity } from "../record-indexes.js";
import { readU32, readU48, type Tables, transactionKey } from "../tables.js";
import { canonicalOfRow } from "../transaction-row.js";
import { bucketHistKey, leafHistKey } from "./history-rows.js";

/** Blocks that a vault keeps when its retention is compacted and nothing else is said (L-24). */
export const RETENTION_BLOCKS_DEFAULT = 10_000;

/** What a vault keeps: all blocks, or the newest ones. */
export type Retention =
  | { readonly kind: "full" }
  | { readonly kind: "compacted"; readonly blocks: number };

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

/** The oldest block that a vault of `size` blocks keeps by its retention. */
export function firstKept(retention: Retention, size: number): number {
  return retention.kind === "full" ? 0 : Math.max(0, size - retention.blocks);
}

/** Removes the transactions of a block and what it replaced; returns how many operations it had. */
export function removeBlock(tables: Tables, vault: PrunedVault, height: number): number {
  const transactions = transactionsOf(tables, vault.id, height);
  const buckets = new Uint8Array(BUCKETS);
  const path = new Uint8Array(PATH_BYTES);
  let operations = 0;
  transactions.forEach(({ ops }, index) => {
    for (const op of ops) {
      operations++;
      for (const key of changedKeys(op)) {
        vault.paths.pathInto(key, path, 0);
        buckets[path[0]!] = 1;
        removeReplaced(tables, leafHistKey(vault.id, path, height), key);
        if (key.kind === Kind.entity) {
          forgetRemovedEntity(tables, { vault: vault.id, height }, key.partition + key.item);
        }
      }
    }
    tables.transaction.delete(transactionKey(vault.id, height, index));
  });
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    if (buckets[bucket] === 1) tables.bucketHist.delete(bucketHistKey(vault.id, bucket, height));
  }
  return operations;
}

function removeReplaced(tables: Tables, row: Uint8Array, { kind }: LedgerKey): void {
  const isReplaced = tables.leafHist.delete(row);
  if (isReplaced && kind !== Kind.tupleBySubject) tables.valueHist.delete(row);
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
