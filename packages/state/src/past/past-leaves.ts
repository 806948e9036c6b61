/**
 * The leaves of a vault as of an older block: the leaf rows of today, overlaid with what later blocks replaced.
 *
 * The first change of a path after the height says what was there: its row holds the record before it. Where there is
 * no such change, the row of today counts. Either way the record was there at the height exactly when its version is
 * not above it; a later version means that a later block created it.
 */
import { PATH_BYTES } from "@authledger/proof";
import type { Cursor } from "@authledger/store";
import { compareBytes, HASH_BYTES } from "@authledger/types";
import { versionOf } from "../record-fields.js";
import type { LeafCursor } from "../state-view.js";
import { readU32, type Tables } from "../tables.js";
import { CurrentLeaves } from "../trie/current-leaves.js";
import { recordOfRow } from "../trie/leaf-row.js";
import { heightOfLeafKey, leafHistKey } from "./history-rows.js";

const PATH_AT = 4;
const PATH_END = PATH_AT + PATH_BYTES;
/** Changes of one path that are looked at one by one before the right one is sought. */
const STEPS_MAX = 4;
/** Below every row of a path: nothing changes above this height. */
const NO_HEIGHT = Number.MAX_SAFE_INTEGER;

export class PastLeaves implements LeafCursor {
  readonly #vault: number;
  readonly #height: number;
  readonly #version: number;
  readonly #leaves: CurrentLeaves;
  readonly #changes: Cursor;
  readonly #path = new Uint8Array(PATH_BYTES);
  #hasLeaf = false;
  #hasChange = false;
  /** The row of today is at the cursor's path. */
  #isLeafHere = false;
  /** The record before the first change after the height, at the cursor's path. */
  #replaced: Uint8Array | undefined;

  /** @param version of what the block of `height` changed: larger ones came later */
  constructor(
    tables: Pick<Tables, "leaf" | "leafHist">,
    vault: number,
    { height, version }: { readonly height: number; readonly version: number },
  ) {
    this.#vault = vault;
    this.#height = height;
    this.#version = version;
    this.#leaves = new CurrentLeaves(tables.leaf, vault);
    this.#changes = tables.leafHist.cursor();
  }

  seek(path: Uint8Array): boolean {
    this.#hasLeaf = this.#leaves.seek(path);
    this.#hasChange = this.#seekChange(leafHistKey(this.#vault, path, NO_HEIGHT));
    return this.#settle();
  }

  next(): boolean {
    if (this.#isLeafHere) this.#hasLeaf = this.#leaves.next();
    return this.#settle();
  }

  get path(): Uint8Array {
    return this.#path;
  }

  get record(): Uint8Array | undefined {
    const record = this.#replaced ?? (this.#isLeafHere ? recordOfRow(this.#leaves.row) : undefined);
    return record !== undefined && versionOf(record) <= this.#version ? record : undefined;
  }

  /** The leaf's hash where it lies in the row of today (a view). */
  get leafHash(): Uint8Array | undefined {
    return this.#replaced === undefined ? this.#leaves.row.subarray(0, HASH_BYTES) : undefined;
  }

  /** Goes to the lower of the two paths, and behind all changes of it. */
  #settle(): boolean {
    this.#replaced = undefined;
    this.#isLeafHere = false;
    if (!this.#hasLeaf && !this.#hasChange) return false;
    const order = this.#order();
    this.#path.set(order <= 0 ? this.#leaves.path : this.#changedPath());
    this.#isLeafHere = order <= 0;
    if (order >= 0) this.#takeChange();
    return true;
  }

  #order(): number {
    if (!this.#hasChange) return -1;
    if (!this.#hasLeaf) return 1;
    return compareBytes(this.#leaves.path, this.#changedPath());
  }

  #changedPath(): Uint8Array {
    return this.#changes.key.subarray(PATH_AT, PATH_END);
  }

  /** Keeps the oldest change above the height: rows of a path lie newest first. */
  #takeChange(): void {
    const cursor = this.#changes;
    for (let step = 0; this.#isChangeHere(); step++) {
      if (heightOfLeafKey(cursor.key) <= this.#height) break;
      if (step === STEPS_MAX) {
        cursor.seekBefore(leafHistKey(this.#vault, this.#path, this.#height));
        this.#replaced = cursor.value.slice();
        break;
      }
      this.#replaced = cursor.value.slice();
      this.#hasChange = cursor.next() && this.#isOurs();
    }
    if (!this.#isChangeHere()) return;
    this.#hasChange = this.#seekChange(leafHistKey(this.#vault, this.#path, 0));
  }

  #isChangeHere(): boolean {
    return this.#hasChange && compareBytes(this.#changedPath(), this.#path) === 0;
  }

  #seekChange(key: Uint8Array): boolean {
    return this.#changes.seek(key) && this.#isOurs();
  }

  #isOurs(): boolean {
    return readU32(this.#changes.key) === this.#vault;
  }
}
