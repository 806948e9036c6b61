/**
 * Writes a snapshot: a group as of one pin of its page store, vault by vault, as a stream of bytes
 * (docs/format/snapshot.md).
 *
 *   INV-SNAP-2  Everything comes from one pin: what is written meanwhile is not in it.
 *   INV-SNAP-3  Each step does a bounded amount of work and holds one frame; nothing is read ahead.
 *   INV-SNAP-4  No key is in it: neither log seed nor cosigning key nor page-token key is replicated state.
 *
 * Not in it, because it is made again from what is: leaf hashes, branches, the history tree, indexes and past
 * states. Nor are idempotency keys: a restored vault is another ledger, which has answered nobody yet.
 */
import { CompactRange, decodeHeader, leafHash } from "@authledger/proof";
import type { Cursor, Pin, Table, TableView } from "@authledger/store";
import { assert, type ByteWriter, equalBytes, type Hasher, toHex } from "@authledger/types";
import { unpack } from "msgpackr";
import {
  bucketKey,
  heightKey,
  readU32,
  readU48,
  type Tables,
  transactionKey,
  u32Key,
} from "../tables.js";
import { canonicalOfRow } from "../transaction-row.js";
import { leafKeyBuffer, recordOfRow } from "../trie/leaf-row.js";
import { FRAME_BYTES, FrameType, FrameWriter, SNAPSHOT_MAGIC } from "./frames.js";
import {
  encodeJson,
  encodeVault,
  type GroupSection,
  type RowFields,
  sectionBuffer,
  writeBlock,
  writeRecordSection,
} from "./sections.js";

/** Everything of a snapshot that is not in the tables. */
export type SnapshotSource = Omit<GroupSection, "organizations" | "vaults" | "records">;

/** The key of a client row: u32 vault || client id. */
const CLIENT_AT = 4;

export class SnapshotExport {
  readonly #pin: Pin;
  readonly #tables: Tables;
  readonly #hasher: Hasher;
  readonly #frames: FrameWriter;

  constructor(pin: Pin, tables: Tables, hasher: Hasher) {
    this.#pin = pin;
    this.#tables = tables;
    this.#hasher = hasher;
    this.#frames = new FrameWriter(hasher);
  }

  /** Records of all vaults, about what an import will count. */
  get records(): number {
    return this.#view(this.#tables.leaf).count;
  }

  /**
   * The stream, some 64 KiB at a step.
   * @throws LedgerError PIN_EXPIRED when the pin has ended meanwhile
   */
  *bytes(source: SnapshotSource): Generator<Uint8Array> {
    yield SNAPSHOT_MAGIC;
    const organization = this.#view(this.#tables.organization);
    const vault = this.#view(this.#tables.vault);
    const group: GroupSection = {
      ...source,
      organizations: organization.count,
      vaults: vault.count,
      records: this.records,
    };
    yield this.#frames.frame(FrameType.group, encodeJson(group));
    for (const { row } of rowsOf(organization)) {
      yield this.#frames.frame(FrameType.organization, encodeJson(row));
    }
    for (const { id, row } of rowsOf(vault)) yield* this.#vault(id, row);
    const end = encodeJson({ vaults: vault.count });
    yield this.#frames.frame(FrameType.end, end);
  }

  *#vault(id: number, { salt, ...row }: RowFields): Generator<Uint8Array> {
    const isEmpty = row["status"] === "deleting" || row["status"] === "deleted";
    const head = encodeVault({ row, salt: new Uint8Array(salt as Uint8Array), isEmpty });
    yield this.#frames.frame(FrameType.vault, head);
    if (isEmpty) return;
    const history = new CompactRange(this.#hasher);
    yield* this.#blocks(id, history);
    yield this.#frames.frame(FrameType.buckets, this.#buckets(id));
    const counted = { records: 0, clients: 0 };
    yield* this.#records(id, counted);
    yield* this.#clients(id, counted);
    const end = { blocks: history.size, ...counted, root: toHex(history.root()) };
    yield this.#frames.frame(FrameType.vaultEnd, encodeJson(end));
  }

