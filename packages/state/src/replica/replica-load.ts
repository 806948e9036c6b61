/**
 * Loads a replica's snapshot into an empty page store, frame by frame.
 *
 *   INV-REPLICA-2  What is not whole is never given out: until `finish` the store holds a state of index 0, which is
 *                  nobody's.
 */
import type { AppliedState, PageStore, Table } from "@authledger/store";
import { compareBytes, equalBytes, LedgerError, toHex } from "@authledger/types";
import { corruptAt, type Frame } from "../snapshot/frames.js";
import {
  decodeEnd,
  decodeHead,
  ReplicaFrame,
  type ReplicaStart,
  type ReplicaTable,
  readRows,
} from "./replica-sections.js";

/** Which snapshot is expected; any other one is refused. */
export interface ExpectedReplica {
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly group: number;
  readonly index: number;
  readonly term: number;
}

const NO_HASH = new Uint8Array(32);

export class ReplicaLoad {
  readonly #store: PageStore;
  readonly #expected: ExpectedReplica;
  #start: ReplicaStart | undefined;
  #table: { readonly about: ReplicaTable; readonly rows: Table; loaded: number } | undefined;
  #next = 0;
  #lastKey: Uint8Array = new Uint8Array(0);
  #rows = 0;
  #isComplete = false;

  constructor(store: PageStore, expected: ExpectedReplica) {
    this.#store = store;
    this.#expected = expected;
  }

  /** What the snapshot says it is of; undefined before its first frame. */
  get start(): ReplicaStart | undefined {
    return this.#start;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Takes the next frame. @throws LedgerError SNAPSHOT_CORRUPT */
  take(frame: Frame): void {
    const { type, offset, payload } = frame;
    if (this.#isComplete) throw corruptAt(offset, "something follows the end");
    if ((this.#start === undefined) !== (type === ReplicaFrame.head)) {
      throw corruptAt(offset, "the head comes first, and once");
    }
    if (type === ReplicaFrame.head) this.#begin(payload, offset);
    else if (type === ReplicaFrame.rows) this.#take(payload, offset);
    else if (type === ReplicaFrame.end) this.#end(frame);
    else throw corruptAt(offset, `a frame of the unknown type ${type}`);
  }

  /** What a flush in between holds: nobody's state (INV-REPLICA-2). */
  prepareFlush(): AppliedState {
    return { index: 0, term: 0, configIndex: 0, leaderTimeMs: 0, digest: NO_HASH };
  }

  /**
   * The stream has ended: what the last flush must hold.
   * @throws LedgerError SNAPSHOT_CORRUPT when it was not all
   */
  finish(offset: number): AppliedState {
    if (!this.#isComplete) throw corruptAt(offset, "the stream has no end");
    const { index, term, configIndex, leaderTimeMs, digest } = this.#start!;
    return { index, term, configIndex, leaderTimeMs, digest };
  }

  #begin(payload: Uint8Array, offset: number): void {
    const { cluster, ...head } = decodeHead(payload, offset);
    const start: ReplicaStart = {
      ...head,
      clusterId: toHex(cluster),
      digest: head.digest.slice(),
      configuration: head.configuration.slice(),
    };
    for (const name of ["clusterId", "group", "index", "term"] as const) {
      if (start[name] === this.#expected[name]) continue;
      const why = `its ${name} is ${start[name]}, not ${this.#expected[name]}`;
      throw corruptAt(offset, why);
    }
    if (equalBytes(start.digest, NO_HASH)) throw corruptAt(offset, "it has no group digest");
    this.#start = start;
  }

  #take(payload: Uint8Array, offset: number): void {
    for (const { key, value } of readRows(payload, offset, (id) => this.#open(id, offset))) {
      const table = this.#table!;
      if (table.loaded > 0 && compareBytes(key, this.#lastKey) <= 0) {
        throw corruptAt(offset, `key ${toHex(key)} of table ${table.about.name} is out of order`);
      }
      if (table.loaded >= table.about.rows) {
        throw corruptAt(offset, `table ${table.about.name} has more rows than the head says`);
      }
      this.#put(table.rows, key, value, offset);
      this.#lastKey = key;
      table.loaded++;
      this.#rows++;
    }
  }

  #put(table: Table, key: Uint8Array, value: Uint8Array, offset: number): void {
    try {
      table.put(key, value);
    } catch (error) {
      const { code, message } = LedgerError.from(error);
      if (code !== "STORE_KEY_INVALID" && code !== "LIMIT_EXCEEDED") throw error;
      throw corruptAt(offset, message);
    }
  }

  /** The table that rows of a frame belong to: the present one, or a later one. */
  #open(id: number, offset: number): void {
    if (this.#table?.about.id === id) return;
    this.#closeTables(offset, id);
    const about = this.#start!.tables[this.#next];
    if (about?.id !== id) throw corruptAt(offset, `rows of table ${id} do not come here`);
    this.#table = { about, rows: this.#openTable(about, offset), loaded: 0 };
    this.#next++;
  }

  /** Everything before table `id` must be whole; empty tables have no frames. */
  #closeTables(offset: number, id: number): void {
    const { tables } = this.#start!;
    const open = this.#table;
    if (open !== undefined && open.loaded < open.about.rows) {
      const { name, rows } = open.about;
      throw corruptAt(offset, `table ${name} has ${open.loaded} rows, the head says ${rows}`);
    }
    for (; this.#next < tables.length && tables[this.#next]!.id < id; this.#next++) {
      const about = tables[this.#next]!;
      if (about.rows > 0) throw corruptAt(offset, `the rows of table ${about.name} are missing`);
      this.#openTable(about, offset);
    }
    this.#table = undefined;
  }

  #openTable({ id, name }: ReplicaTable, offset: number): Table {
    try {
      return this.#store.table(id, name);
    } catch (error) {
      throw corruptAt(offset, LedgerError.from(error).message);
    }
  }

  #end({ payload, offset, chain }: Frame): void {
    this.#closeTables(offset, Number.POSITIVE_INFINITY);
    const end = decodeEnd(payload, offset);
    if (end.rows !== this.#rows) {
      throw corruptAt(offset, `${this.#rows} rows came, the end counts ${end.rows}`);
    }
    if (end.bytes !== offset || !equalBytes(end.chain, chain)) {
      throw corruptAt(offset, "the end is of another stream");
    }
    this.#isComplete = true;
  }
}
