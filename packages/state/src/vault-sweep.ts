/**
 * Removes the rows of a vault that is being deleted, some at a time. Rows of tries are written before the first sweep
 * (group-state.ts), so what a sweep finds depends on the entries alone (INV-STATE-1).
 *
 *   INV-SWEEP-1  Every table whose rows belong to vaults is swept: nothing of a deleted vault is left but its row, its
 *                slug and its entity in the system vault.
 *   INV-SWEEP-2  A sweep removes at most as many rows as its entry says.
 */
import { decodeRecord } from "@authledger/proof";
import type { Table } from "@authledger/store";
import { removeExpiry } from "./record-indexes.js";
import { readU32, type Tables, u32Key } from "./tables.js";
import { PATH_AT, recordOfRow } from "./trie/leaf-row.js";

/** Tables whose keys begin with the id of a vault. Leaves go first, while their records still say when they expire. */
function tablesOf(tables: Tables): readonly Table[] {
  const { leaf, value, branch, bucket, leafHist, bucketHist, valueHist, entity } = tables;
  const { transaction, history, header, tip, client, idempotency, idempotencyAge, policy } = tables;
  const { vaultUsage } = tables;
  return [
    ...[leaf, value, branch, bucket, leafHist, bucketHist, valueHist, entity],
    ...[transaction, history, header, tip, client, idempotency, idempotencyAge, policy, vaultUsage],
  ];
}

/** Removes at most `rowsMax` rows; nothing is left when it removed fewer. */
export function sweepVault(tables: Tables, vault: number, rowsMax: number): number {
  let removed = 0;
  for (const table of tablesOf(tables)) {
    if (removed === rowsMax) break;
    removed += sweepTable(tables, table, vault, rowsMax - removed);
  }
  return removed;
}

/** Is there a row of the vault left? */
export function hasRows(tables: Tables, vault: number): boolean {
  return tablesOf(tables).some((table) => {
    const cursor = table.cursor();
    return cursor.seek(u32Key(vault)) && readU32(cursor.key) === vault;
  });
}

function sweepTable(tables: Tables, table: Table, vault: number, rowsMax: number): number {
  const cursor = table.cursor();
  const expiring: { readonly path: Uint8Array; readonly record: Uint8Array }[] = [];
  let last: Uint8Array | undefined;
  let count = 0;
  for (let ok = cursor.seek(u32Key(vault)); ok && count < rowsMax; ok = cursor.next()) {
    const { key } = cursor;
    if (readU32(key) !== vault) break;
    count++;
    last = key.slice();
    if (table !== tables.leaf) continue;
    expiring.push({ path: last.subarray(PATH_AT), record: recordOfRow(cursor.value).slice() });
  }
  if (last === undefined) return 0;
  for (const { path, record } of expiring) removeExpiry(tables, vault, path, decodeRecord(record));
  return table.deleteRange(u32Key(vault), behind(last));
}

/** The first key behind another one. */
function behind(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
