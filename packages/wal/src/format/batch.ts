/**
 * A batch: what one write and one sync make durable.
 *
 *   INV-WAL-2  A batch's crc is seeded with the salt of its segment's present life and the crc of the batch
 *              before it, so a batch is valid only in its place: after a reuse of the file, after another
 *              predecessor or in another segment it is not.
 *   INV-WAL-3  An lsn is never used for two batches, and the first one of a log is random: no frame of a
 *              former life, of a cut end, or planted in a payload carries an lsn that is due.
 *
 * Source: storage.md, "The log of all groups"; the table in docs/format/log.md is made from the layout here.
 */
import { crc32 } from "node:zlib";
import { defineLayout, type Layout } from "@authledger/types";
import { BATCH_RECORDS_MAX, BLOCK_BYTES } from "../limits.js";
import { readU64, viewOf, writeU64 } from "./little-endian.js";

const FIELDS = [
  { name: "magic", type: "u32", doc: "'WBT1'" },
  {
    name: "crc",
    type: "u32",
    doc: "crc32 of bytes 8 to len, seeded with salt (low half ^ high half) ^ crc of the batch before",
  },
  { name: "lsn", type: "u64", doc: "number of the batch: the one before plus 1 inside a segment" },
  {
    name: "durableLsn",
    type: "u64",
    doc: "highest lsn known synced when the batch was composed: those batches cannot be a torn end",
  },
  { name: "len", type: "u32", doc: "bytes from the magic to the end of the last record" },
  { name: "nrec", type: "u16", doc: "records" },
  { name: "flags", type: "u16", doc: "bit 0: the log was closed here; other bits zero" },
] as const;

export const BATCH_HEADER: Layout<typeof FIELDS> = defineLayout("batch header", FIELDS, {
  littleEndian: true,
});

export const BATCH_HEADER_BYTES: number = BATCH_HEADER.size;

/** Set on the last batch of a log that was closed in order. */
export const FLAG_CLOSED = 1;

/** "WBT1" read as a little-endian u32. */
const MAGIC = 0x3154_4257;
const AT = {
  magic: BATCH_HEADER.offsetOf("magic"),
  crc: BATCH_HEADER.offsetOf("crc"),
  lsn: BATCH_HEADER.offsetOf("lsn"),
  durableLsn: BATCH_HEADER.offsetOf("durableLsn"),
  len: BATCH_HEADER.offsetOf("len"),
  nrec: BATCH_HEADER.offsetOf("nrec"),
  flags: BATCH_HEADER.offsetOf("flags"),
};

/** The fields of a batch header as they are on disk, believed by nobody yet. */
export interface BatchHeader {
  readonly magicMatches: boolean;
  readonly crc: number;
  readonly lsn: number;
  readonly durableLsn: number;
  readonly len: number;
  readonly nrec: number;
  readonly flags: number;
}

/** Bytes of whole blocks that a batch of `len` bytes takes. */
export function paddedBytes(len: number): number {
  return Math.ceil(len / BLOCK_BYTES) * BLOCK_BYTES;
}

/** The crc seed of a batch behind the batch (or header) with crc `prevCrc`. */
export function chainSeed(foldedSalt: number, prevCrc: number): number {
  return (foldedSalt ^ prevCrc) >>> 0;
}

export function readBatchHeader(view: DataView, at: number): BatchHeader {
  return {
    magicMatches: view.getUint32(at + AT.magic, true) === MAGIC,
    crc: view.getUint32(at + AT.crc, true),
    lsn: readU64(view, at + AT.lsn),
    durableLsn: readU64(view, at + AT.durableLsn),
    len: view.getUint32(at + AT.len, true),
    nrec: view.getUint16(at + AT.nrec, true),
    flags: view.getUint16(at + AT.flags, true),
  };
}

export interface BatchSeal {
  readonly lsn: number;
  readonly durableLsn: number;
  readonly len: number;
  readonly nrec: number;
  readonly flags: number;
}

/** Writes the header and zero padding around the records in `batch`; returns the crc. */
export function sealBatch(batch: Uint8Array, seal: BatchSeal, seed: number): number {
  const view = viewOf(batch);
  view.setUint32(AT.magic, MAGIC, true);
  writeU64(view, AT.lsn, seal.lsn);
  writeU64(view, AT.durableLsn, seal.durableLsn);
  view.setUint32(AT.len, seal.len, true);
  view.setUint16(AT.nrec, seal.nrec, true);
  view.setUint16(AT.flags, seal.flags, true);
  batch.fill(0, seal.len, paddedBytes(seal.len));
  const crc = batchCrc(batch, seal.len, seed);
  view.setUint32(AT.crc, crc, true);
  return crc;
}

/** The crc that a batch must have at this place of the chain. */
export function batchCrc(batch: Uint8Array, len: number, seed: number): number {
  return crc32(batch.subarray(AT.lsn, len), seed);
}

/** Can a batch of this header be a batch at all, with `roomBytes` left in its segment? */
export function plausibleLength(header: BatchHeader, roomBytes: number): boolean {
  return (
    header.len >= BATCH_HEADER_BYTES &&
    paddedBytes(header.len) <= roomBytes &&
    header.nrec <= BATCH_RECORDS_MAX
  );
}

/** Is everything from `len` to the end of the last block zero? */
export function paddingIsZero(batch: Uint8Array, len: number): boolean {
  const end = paddedBytes(len);
  for (let i = len; i < end; i++) if (batch[i] !== 0) return false;
  return true;
}
