/**
 * A chain of pages with records of one size: catalog and free list. Both are small beside the trees and are
 * written whole by each flush; the pointer to the next page carries its checksum, so the root's checksum in
 * the superblock covers the chain.
 *
 *     header (40) | pointer to the next page, or zero (24) | records
 */
import { LedgerError } from "@authledger/types";
import type { Checksum } from "./checksum.js";
import { PAGE_HEADER, type PageType } from "./page-header.js";
import { isSealed, POINTER, POINTER_BYTES, sealPointer, writeUnsealedPointer } from "./pointer.js";

const HEADER_BYTES = PAGE_HEADER.size;
const RECORDS_AT = HEADER_BYTES + POINTER_BYTES;

/** Where a chain begins: its first page and that page's checksum. */
export interface ChainRoot {
  readonly page: number;
  readonly sum: bigint;
}

/** A chain ready to be written, one buffer a page. */
export interface EncodedChain {
  readonly root: ChainRoot | undefined;
  readonly pages: readonly { readonly page: number; readonly bytes: Uint8Array }[];
}

/** How many pages `records` records of `recordBytes` need. */
export function chainPages(records: number, recordBytes: number, pageBytes: number): number {
  return Math.ceil(records / recordsPerPage(recordBytes, pageBytes));
}

/** Records of a chain page. */
export function recordsPerPage(recordBytes: number, pageBytes: number): number {
  return Math.floor((pageBytes - RECORDS_AT) / recordBytes);
}

export interface ChainContent {
  readonly type: PageType;
  /** Records, one after the other. */
  readonly records: Uint8Array;
  readonly recordBytes: number;
  /** Where it goes; at least as many pages as it needs, more stay empty at its end. */
  readonly pages: readonly number[];
  readonly pageBytes: number;
  readonly txid: number;
}

/** Encodes back to front, since each page holds the checksum of the next. */
export function encodeChain(content: ChainContent, checksum: Checksum): EncodedChain {
  const { pages, pageBytes, recordBytes, records } = content;
  const perPage = recordsPerPage(recordBytes, pageBytes) * recordBytes;
  const out: { page: number; bytes: Uint8Array }[] = [];
  let next: ChainRoot | undefined;
  for (let i = pages.length - 1; i >= 0; i--) {
    const page = pages[i]!;
    const bytes = encodePage(content, page, records.subarray(i * perPage, (i + 1) * perPage), next);
    next = { page, sum: checksum.of(bytes) };
    out.push({ page, bytes });
  }
  return { root: next, pages: out.reverse() };
}

function encodePage(
  content: ChainContent,
  page: number,
  records: Uint8Array,
  next: ChainRoot | undefined,
): Uint8Array {
  const bytes = new Uint8Array(content.pageBytes);
  PAGE_HEADER.write(bytes, {
    type: content.type,
    level: 0,
    cells: records.length / content.recordBytes,
    page,
    prefixBytes: 0,
    txid: content.txid,
    lower: RECORDS_AT + records.length,
    upper: content.pageBytes,
    nonce: new Uint8Array(12),
    tree: 0,
    garbage: 0,
  });
  if (next !== undefined) {
    const view = new DataView(bytes.buffer);
    writeUnsealedPointer(view, HEADER_BYTES, next.page);
    sealPointer(view, HEADER_BYTES, next.sum);
  }
  bytes.set(records, RECORDS_AT);
  return bytes;
}

export interface ChainReading {
  readonly type: PageType;
  readonly root: ChainRoot | undefined;
  readonly recordBytes: number;
  readonly pageBytes: number;
  /** No chain is longer than the file. */
  readonly pagesMax: number;
  /** For messages: "catalog" or "free list", and the file. */
  readonly what: string;
  /** Reads a page as it is, without looking at it. */
  readonly read: (page: number) => Uint8Array;
}

/** What a chain holds and the pages it lies in. */
export interface DecodedChain {
  readonly records: Uint8Array;
  readonly pages: readonly number[];
}

/** @throws LedgerError STORE_PAGE_CORRUPT naming the page that is wrong */
export function readChain(reading: ChainReading, checksum: Checksum): DecodedChain {
  const parts: Uint8Array[] = [];
  const pages: number[] = [];
  let next = reading.root;
  while (next !== undefined) {
    if (pages.length >= reading.pagesMax) throw corrupt(reading, next.page, "the chain has no end");
    const bytes = reading.read(next.page);
    checkPage(reading, next, bytes, checksum);
    pages.push(next.page);
    const header = PAGE_HEADER.read(bytes);
    parts.push(bytes.subarray(RECORDS_AT, RECORDS_AT + header.cells * reading.recordBytes));
    next = nextOf(bytes);
  }
  return { records: join(parts), pages };
}

function checkPage(
  reading: ChainReading,
  expected: ChainRoot,
  bytes: Uint8Array,
  checksum: Checksum,
): void {
  if (bytes.length !== reading.pageBytes) throw corrupt(reading, expected.page, "the file is cut");
  if (checksum.of(bytes) !== expected.sum) {
    throw corrupt(reading, expected.page, "its checksum does not match its parent's");
  }
  const header = PAGE_HEADER.read(bytes);
  if (header.page !== expected.page) throw corrupt(reading, expected.page, "it is another page");
  if (header.type !== reading.type) throw corrupt(reading, expected.page, "it is of another type");
  if (header.cells > recordsPerPage(reading.recordBytes, reading.pageBytes)) {
    throw corrupt(reading, expected.page, "it counts more records than fit");
  }
}

function nextOf(bytes: Uint8Array): ChainRoot | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!isSealed(view, HEADER_BYTES)) return undefined;
  const pointer = POINTER.read(bytes, HEADER_BYTES);
  return { page: pointer.page, sum: view.getBigUint64(HEADER_BYTES + 8, true) };
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function corrupt(reading: ChainReading, page: number, why: string): LedgerError {
  return new LedgerError("STORE_PAGE_CORRUPT", `page ${page} of the ${reading.what}: ${why}`, {
    details: { page, what: reading.what },
  });
}
