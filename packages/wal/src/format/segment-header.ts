/**
 * The first block of a segment file: which log it belongs to, its place in the chain of segments, and the salt
 * of its present life.
 *
 *   INV-WAL-1  A header is durable before the first batch behind it is written, so a segment with a batch and
 *              without a valid header is damaged and not unfinished.
 *
 * Source: storage.md, "The log of all groups". What that leaves open: `prevSeq` and `prevLsn` say where the log
 * before this segment ends, so a torn end is passed over once and for ever without being rewritten; `durableLsn`
 * names the batches that were synced together with the header.
 */
import { crc32 } from "node:zlib";
import { defineLayout, equalBytes, type Layout, type LayoutValue } from "@authledger/types";
import { BLOCK_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from "../limits.js";
import { viewOf } from "./little-endian.js";

/** PNG's trick: a high bit, CR LF and a ^Z show text mangling at once. */
const MAGIC: Uint8Array = Uint8Array.of(0x89, 0x4c, 0x4f, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** The format that this code writes. */
const LOG_FORMAT = 1;

const FIELDS = [
  { name: "magic", type: "bytes", size: 8, doc: "89 4C 4F 47 0D 0A 1A 0A" },
  { name: "format", type: "u32", doc: "1; a higher number is refused with FORMAT_NEWER" },
  { name: "blockBytes", type: "u32", doc: "4096: header and batches start at multiples of it" },
  { name: "uuid", type: "bytes", size: 16, doc: "of the log; a file of another log is refused" },
  { name: "seq", type: "u64", doc: "number of the segment; must be the one in the file's name" },
  { name: "firstLsn", type: "u64", doc: "lsn of the first batch here" },
  {
    name: "salt",
    type: "bytes",
    size: 8,
    doc: "random for each life of the file: batches of a former life do not match their crc",
  },
  { name: "prevCrc", type: "u32", doc: "crc of the last batch before this segment; 0 if none" },
  {
    name: "segmentBytes",
    type: "u32",
    doc: "size of the file; a shorter file was cut by somebody",
  },
  {
    name: "prevSeq",
    type: "u64",
    doc: "the segment that the log comes from; 0 in the first segment of a log",
  },
  {
    name: "prevLsn",
    type: "u64",
    doc: "last batch there that belongs to the log; what lies behind it does not",
  },
  { name: "durableLsn", type: "u64", doc: "highest lsn known synced once this header is visible" },
  { name: "zero", type: "bytes", size: 4004, doc: "zero" },
  { name: "crc", type: "u32", doc: "crc32 of all bytes before it; stays here in every format" },
] as const;

export const SEGMENT_HEADER: Layout<typeof FIELDS> = defineLayout("segment header", FIELDS, {
  littleEndian: true,
});

/** What a header says, without what is the same in all. */
export type SegmentHeader = Pick<
  LayoutValue<typeof FIELDS>,
  | "uuid"
  | "seq"
  | "firstLsn"
  | "salt"
  | "prevCrc"
  | "segmentBytes"
  | "prevSeq"
  | "prevLsn"
  | "durableLsn"
>;

const ZERO = new Uint8Array(4004);

/** The header as the first block of its file. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  const fixed = { magic: MAGIC, format: LOG_FORMAT, blockBytes: BLOCK_BYTES, zero: ZERO };
  SEGMENT_HEADER.write(block, { ...header, ...fixed, crc: 0 });
  const at = SEGMENT_HEADER.offsetOf("crc");
  viewOf(block).setUint32(at, crc32(block.subarray(0, at)), true);
  return block;
}

/** `invalid` is a block that never was a header, a torn one or a damaged one: the caller finds out which. */
export type HeaderReading =
  | { readonly kind: "valid"; readonly header: SegmentHeader }
  | { readonly kind: "newer"; readonly format: number }
  | { readonly kind: "invalid"; readonly why: string };

/** Reads the first block of the file of segment `seq`. The crc comes first: a damaged format is no newer one. */
export function decodeSegmentHeader(block: Uint8Array, seq: number): HeaderReading {
  if (block.length < BLOCK_BYTES) return { kind: "invalid", why: "the file has no whole block" };
  const at = SEGMENT_HEADER.offsetOf("crc");
  if (viewOf(block).getUint32(at, true) !== crc32(block.subarray(0, at))) {
    return { kind: "invalid", why: "its header does not match its crc" };
  }
  if (!equalBytes(block.subarray(0, 8), MAGIC)) return { kind: "invalid", why: "wrong magic" };
  const format = viewOf(block).getUint32(SEGMENT_HEADER.offsetOf("format"), true);
  if (format > LOG_FORMAT) return { kind: "newer", format };
  return checked(block, seq);
}

function checked(block: Uint8Array, seq: number): HeaderReading {
  const all = readFields(block);
  if (all === undefined) return { kind: "invalid", why: "a number in its header is too large" };
  if (all.format !== LOG_FORMAT) return { kind: "invalid", why: `format ${all.format}` };
  if (all.seq !== seq) return { kind: "invalid", why: `its header is of segment ${all.seq}` };
  const size = all.segmentBytes;
  const sane = size >= SEGMENT_BYTES_MIN && size <= SEGMENT_BYTES_MAX && size % BLOCK_BYTES === 0;
  if (!sane || all.blockBytes !== BLOCK_BYTES || all.prevSeq >= seq) {
    return { kind: "invalid", why: "its header contradicts itself" };
  }
  const { firstLsn, prevCrc, prevSeq, prevLsn, durableLsn } = all;
  const header = { seq, firstLsn, prevCrc, segmentBytes: size, prevSeq, prevLsn, durableLsn };
  return { kind: "valid", header: { ...header, uuid: all.uuid.slice(), salt: all.salt.slice() } };
}

/** undefined for numbers that nobody writes, though the crc is right. */
function readFields(block: Uint8Array): LayoutValue<typeof FIELDS> | undefined {
  try {
    return SEGMENT_HEADER.read(block);
  } catch {
    return undefined;
  }
}

/** The salt as it enters the seed of each batch's crc: both halves count. */
export function foldSalt(salt: Uint8Array): number {
  const view = viewOf(salt);
  return (view.getUint32(0, true) ^ view.getUint32(4, true)) >>> 0;
}
