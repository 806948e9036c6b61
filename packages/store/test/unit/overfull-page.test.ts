/** Splits and rebuilds without objects for cells make the pages that those with objects make. */
import type { SeededRandom } from "@authledger/io";
import { compareBytes, toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { POINTER_BYTES } from "../../src/format/pointer.js";
import { cellBytesMax } from "../../src/tree/leaf-page.js";
import { OverfullPage } from "../../src/tree/overfull-page.js";
import {
  buildPage,
  type Cell,
  cellsBytes,
  collectCells,
  cutPoint,
  type PagePlace,
} from "../../src/tree/page-cells.js";
import { SLOT_BYTES } from "../../src/tree/slotted-page.js";

const TREE = 9;

/** Not at the start of its slab, as most pages are not. */
function emptyPlace(pageBytes: number): PagePlace {
  const bytes = new Uint8Array(3 * pageBytes);
  return { slab: { bytes, view: new DataView(bytes.buffer) }, base: pageBytes, pageBytes };
}

function bytesOf({ slab, base, pageBytes }: PagePlace): string {
  return toHex(slab.bytes.subarray(base, base + pageBytes));
}

/** Keys with prefixes in common, some of them shorter than a head. */
function randomKey(random: SeededRandom, prefix: Uint8Array, bytesMax: number): Uint8Array {
  const tail = random.bytes(random.int(bytesMax - prefix.length) + 1).map((byte) => byte % 4);
  return Uint8Array.from([...prefix.subarray(0, random.int(prefix.length + 1)), ...tail]);
}

function randomPayload(random: SeededRandom, level: number, bytesMax: number): Uint8Array {
  if (level > 0) return random.bytes(POINTER_BYTES);
  const value = random.bytes(random.int(bytesMax));
  return Uint8Array.from([value.length & 0xff, value.length >> 8, ...value]);
}

/** Cells of a page in the order of their keys, and one that is not among them, which often does not fit any more. */
function randomCells(
  random: SeededRandom,
  level: number,
  pageBytes: number,
): { readonly cells: readonly Cell[]; readonly added: Cell; readonly index: number } {
  const cellMax = cellBytesMax(pageBytes);
  const keyMax = random.pick([6, 20, Math.min(60, cellMax >> 1)]);
  const valueMax = random.pick([1, 30, cellMax - SLOT_BYTES - 2 - keyMax]);
  const prefix = random.bytes(random.int(keyMax - 1)).map((byte) => byte % 2);
  const wanted = random.pick([4, 20, 1_000]);
  const least = level > 0 ? 1 : 0;
  let cells: Cell[] = [];
  for (let tries = 0; tries < 2 * wanted; tries++) {
    const key = randomKey(random, prefix, keyMax);
    let index = 0;
    while (index < cells.length && compareBytes(cells[index]!.key, key) < 0) index++;
    if (index < cells.length && compareBytes(cells[index]!.key, key) === 0) continue;
    const added = { key, payload: randomPayload(random, level, valueMax) };
    const more = cells.toSpliced(index, 0, added);
    const isFull = cellsBytes(more, 0, more.length, level > 0) > pageBytes;
    // The first cell of a branch has no key, so none comes in before it.
    const isEnough = isFull || cells.length >= wanted;
    if (isEnough && cells.length >= 4 && index >= least) return { cells, added, index };
    if (!isFull) cells = more;
  }
  return randomCells(random, level, pageBytes);
}

describe.each([512, 4096])("a page of %i bytes and a cell that comes in", (pageBytes) => {
  test.each([0, 1])("are laid out at level %i as objects for the cells would be", (level) => {
    const random = testRandom(`overfull pages of ${pageBytes} bytes at level ${level}`);
    const overfull = new OverfullPage(pageBytes);
    const seen = { split: 0, rebuilt: 0 };
    for (let round = 0; round < testRounds(40); round++) {
      const { cells, added, index } = randomCells(random, level, pageBytes);
      const place = emptyPlace(pageBytes);
      buildPage(place, { tree: TREE, level }, cells, 0, cells.length);
      const all = collectCells(place);
      all.splice(index, 0, added);

      overfull.take(place, index, added.key, added.payload.length).bytes.set(added.payload);
      expect(overfull.count).toBe(all.length);
      const fits = cellsBytes(all, 0, all.length, level > 0) <= pageBytes;
      expect(overfull.fitsOne).toBe(fits);
      const cut = fits ? all.length : cutPoint(all, pageBytes, level > 0);
      if (!fits) expect(overfull.cutPoint()).toBe(cut);
      seen[fits ? "rebuilt" : "split"]++;
      for (const [from, to] of fits
        ? [[0, cut]]
        : [
            [0, cut],
            [cut, all.length],
          ]) {
        const expected = emptyPlace(pageBytes);
        const built = emptyPlace(pageBytes);
        buildPage(expected, { tree: TREE, level }, all, from!, to!);
        overfull.build(built, TREE, level, from!, to!);
        expect(bytesOf(built)).toBe(bytesOf(expected));
      }
      for (const [i, { key }] of all.entries()) expect(overfull.key(i)).toEqual(key);
    }
    expect(seen.split).toBeGreaterThan(0);
    expect(seen.rebuilt).toBeGreaterThan(0);
  });
});
