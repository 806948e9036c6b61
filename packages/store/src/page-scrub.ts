/**
 * Reads the pages of the newest state from the file, past the cache, a few at a time: what the cache holds is
 * served without being read again, so rot under it would show only after the next start.
 *
 * The place is a key, since trees change between steps. Pages that no flush has written yet are left out.
 */
import type { DiskFile } from "@authledger/io";
import { toHex } from "@authledger/types";
import type { Checksum } from "./format/checksum.js";
import { isSealed, OVERFLOW_REFERENCE, POINTER_SUM_AT } from "./format/pointer.js";
import { u64Of } from "./format/records.js";
import { SCRUB_PAGES_STEP } from "./limits.js";
import { FrameState, type Slab } from "./memory/page-cache.js";
import type { Pager } from "./memory/pager.js";
import { childIndex, pointerAt } from "./tree/branch-page.js";
import { hasReference, referenceAt } from "./tree/leaf-page.js";
import { cellCount, keyAt, payloadAt } from "./tree/slotted-page.js";
import type { Tree } from "./tree/tree.js";

export interface PageScrubDeps {
  readonly pager: Pager;
  readonly file: DiskFile;
  readonly checksum: Checksum;
  readonly tables: readonly Tree[];
}

/** A page that is not what its parent says, and where in its table. */
export interface PageFinding {
  readonly page: number;
  readonly table: string;
  /** A key that leads to it, as hex digits. */
  readonly key: string;
  readonly what: string;
}

export class PageScrub {
  readonly #deps: PageScrubDeps;
  #table = 0;
  #key: Uint8Array = new Uint8Array(0);
  /** Pages read so far. */
  pages = 0;

  constructor(deps: PageScrubDeps) {
    this.#deps = deps;
  }

  /** Reads up to 32 leaves under one parent; undefined behind the last table. @throws LedgerError STORE_PAGE_CORRUPT on the way down */
  step(): readonly PageFinding[] | undefined {
    const tree = this.#deps.tables[this.#table];
    if (tree === undefined) return undefined;
    const findings: PageFinding[] = [];
    const next = this.#walk(tree, findings);
    this.#key = next ?? new Uint8Array(0);
    if (next === undefined) this.#table++;
    return findings;
  }

  /** The key of the first leaf that was not looked at. */
  #walk(tree: Tree, findings: PageFinding[]): Uint8Array | undefined {
    const { pager } = this.#deps;
    const { root, levels } = tree.state;
    if (root === undefined) return undefined;
    // The way down is read again only where the key is new: once for each parent of leaves.
    if (root.sum !== undefined) this.#read(tree, root.page, root.sum, findings);
    let frame = pager.node(root.page, root.sum, tree.id);
    let next: Uint8Array | undefined;
    for (let level = levels - 1; level > 0; level--) {
      const slab = pager.cache.slab(frame);
      const base = pager.cache.base(frame);
      const index = childIndex(slab, base, pager.pageBytes, this.#key);
      const last =
        level > 1 ? index : Math.min(index + SCRUB_PAGES_STEP, cellCount(slab, base)) - 1;
      for (let i = index; i <= last; i++)
        this.#child(tree, slab, pointerAt(slab, base, i), findings);
      if (last + 1 < cellCount(slab, base)) next = keyAt(slab, base, pager.pageBytes, last + 1);
      if (level > 1) frame = pager.child(slab, pointerAt(slab, base, index), tree.id);
    }
    return next;
  }

  #child(tree: Tree, slab: Slab, at: number, findings: PageFinding[]): void {
    if (!isSealed(slab.view, at)) return;
    const page = slab.view.getUint32(at, true);
    this.#read(tree, page, slab.view.getBigUint64(at + POINTER_SUM_AT, true), findings);
  }

  #read(tree: Tree, page: number, sum: bigint, findings: PageFinding[]): void {
    const { pager, file, checksum } = this.#deps;
    const frame = pager.cache.peek(page);
    // A sealed page of the running flush may not be in the file yet.
    if (frame >= 0 && pager.cache.state[frame] !== FrameState.CLEAN) return;
    this.pages++;
    const bytes = new Uint8Array(pager.pageBytes);
    const length = file.readSync(bytes, page * pager.pageBytes);
    if (length !== bytes.length || checksum.of(bytes) !== sum) {
      const what = "its checksum does not match its parent's";
      findings.push({ page, table: tree.name, key: toHex(this.#key), what });
      return;
    }
    this.#values(tree, { bytes, view: new DataView(bytes.buffer) }, findings);
  }

  #values(tree: Tree, slab: Slab, findings: PageFinding[]): void {
    const { file, checksum, pager } = this.#deps;
    if (slab.bytes[1] !== 0) return;
    for (let i = 0; i < cellCount(slab, 0); i++) {
      const at = payloadAt(slab, 0, i);
      if (!hasReference(slab, at)) continue;
      const { page, length, sum } = OVERFLOW_REFERENCE.read(slab.bytes, referenceAt(at));
      const bytes = new Uint8Array(length);
      const read = file.readSync(bytes, page * pager.pageBytes);
      if (read === length && checksum.of(bytes) === u64Of(sum)) continue;
      const what = "the checksum of a value does not match its leaf's";
      findings.push({
        page,
        table: tree.name,
        key: toHex(keyAt(slab, 0, pager.pageBytes, i)),
        what,
      });
    }
  }
}
