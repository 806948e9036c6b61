/** The tables as the scrubber reads them: all as of one moment. */
import type { Pin, Table, TableView } from "@authledger/store";
import { readU32 } from "../tables.js";

/** A table at the moment of a view. */
export type ScrubView = (table: Table) => TableView;

export function viewOf(pin: Pin): ScrubView {
  return (table) => pin.table(table.id);
}

/** Rows whose keys begin with `prefix`, in order. Key and value are views that hold until the next row. */
export function* rowsUnder(
  table: TableView,
  prefix: Uint8Array,
): Generator<{ readonly key: Uint8Array; readonly value: Uint8Array }> {
  const cursor = table.cursor();
  for (let ok = cursor.seek(prefix); ok; ok = cursor.next()) {
    const { key } = cursor;
    for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return;
    yield { key, value: cursor.value };
  }
}

/** The vault of the last row, -1 in an empty table: rows of vaults that do not exist sort behind all others. */
export function lastVault(table: TableView): number {
  const cursor = table.cursor();
  return cursor.last() ? readU32(cursor.key) : -1;
}