  *#blocks(vault: number, history: CompactRange): Generator<Uint8Array> {
    const out = sectionBuffer();
    const headers = this.#view(this.#tables.header).cursor();
    const bodies = this.#view(this.#tables.transaction).cursor();
    let ok = headers.seek(heightKey(vault, 0));
    for (; ok && readU32(headers.key) === vault; ok = headers.next()) {
      const header = headers.value.slice();
      const { height, transactionCount } = decodeHeader(header);
      assert(height === history.size, "a vault has a header of every height", { vault, height });
      history.append(leafHash(this.#hasher, header));
      writeBlock(out, { header, transactions: bodiesOf(bodies, vault, height, transactionCount) });
      if (out.length >= FRAME_BYTES) yield this.#take(FrameType.blocks, out);
    }
    if (out.length > 0) yield this.#take(FrameType.blocks, out);
  }

  #buckets(vault: number): Uint8Array {
    const out = sectionBuffer();
    const cursor = this.#view(this.#tables.bucket).cursor();
    let ok = cursor.seek(bucketKey(vault, 0));
    for (; ok && readU32(cursor.key) === vault; ok = cursor.next()) {
      const { key, value } = cursor;
      if (readU32(value) > 0) out.u8(key[4]!).bytes(value.subarray(0, 4 + 32));
    }
    return out.finish();
  }

  *#records(vault: number, counted: { records: number }): Generator<Uint8Array> {
    const out = sectionBuffer();
    const leaves = this.#view(this.#tables.leaf).cursor();
    const values = this.#view(this.#tables.value).cursor();
    const start = leafKeyBuffer(vault);
    // Both tables have the vault's paths in one order, and fewer values than leaves: they are walked side by side.
    let hasValue = values.seek(start);
    let ok = leaves.seek(start);
    for (; ok && readU32(leaves.key) === vault; ok = leaves.next()) {
      const isOfLeaf = hasValue && equalBytes(values.key, leaves.key);
      const record = recordOfRow(leaves.value);
      writeRecordSection(out, { record, stored: isOfLeaf ? values.value : undefined });
      if (isOfLeaf) hasValue = values.next();
      counted.records++;
      if (out.length >= FRAME_BYTES) yield this.#take(FrameType.records, out);
    }
    if (out.length > 0) yield this.#take(FrameType.records, out);
  }

  *#clients(vault: number, counted: { clients: number }): Generator<Uint8Array> {
    const out = sectionBuffer();
    const cursor = this.#view(this.#tables.client).cursor();
    let ok = cursor.seek(u32Key(vault));
    for (; ok && readU32(cursor.key) === vault; ok = cursor.next()) {
      const id = cursor.key.subarray(CLIENT_AT);
      out.u16(id.length).bytes(id).bytes(cursor.value);
      counted.clients++;
      if (out.length >= FRAME_BYTES) yield this.#take(FrameType.clients, out);
    }
    if (out.length > 0) yield this.#take(FrameType.clients, out);
  }

  #take(type: FrameType, out: ByteWriter): Uint8Array {
    const frame = this.#frames.frame(type, out.view());
    out.clear();
    return frame;
  }

  #view(table: Table): TableView {
    return this.#pin.table(table.id);
  }
}

/** Rows of a table whose key is an id, in the order of the ids. */
function* rowsOf(view: TableView): Generator<{ readonly id: number; readonly row: RowFields }> {
  const cursor = view.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    yield { id: readU32(cursor.key), row: unpack(cursor.value) as RowFields };
  }
}

/** The transactions of a block; none where they are not retained. */
function bodiesOf(cursor: Cursor, vault: number, height: number, count: number): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let ok = cursor.seek(transactionKey(vault, height, 0));
  for (; ok && bodies.length < count; ok = cursor.next()) {
    const { key } = cursor;
    if (readU32(key) !== vault || readU48(key, 4) !== height) break;
    bodies.push(canonicalOfRow(cursor.value).slice());
  }
  assert(bodies.length === 0 || bodies.length === count, "a block's transactions stay together", {
    vault,
    height,
  });
  return bodies;
}
