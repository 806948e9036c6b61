/**
 * The header of every page behind the superblocks.
 *
 * The accessors used on hot paths are in `tree/slotted-page.ts`, with literal offsets that a test compares
 * with this layout.
 */
import { defineLayout, type Layout } from "@authledger/types";

/** What a page holds. Overflow pages have no header: they are bytes of a value. */
export const PageType = { LEAF: 1, BRANCH: 2, CATALOG: 3, FREE_LIST: 4 } as const;
export type PageType = (typeof PageType)[keyof typeof PageType];

const FIELDS = [
  { name: "type", type: "u8", doc: "1 leaf, 2 branch, 3 catalog, 4 free list" },
  { name: "level", type: "u8", doc: "distance from the leaves; 0 for a leaf and for chains" },
  { name: "cells", type: "u16", doc: "cells of a tree page, records of a chain page" },
  { name: "page", type: "u48", doc: "its own number: finds misdirected reads and writes" },
  { name: "prefixBytes", type: "u16", doc: "length of the key prefix at the end of the page" },
  { name: "txid", type: "u64", doc: "generation that wrote it" },
  { name: "lower", type: "u16", doc: "end of the slots" },
  { name: "upper", type: "u16", doc: "start of the cells; they grow downwards" },
  { name: "nonce", type: "bytes", size: 12, doc: "for encryption; zero in plain files" },
  { name: "tree", type: "u16", doc: "table that it belongs to; 0 for chains" },
  { name: "garbage", type: "u16", doc: "bytes of removed cells between upper and the prefix" },
] as const;

export const PAGE_HEADER: Layout<typeof FIELDS> = defineLayout("page header", FIELDS, {
  littleEndian: true,
});
