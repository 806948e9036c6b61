/**
 * The tuples of a resource in a relation, or of a subject: rows of one subtree, one after the other as they are taken, for
 * who decides and may stop at any of them. Lists for people come in pages (reader.ts).
 */
import { GROUP_BITS, type Kind, pathBehind } from "@authledger/proof";
import { ByteWriter, compareBytes } from "@authledger/types";
import { type ListedRecord, listedRecord } from "./record-fields.js";
import type { StateView } from "./state-view.js";

const PREFIX_BYTES = GROUP_BITS / 8;

export interface TupleRange {
  readonly kind: typeof Kind.tupleByResource | typeof Kind.tupleBySubject;
  /** The resource, or the subject. */
  readonly partition: string;
  readonly relation: string;
  /** Only items that begin with these bytes. */
  readonly start: Uint8Array;
  /** Only behind this path. */
  readonly after?: Uint8Array | undefined;
  /** What is past it counts as expired. */
  readonly timeMs: number;
  /** Called for each row that is looked at, wanted or not. @throws to end it */
  readonly look: () => void;
}

/** A tuple of the list: its item is the subject, or the resource. */
export interface TupleRow extends ListedRecord {
  /** A view, valid until the next row is taken. */
  readonly path: Uint8Array;
}

/** In the order of their paths. Good until the next `await`. */
export function* tupleRows(state: StateView, range: TupleRange): Generator<TupleRow, void> {
  const { kind, partition, relation, start, after, timeMs, look } = range;
  const head = new ByteWriter(128).u8(kind).lp16(partition).lp16(relation).finish();
  const prefix = state.paths.listPrefix(kind, partition, relation);
  const wanted = prefix.subarray(0, PREFIX_BYTES);
  const from = after === undefined ? prefix : pathBehind(after);
  if (from === undefined) return;
  const cursor = state.leafCursor();
  for (let ok = cursor.seek(from); ok; ok = cursor.next()) {
    const { path } = cursor;
    if (compareBytes(path.subarray(0, PREFIX_BYTES), wanted) !== 0) return;
    look();
    const { record } = cursor;
    const row = record && listedRecord(record, head, start, timeMs);
    if (row !== undefined) yield { ...row, path };
  }
}
