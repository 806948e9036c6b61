/**
 * What the frames of a replica's snapshot hold (docs/format/replica-snapshot.md): every table of the page store, row
 * by row, with the place in the log that they stand for.
 *
 *     stream = "ALREPL1\n" || head || rows* || end
 *
 * Frames and their checks are those of snapshot/frames.ts. Keys ascend within a table and tables by their ids, so
 * every key is written as what it does not share with the one before it.
 */
import { ByteReader, ByteWriter, defineLayout, type Layout, LedgerError } from "@authledger/types";
import { corruptAt, FRAME_BYTES } from "../snapshot/frames.js";

/** Also the version of the format: another one has another magic. */
export const REPLICA_MAGIC: Uint8Array = new TextEncoder().encode("ALREPL1\n");

export const ReplicaFrame = { head: 1, rows: 2, end: 3 } as const;

/** Members with their names and addresses: hundreds of bytes each. */
const CONFIGURATION_BYTES_MAX: number = 256 * 1024;

const HEAD_FIELDS = [
  { name: "cluster", type: "bytes", size: 16, doc: "id of the cluster" },
  { name: "group", type: "u32", doc: "the group" },
  { name: "index", type: "u64", doc: "the last log entry that is in the state" },
  { name: "term", type: "u64", doc: "its term" },
  { name: "configIndex", type: "u64", doc: "the last configuration entry that is in the state" },
  { name: "leaderTimeMs", type: "u64", doc: "time of the last entry that has one" },
  { name: "digest", type: "bytes", size: 32, doc: "group digest at the index" },
  { name: "rows", type: "u64", doc: "rows of all tables" },
  { name: "configuration", type: "u32", doc: "bytes of the configuration, which follows" },
  { name: "tables", type: "u16", doc: "tables, which follow the configuration" },
] as const;
export const REPLICA_HEAD: Layout<typeof HEAD_FIELDS> = defineLayout("replica head", HEAD_FIELDS, {
  littleEndian: false,
});

const END_FIELDS = [
  { name: "rows", type: "u64", doc: "rows of all tables, counted" },
  { name: "bytes", type: "u64", doc: "bytes of the stream before this frame" },
  {
    name: "chain",
    type: "bytes",
    size: 32,
    doc: "SHA-256 chain over everything before this frame",
  },
] as const;
export const REPLICA_END: Layout<typeof END_FIELDS> = defineLayout("replica end", END_FIELDS, {
  littleEndian: false,
});

/** Which state a snapshot is of. */
export interface ReplicaHead {
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly group: number;
  readonly index: number;
  readonly term: number;
  readonly configIndex: number;
  readonly leaderTimeMs: number;
  readonly digest: Uint8Array;
  /** Opaque: who is a member at the index. */
  readonly configuration: Uint8Array;
}

export interface ReplicaTable {
  readonly id: number;
  readonly name: string;
  readonly rows: number;
}

/** A head as it is read. */
export interface ReplicaStart extends ReplicaHead {
  readonly rows: number;
  readonly tables: readonly ReplicaTable[];
}

export function encodeHead(
  cluster: Uint8Array,
  head: ReplicaHead,
  tables: readonly ReplicaTable[],
): Uint8Array {
  const { configuration } = head;
  const fixed = new Uint8Array(REPLICA_HEAD.size);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const counts = { rows, configuration: configuration.length, tables: tables.length };
  REPLICA_HEAD.write(fixed, { ...head, cluster, ...counts });
  const out = new ByteWriter().bytes(fixed).bytes(configuration);
  for (const table of tables) out.u16(table.id).u64(table.rows).lp16(table.name);
  return out.finish();
}

