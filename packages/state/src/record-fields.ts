/** Fields of a record where they lie, without decoding it: `K || u64 version || u64 expires_at_ms || ...`. */
import { LedgerError } from "@authledger/types";
import { readU32 } from "./tables.js";

const VERSION_BYTES = 8;

/** The height of the block that last changed the record. */
export function versionOf(record: Uint8Array): number {
  let at = 1;
  for (let part = 0; part < 3; part++) at += 2 + ((record[at]! << 8) | record[at + 1]!);
  return readU32(record, at) * 2 ** 32 + readU32(record, at + 4);
}

/**
 * Is the record at `at` that of a key, and not expired at `timeMs`?
 * @throws LedgerError PATH_COLLISION when it is of another key
 */
export function isLiveAt(bytes: Uint8Array, at: number, key: Uint8Array, timeMs: number): boolean {
  for (let i = 0; i < key.length; i++) {
    if (bytes[at + i] !== key[i]) throw pathCollision();
  }
  const expiry = at + key.length + VERSION_BYTES;
  // Above 2^53 the sum is rounded, and later than any clock all the same.
  const expiresAtMs = readU32(bytes, expiry) * 2 ** 32 + readU32(bytes, expiry + 4);
  return expiresAtMs === 0 || expiresAtMs > timeMs;
}

export function pathCollision(): LedgerError {
  return new LedgerError("PATH_COLLISION", "another key has the same 384-bit path");
}
