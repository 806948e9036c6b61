/**
 * NDJSON as a source of operations: one object per line (`ndjson-line.ts` says which), from a file or a stream.
 *
 * A line that cannot be read is rejected with its number and the import goes on (INV-IMPORT-1). Empty lines are
 * skipped and counted, so that numbers are those of an editor. What is in memory is one read of the file and
 * one line (INV-IMPORT-2).
 */
import { createReadStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { assert, LedgerError, limits } from "@authledger/types";
import { type ImportSource, rejected, type SourceItem } from "../import-source.js";
import { type Line, splitLines } from "./line-splitter.js";
import { parseNdjsonLine } from "./ndjson-line.js";

/**
 * A line: the longest value as base64 (a third more than its bytes) and 64 KiB for key, names and spaces. A value
 * of 1 MiB that is written as text with many escapes can be over it; base64 always fits.
 */
export const LINE_BYTES_MAX: number = Math.ceil(limits.VALUE_BYTES_MAX / 3) * 4 + 64 * 1024;
const LINE_FEED = 0x0a;
/** One read of the file. */
const READ_BYTES = 256 * 1024;
/** The estimate looks at so many places of a file, evenly spread: lines often grow towards the end. */
const ESTIMATE_SAMPLES = 16;
const SAMPLE_BYTES = 16 * 1024;

/**
 * Reads a file, or a stream of bytes such as standard input, which can be read once only.
 * @example ndjsonSource("tuples.ndjson")
 * @throws LedgerError IO_READ_FAILED from `items()`, when the file or the stream cannot be read
 */
export function ndjsonSource(input: string | AsyncIterable<Uint8Array>): ImportSource {
  if (typeof input !== "string") return streamSource(input);
  return {
    name: basename(input),
    identity: `ndjson:${resolve(input)}`,
    estimate: () => estimateLines(input),
    items: () => itemsOf(input, fileChunks(input)),
  };
}

function streamSource(input: AsyncIterable<Uint8Array>): ImportSource {
  let isRead = false;
  return {
    name: "standard input",
    identity: "ndjson:-",
    items: () => {
      assert(!isRead, "a stream is read once: a second run would find it empty and import nothing");
      isRead = true;
      return itemsOf("standard input", input);
    },
  };
}

async function* itemsOf(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly SourceItem[], void, undefined> {
  for await (const lines of splitLines(reading(name, chunks), LINE_BYTES_MAX)) {
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

/** Opens the file when the first chunk is asked for: a stream that nobody reads would throw its error at nobody. */
export async function* fileChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* createReadStream(path, { highWaterMark: READ_BYTES });
}

/** The chunks; a failure of the stream says what was read. */
export async function* reading(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* chunks;
  } catch (error) {
    const message = `cannot read "${name}": ${(error as Error).message}`;
    throw new LedgerError("IO_READ_FAILED", message, { cause: error, details: { path: name } });
  }
}

/** Lines of the file if all of it is like the samples; undefined for what has no size, such as a pipe. */
export async function estimateLines(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) return undefined;
    const file = await open(path, "r");
    try {
      return await sampledLines(file, found.size);
    } finally {
      await file.close();
    }
  } catch {
    return undefined; // reading the items will say what is wrong with the file
  }
}

async function sampledLines(file: FileHandle, size: number): Promise<number> {
  const isSmall = size <= ESTIMATE_SAMPLES * SAMPLE_BYTES;
  const sample = Buffer.alloc(isSmall ? size : SAMPLE_BYTES);
  const step = isSmall ? size : Math.floor((size - SAMPLE_BYTES) / (ESTIMATE_SAMPLES - 1));
  let lines = 0;
  let bytes = 0;
  for (let at = 0; at + sample.length <= size && sample.length > 0; at += step) {
    const { bytesRead } = await file.read(sample, 0, sample.length, at);
    if (bytesRead === 0) break;
    lines += countLineEnds(sample.subarray(0, bytesRead));
    bytes += bytesRead;
    if (isSmall && sample[bytesRead - 1] !== LINE_FEED) lines += 1;
  }
  return bytes === 0 ? 0 : Math.round((lines * size) / bytes);
}

function countLineEnds(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1))
    lines += 1;
  return lines;
}
