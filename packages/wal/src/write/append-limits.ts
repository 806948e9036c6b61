/** What one append may hold, checked before anything happens. */
import { assert, HASH_BYTES, LedgerError, limits } from "@authledger/types";
import { recordBytes, SNAPSHOT_PAYLOAD, type WalRecord } from "../format/record.js";
import { BATCH_RECORDS_MAX, CONFIGURATION_BYTES_MAX } from "../limits.js";

/** Index, term and size are u48 on disk. */
const U48_MAX = 2 ** 48 - 1;

export interface AppendLimits {
  /** A batch takes no further append beyond this; one append may exceed it by one entry. */
  readonly batchBytesMax: number;
  /** What fits an empty segment. */
  readonly appendBytesMax: number;
}

/**
 * Bytes of the records in a batch.
 * @throws LedgerError WAL_ENTRY_TOO_LARGE, LIMIT_EXCEEDED
 */
export function measureAppend(records: readonly WalRecord[], allowed: AppendLimits): number {
  let bytes = 0;
  let largest = 0;
  for (const record of records) {
    checkFields(record);
    const size = recordBytes(record);
    bytes += size;
    largest = Math.max(largest, size);
    if (record.kind === "entry") checkEntry(record.payload.length, size, allowed);
  }
  const tooMany = records.length > BATCH_RECORDS_MAX;
  if (tooMany || bytes - largest > allowed.batchBytesMax || bytes > allowed.appendBytesMax) {
    const limit = Math.min(allowed.batchBytesMax, allowed.appendBytesMax);
    const message = `an append of ${records.length} records and ${bytes} bytes is over the limit of ${limit} bytes`;
    throw new LedgerError("LIMIT_EXCEEDED", message, { details: { field: "append", limit } });
  }
  return bytes;
}

function checkEntry(payload: number, size: number, allowed: AppendLimits): void {
  if (payload <= limits.ENTRY_BYTES_MAX && size <= allowed.appendBytesMax) return;
  const limit = Math.min(limits.ENTRY_BYTES_MAX, allowed.appendBytesMax);
  const message = `a log entry of ${payload} bytes is over the limit of ${limit}`;
  throw new LedgerError("WAL_ENTRY_TOO_LARGE", message, { details: { limit } });
}

/** Fields that could not be encoded later are bugs of the caller. */
function checkFields(record: WalRecord): void {
  if ("term" in record) checkU48(record.term);
  if (record.kind === "truncate") {
    assert(record.from >= 1, "entries count from 1", { from: record.from });
  } else if (record.kind === "signed") {
    checkU48(record.size);
    assert(record.root.length === HASH_BYTES, "a signed root is a hash");
    assert(Number.isSafeInteger(record.timeMs) && record.timeMs >= 0, "a time fits 53 bits");
  } else if (record.kind === "snapshot") {
    const bytes = record.configuration.length;
    checkU48(record.index);
    const uuidBytes = SNAPSHOT_PAYLOAD.offsetOf("restarts");
    assert(record.uuid.length === uuidBytes, "a snapshot's uuid has 16 bytes");
    assert(bytes <= CONFIGURATION_BYTES_MAX, "a snapshot's configuration is small", { bytes });
  }
}

function checkU48(value: number): void {
  assert(Number.isInteger(value) && value >= 0 && value <= U48_MAX, "it fits 48 bits", { value });
}
