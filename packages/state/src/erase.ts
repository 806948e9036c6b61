/**
 * Erases what a record held in the past (docs/adr/0022-erasure-keeps-digests.md): each earlier value under a path is
 * replaced by the time of its erasure. Its record stays, with length and digest, so proofs, state roots and block hashes
 * are what they were; the nonce in front of the value goes with it, so nobody can test guesses against the digest.
 *
 *   INV-ERASE-1  An erasure changes rows of value_hist and hashes of remembered requests alone: no leaf, no history record, no
 *                transaction, no block but the one of the system vault that says who erased, when and why.
 *
 * What is stored now is not touched: it is deleted first, by an ordinary transaction.
 */
import { decodeRecord, NONCE_BYTES, PATH_BYTES } from "@authledger/proof";
import { compareBytes, versionAt } from "@authledger/types";
import { MARK_BYTES } from "./erased-value.js";
import { RememberedPayloads } from "./forget-payloads.js";
import type { OpenVault } from "./open-vault.js";
import { heightOfLeafKey, leafHistKey } from "./past/history-rows.js";
import { type Tables, writeU48 } from "./tables.js";

/** Versions of one entry: some 10 ms. */
export const ERASE_VERSIONS_MAX = 1_000;

/** Remembered requests that one entry looks at, but for those of one block more. */
const REQUESTS_LOOKED_MAX = 4_000;

const PREFIX_BYTES = 4 + PATH_BYTES;
/** Behind every height that a block has. */
const FIRST_HEIGHT = Number.MAX_SAFE_INTEGER;

type ErasureTables = Pick<
  Tables,
  "valueHist" | "leafHist" | "idempotency" | "idempotencyAge" | "transaction"
>;
type ErasureVault = Pick<OpenVault, "id" | "header" | "row">;

/** What one step erased. */
export interface Erasure {
  readonly erased: number;
  /** Bytes that the rows have less. */
  readonly bytes: number;
  /** Nothing under the path is left to erase. */
  readonly isDone: boolean;
}

/** Erases earlier values under a path, the newest first, `ERASE_VERSIONS_MAX` at most. */
export function eraseValues(
  tables: ErasureTables,
  vault: ErasureVault,
  { path, timeMs }: { readonly path: Uint8Array; readonly timeMs: number },
): Erasure {
  const { keys, isAll } = keptValues(tables, vault.id, path);
  const mark = new Uint8Array(MARK_BYTES);
  writeU48(mark, 0, timeMs);
  const payloads = new RememberedPayloads(tables, vault);
  let bytes = 0;
  let erased = 0;
  for (const key of keys) {
    if (payloads.looked > REQUESTS_LOOKED_MAX) break;
    forgetRequests(tables, vault, key, payloads);
    bytes += tables.valueHist.valueLength(key)! - MARK_BYTES;
    tables.valueHist.put(key, mark);
    erased++;
  }
  return { erased, bytes, isDone: isAll && erased === keys.length };
}

/** Keys of rows that have their values, the newest first. */
function keptValues(
  { valueHist }: ErasureTables,
  vault: number,
  path: Uint8Array,
): { readonly keys: readonly Uint8Array[]; readonly isAll: boolean } {
  const keys: Uint8Array[] = [];
  const start = leafHistKey(vault, path, FIRST_HEIGHT);
  const cursor = valueHist.cursor();
  for (let ok = cursor.seek(start); ok; ok = cursor.next()) {
    const { key } = cursor;
    if (compareBytes(key.subarray(0, PREFIX_BYTES), start.subarray(0, PREFIX_BYTES)) !== 0) break;
    if (cursor.valueLength < NONCE_BYTES) continue;
    if (keys.length === ERASE_VERSIONS_MAX) return { keys, isAll: false };
    keys.push(key.slice());
  }
  return { keys, isAll: true };
}

/** Of the block that set a value, and of the one that replaced it: either may have been told of it. */
function forgetRequests(
  { leafHist }: ErasureTables,
  { row }: ErasureVault,
  historyKey: Uint8Array,
  payloads: RememberedPayloads,
): void {
  const record = decodeRecord(leafHist.get(historyKey)!.slice());
  const setAt = Number(record.version) - versionAt(row.origin, 0);
  // Of what a restore brought in, no request is remembered.
  if (setAt >= 0) payloads.forget(setAt, record.key);
  payloads.forget(heightOfLeafKey(historyKey), record.key);
}
