/**
 * Rows of value_hist whose value was erased (erase.ts), as reads meet them.
 *
 *   INV-ERASE-2  Of an erased value no byte is left in the tables, and a read of it says that it was erased.
 */
import { NONCE_BYTES } from "@authledger/proof";
import { LedgerError } from "@authledger/types";
import type { StateView } from "./state-view.js";
import { readU48 } from "./tables.js";

/** An erased value is the time at which it was erased: shorter than any nonce. */
export const MARK_BYTES = 6;

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
