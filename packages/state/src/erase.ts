/**
 * Erases what a record held in the past (docs/adr/0022-erasure-keeps-digests.md): each earlier value under a path is
 * replaced by the time of its erasure. Its record stays, with length and digest, so proofs, state roots and block hashes
 * are what they were; the nonce in front of the value goes with it, so nobody can test guesses against the digest.
 *
 *   INV-ERASE-1  An erasure changes rows of value_hist alone: no leaf, no history record, no transaction, no block but the
 *                one of the system vault that says who erased, when and why.
 *   INV-ERASE-2  Of an erased value no byte is left in the tables, and a read of it says that it was erased.
 *
 * What is stored now is not touched: it is deleted first, by an ordinary transaction.
 */
import { NONCE_BYTES, PATH_BYTES } from "@authledger/proof";
import { compareBytes, LedgerError } from "@authledger/types";
import { leafHistKey } from "./past/history-rows.js";
import type { StateView } from "./state-view.js";
import { readU48, type Tables, writeU48 } from "./tables.js";

/** Versions of one entry: some 10 ms. */
export const ERASE_VERSIONS_MAX = 1_000;

/** An erased value is the time at which it was erased: shorter than any nonce. */
const MARK_BYTES = 6;
const PREFIX_BYTES = 4 + PATH_BYTES;
/** Behind every height that a block has. */
const FIRST_HEIGHT = Number.MAX_SAFE_INTEGER;

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
  { valueHist }: Pick<Tables, "valueHist">,
  { vault, path, timeMs }: { vault: number; path: Uint8Array; timeMs: number },
): Erasure {
  const keys: Uint8Array[] = [];
  let bytes = 0;
  let isDone = true;
  const start = leafHistKey(vault, path, FIRST_HEIGHT);
  const cursor = valueHist.cursor();
  for (let ok = cursor.seek(start); ok; ok = cursor.next()) {
    const { key, value } = cursor;
    if (compareBytes(key.subarray(0, PREFIX_BYTES), start.subarray(0, PREFIX_BYTES)) !== 0) break;
    if (value.length < NONCE_BYTES) continue;
    if (keys.length === ERASE_VERSIONS_MAX) {
      isDone = false;
      break;
    }
    keys.push(key.slice());
    bytes += value.length - MARK_BYTES;
  }
  const mark = new Uint8Array(MARK_BYTES);
  writeU48(mark, 0, timeMs);
  for (const key of keys) valueHist.put(key, mark);
  return { erased: keys.length, bytes, isDone };
}

/** A row of value_hist whose value is still there. @throws LedgerError VALUE_ERASED */
export function requireValue(row: Uint8Array): Uint8Array {
  if (row.length >= NONCE_BYTES) return row;
  throw valueErased({ erasedAtMs: readU48(row, 0) });
}

/** VALUE_ERASED, which names what is known of the value. */
export function valueErased(about: {
  readonly erasedAtMs: number;
  readonly key?: string;
  readonly height?: number;
}): LedgerError {
  const { erasedAtMs, key, height } = about;
  const what = key === undefined ? "the value" : `the value of "${key}" as of block ${height}`;
  const message = `${what} was erased at ${erasedAtMs} (milliseconds since 1970); its digest is kept, and proofs of it stay valid`;
  return new LedgerError("VALUE_ERASED", message, { details: { ...about } });
}

/** What is left of a value beside its record: when it went. */
export interface ErasedValue {
  readonly erasedAtMs: number;
}

/** For reads that show what was there although the value is gone. */
export function valueUnlessErased(
  state: Pick<StateView, "value">,
  path: Uint8Array,
): Uint8Array | undefined | ErasedValue {
  try {
    return state.value(path);
  } catch (error) {
    if (error instanceof LedgerError && error.code === "VALUE_ERASED") {
      return { erasedAtMs: Number(error.details["erasedAtMs"]) };
    }
    throw error;
  }
}

export function isErased(stored: Uint8Array | undefined | ErasedValue): stored is ErasedValue {
  return stored !== undefined && "erasedAtMs" in stored;
}
