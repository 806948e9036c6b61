/**
 * A transaction as it is stored: what its operations did, then its canonical bytes.
 *
 *     u16 n || n x u8 status || LVT1
 *
 * The statuses follow from the state before the block, which is gone when somebody asks years later what changed;
 * they are no part of what is hashed.
 */
import { ByteWriter, OperationStatus } from "@authledger/types";

const NAMES: readonly OperationStatus[] = Object.entries(OperationStatus).reduce<OperationStatus[]>(
  (names, [name, number]) => {
    names[number] = name as OperationStatus;
    return names;
  },
  [],
);

/** What is in a row, as views of it. */
export interface TransactionRow {
  readonly statuses: readonly OperationStatus[];
  readonly canonical: Uint8Array;
}

const rowWriter = new ByteWriter(1_024);

/** A view, valid until the next call. */
export function encodeTransactionRow({ statuses, canonical }: TransactionRow): Uint8Array {
  const out = rowWriter.clear().u16(statuses.length);
  for (const status of statuses) out.u8(OperationStatus[status]);
  return out.bytes(canonical).view();
}

/** The bytes that are hashed, as a view of the row. */
export function canonicalOfRow(row: Uint8Array): Uint8Array {
  return row.subarray(2 + countOf(row));
}

export function decodeTransactionRow(row: Uint8Array): TransactionRow {
  const count = countOf(row);
  const statuses = Array.from(row.subarray(2, 2 + count), (number) => NAMES[number]!);
  return { statuses, canonical: row.subarray(2 + count) };
}

function countOf(row: Uint8Array): number {
  return (row[0]! << 8) | row[1]!;
}
