/** Fields of a record where they lie, without decoding it: `K || u64 version || u64 expires_at_ms || u8 has_value ...`. */
import { assert, decodeUtf8, LedgerError } from "@authledger/types";
import { readU32 } from "./tables.js";

const VERSION_BYTES = 8;
const U64_BYTES = 8;

/** A record that has not expired, without its key. */
export interface LiveRecord {
  /** Of the block that last changed it. */
  readonly version: number;
  /** 0 = never. */
  readonly expiresAtMs: number;
  readonly hasValue: boolean;
}

/** One of a list, whose partition and group are those of the list. */
export interface ListedRecord extends LiveRecord {
  readonly item: string;
}

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

/**
 * The fields of the record at `at`, if it is not expired at `timeMs`.
 * @throws LedgerError PATH_COLLISION when it is of another key
 */
export function liveRecordAt(
  bytes: Uint8Array,
  at: number,
  key: Uint8Array,
  timeMs: number,
): LiveRecord | undefined {
  return isLiveAt(bytes, at, key, timeMs) ? fieldsAt(bytes, at + key.length) : undefined;
}

/**
 * A record of a list, if it is not expired at `timeMs`.
 * @param head `kind || lp16(partition) || lp16(group)`: a record of another list has no more than its hashed path in common
 * @param start what items that are wanted begin with
 */
export function listedRecord(
  record: Uint8Array,
  head: Uint8Array,
  start: Uint8Array,
  timeMs: number,
): ListedRecord | undefined {
  for (let i = 0; i < head.length; i++) if (record[i] !== head[i]) return undefined;
  const itemAt = head.length + 2;
  const end = itemAt + ((record[itemAt - 2]! << 8) | record[itemAt - 1]!);
  if (itemAt + start.length > end) return undefined;
  for (let i = 0; i < start.length; i++) if (record[itemAt + i] !== start[i]) return undefined;
  const fields = fieldsAt(record, end);
  if (fields.expiresAtMs !== 0 && fields.expiresAtMs <= timeMs) return undefined;
  const item = decodeUtf8(record.subarray(itemAt, end));
  assert(item !== undefined, "stored keys are well-formed text");
  return { item, ...fields };
}

function fieldsAt(bytes: Uint8Array, version: number): LiveRecord {
  const expiry = version + VERSION_BYTES;
  return {
    version: readU32(bytes, version) * 2 ** 32 + readU32(bytes, version + 4),
    expiresAtMs: readU32(bytes, expiry) * 2 ** 32 + readU32(bytes, expiry + 4),
    hasValue: bytes[expiry + U64_BYTES] === 1,
  };
}

export function pathCollision(): LedgerError {
  return new LedgerError("PATH_COLLISION", "another key has the same 384-bit path");
}