/** @throws LedgerError SNAPSHOT_CORRUPT */
export function decodeHead(
  payload: Uint8Array,
  offset: number,
): Omit<ReplicaStart, "clusterId"> & { readonly cluster: Uint8Array } {
  return decoding(offset, () => {
    const reader = new ByteReader(payload, "the head");
    const fixed = REPLICA_HEAD.read(reader.bytes(REPLICA_HEAD.size, "fields"));
    if (fixed.configuration > CONFIGURATION_BYTES_MAX) {
      throw corruptAt(offset, `a configuration of ${fixed.configuration} bytes`);
    }
    const configuration = reader.bytes(fixed.configuration, "configuration");
    const tables: ReplicaTable[] = [];
    for (let i = 0; i < fixed.tables; i++) {
      const id = reader.u16("table");
      const rows = reader.safeU64("rows");
      const name = reader.lp16("name");
      if (id <= (tables.at(-1)?.id ?? 0)) throw corruptAt(offset, `table ${id} is out of order`);
      tables.push({ id, name, rows });
    }
    reader.end();
    const sum = tables.reduce((rows, table) => rows + table.rows, 0);
    if (sum !== fixed.rows)
      throw corruptAt(offset, `the tables have ${sum} rows, not ${fixed.rows}`);
    return { ...fixed, configuration, tables };
  });
}

/** Gathers rows of one table until a frame is full. */
export class RowsWriter {
  readonly #out = new ByteWriter(FRAME_BYTES * 2);
  #before = new Uint8Array(0);

  get isFull(): boolean {
    return this.#out.length >= FRAME_BYTES;
  }

  get isEmpty(): boolean {
    return this.#out.length === 0;
  }

  add(table: number, key: Uint8Array, value: Uint8Array): void {
    const out = this.#out;
    if (out.length === 0) {
      out.u16(table);
      this.#before = new Uint8Array(0);
    }
    const shared = sharedBytes(this.#before, key);
    out
      .varint(shared)
      .varint(key.length - shared)
      .varint(value.length);
    out.bytes(key.subarray(shared)).bytes(value);
    // Not `slice` on what may be a Buffer: the view dies with the cursor's next step.
    this.#before = new Uint8Array(key);
  }

  /** The payload, good until the next `add`. */
  take(): Uint8Array {
    const payload = this.#out.view();
    this.#out.clear();
    return payload;
  }
}

/** A row of a frame; both are views, the key until the next row. */
export interface ReplicaRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** @throws LedgerError SNAPSHOT_CORRUPT */
export function* readRows(
  payload: Uint8Array,
  offset: number,
  begin: (table: number) => void,
): Generator<ReplicaRow> {
  const reader = new ByteReader(payload, "rows");
  const read = <T>(step: () => T): T => decoding(offset, step);
  begin(read(() => reader.u16("table")));
  let key: Uint8Array = new Uint8Array(0);
  while (reader.remaining > 0) {
    const before = key;
    const value = read(() => {
      const shared = reader.varint("shared");
      const rest = reader.varint("rest");
      const length = reader.varint("value length");
      if (shared > before.length) throw corruptAt(offset, "a key shares more than there is");
      const own = reader.bytes(rest, "key");
      key = new Uint8Array(shared + rest);
      key.set(before.subarray(0, shared));
      key.set(own, shared);
      return reader.bytes(length, "value");
    });
    yield { key, value };
  }
}

export interface ReplicaEnd {
  readonly rows: number;
  readonly bytes: number;
  readonly chain: Uint8Array;
}

export function encodeEnd(end: ReplicaEnd): Uint8Array {
  const out = new Uint8Array(REPLICA_END.size);
  REPLICA_END.write(out, end);
  return out;
}

/** @throws LedgerError SNAPSHOT_CORRUPT */
export function decodeEnd(payload: Uint8Array, offset: number): ReplicaEnd {
  if (payload.length !== REPLICA_END.size) throw corruptAt(offset, "the end has another length");
  return decoding(offset, () => REPLICA_END.read(payload));
}

function sharedBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return length;
}

/** What cannot be read is a damaged snapshot, wherever it was found. */
function decoding<T>(offset: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code, message } = LedgerError.from(error);
    throw code === "CODEC_DECODE" ? corruptAt(offset, message) : error;
  }
}
