/** The leaves of a vault as they are now, in the order of their paths. */
import type { Cursor, Table } from "@authledger/store";
import type { LeafCursor } from "../state-view.js";
import { readU32 } from "../tables.js";
import { leafKeyBuffer, PATH_AT, recordOfRow } from "./leaf-row.js";

export class CurrentLeaves implements LeafCursor {
  readonly #vault: number;
  readonly #cursor: Cursor;
  readonly #key: Uint8Array;

  constructor(table: Table, vault: number) {
    this.#vault = vault;
    this.#cursor = table.cursor();
    this.#key = leafKeyBuffer(vault);
  }

  seek(path: Uint8Array): boolean {
    this.#key.set(path, PATH_AT);
    return this.#cursor.seek(this.#key) && this.#isOurs();
  }

  next(): boolean {
    return this.#cursor.next() && this.#isOurs();
  }

  get path(): Uint8Array {
    return this.#cursor.key.subarray(PATH_AT);
  }

  /** Leaf hash and record (a view). */
  get row(): Uint8Array {
    return this.#cursor.value;
  }

  get record(): Uint8Array {
    return recordOfRow(this.#cursor.value);
  }

  #isOurs(): boolean {
    return readU32(this.#cursor.key) === this.#vault;
  }
}
