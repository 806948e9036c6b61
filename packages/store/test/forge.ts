/** Files as a program with a bug would write them: wrong in one place, with checksums that fit all the way up. */
import type { MemoryDisk } from "@authledger/io";
import { xxh64 } from "./format-reader.js";
import { fileBytes, PATH } from "./store-support.js";

const PAGE = 512;

/** Changes a page of a store with 512-byte pages, and every checksum above it. */
export async function forge(
  disk: MemoryDisk,
  page: number,
  change: (bytes: Buffer) => void,
): Promise<void> {
  const old = Buffer.from(await fileBytes(disk));
  const bytes = Buffer.from(old);
  change(bytes.subarray(page * PAGE, (page + 1) * PAGE));
  let changed = page;
  for (;;) {
    const before = sumOf(pageOf(old, changed));
    const after = sumOf(pageOf(bytes, changed));
    const parent = bytes.indexOf(before, 16 * PAGE);
    if (parent < 0) {
      replaceInSlots(bytes, before, after);
      break;
    }
    after.copy(bytes, parent);
    changed = Math.floor(parent / PAGE);
  }
  await (await disk.open(PATH)).write([bytes], 0);
}

function replaceInSlots(bytes: Buffer, before: Buffer, after: Buffer): void {
  for (const copy of [0, 1, 2, 3]) {
    const block = bytes.subarray(copy * PAGE, (copy + 1) * PAGE);
    const field = block.indexOf(before);
    if (field < 0) continue;
    after.copy(block, field);
    sumOf(block.subarray(0, 504)).copy(block, 504);
  }
}

function pageOf(file: Buffer, page: number): Buffer {
  return file.subarray(page * PAGE, (page + 1) * PAGE);
}

function sumOf(bytes: Uint8Array): Buffer {
  const sum = Buffer.alloc(8);
  sum.writeBigUInt64LE(xxh64(bytes));
  return sum;
}
