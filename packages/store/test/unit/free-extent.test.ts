import { describe, expect, test } from "vitest";
import { decodeFreeList, FREE_RECORD, writeFreeExtent } from "../../src/format/records.js";

const EXTENTS = [
  { page: 0, pages: 0, freedBy: 0 },
  { page: 16, pages: 1, freedBy: 7 },
  { page: 0x8000_0001, pages: 0xffff_ffff, freedBy: 0x1_0000_0002 },
  { page: 2 ** 48 - 1, pages: 3, freedBy: 2 ** 48 - 1 },
];

describe("extents of the free list", () => {
  test("are written and read by hand as their layout says", () => {
    const byLayout = new Uint8Array(EXTENTS.length * FREE_RECORD.size);
    const byHand = new Uint8Array(byLayout.length);
    EXTENTS.forEach((extent, i) => {
      FREE_RECORD.write(byLayout, extent, i * FREE_RECORD.size);
      writeFreeExtent(new DataView(byHand.buffer), i * FREE_RECORD.size, extent);
    });
    expect(byHand).toEqual(byLayout);
    expect(decodeFreeList(byLayout)).toEqual(EXTENTS);
  });
});
