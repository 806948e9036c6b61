/**
 * NDJSON as a source of operations: one object per line (`ndjson-line.ts` says which), from a file or a stream.
 *
 * A line that cannot be read is rejected with its number and the import goes on (INV-IMPORT-1). Empty lines are
 * skipped and counted, so that numbers are those of an editor. What is in memory is one read of the file and
 * one line (INV-IMPORT-2).
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { LedgerError, limits } from "@authledger/types";
import { type ImportSource, rejected, type SourceItem } from "../import-source.js";
import { type Line, splitLines } from "./line-splitter.js";
import { parseNdjsonLine } from "./ndjson-line.js";

/**
 * A line: the longest value as base64 (a third more than its bytes) and 64 KiB for key, names and spaces. A value
 * of 1 MiB that is written as text with many escapes can be over it; base64 always fits.
 */
export const LINE_BYTES_MAX: number = Math.ceil(limits.VALUE_BYTES_MAX / 3) * 4 + 64 * 1024;
/** One read of the file. */
const READ_BYTES = 256 * 1024;
/** How much of the front of a file the estimate looks at. */
const ESTIMATE_BYTES = 256 * 1024;

/**
 * Reads a file, or a stream of bytes such as standard input, which can be read once only.
 * @example ndjsonSource("tuples.ndjson")
 * @throws LedgerError IO_READ_FAILED from `items()`, when the file cannot be opened or read
 */
export function ndjsonSource(input: string | AsyncIterable<Uint8Array>): ImportSource {
  if (typeof input !== "string") {
    return { name: "standard input", identity: "ndjson:-", items: () => itemsOf(input) };
  }
  return {
    name: basename(input),
    identity: `ndjson:${resolve(input)}`,
    estimate: () => estimateLines(input),
    items: () => itemsOf(readFileChunks(input)),
  };
}

async function* itemsOf(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly SourceItem[], void, undefined> {
  for await (const lines of splitLines(chunks, LINE_BYTES_MAX)) {
    const items = lines.flatMap((line) => itemOf(line) ?? []);
    if (items.length > 0) yield items;
  }
}

function itemOf(line: Line): SourceItem | undefined {
  const position = `line ${line.number}`;
  if (line.kind === "too_long") {
    const reason = `the line is ${line.length} bytes; the limit is ${LINE_BYTES_MAX}`;
    return rejected(position, reason, line.number);
  }
  const result = parseNdjsonLine(line.bytes);
  if (result.kind === "blank") return undefined;
  if (result.kind === "rejected") return rejected(position, result.reason, line.number);
  return { kind: "operation", position, operation: result.operation };
}

async function* readFileChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = createReadStream(path, { highWaterMark: READ_BYTES });
  try {
    for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (error) {
    const message = `cannot read "${path}": ${(error as Error).message}`;
    throw new LedgerError("IO_READ_FAILED", message, { cause: error, details: { path } });
  } finally {
    stream.destroy();
  }
}

/** Lines of the file if all of it is like its front; undefined for what has no size, such as a pipe. */
async function estimateLines(path: string): Promise<number | undefined> {
  try {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return undefined;
      const { bytesRead, buffer } = await file.read(Buffer.alloc(ESTIMATE_BYTES), 0);
      const lines = countLines(buffer.subarray(0, bytesRead));
      return bytesRead === 0 ? 0 : Math.round((lines * stat.size) / bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return undefined; // reading the items will say what is wrong with the file
  }
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) lines += 1;
  return bytes.at(-1) === 0x0a ? lines : lines + 1;
}
