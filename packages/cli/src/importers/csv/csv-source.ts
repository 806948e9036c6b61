/**
 * CSV as a source of operations (RFC 4180): a header row with names of fields (`../operation-fields.ts`), then a row
 * for each operation. An empty cell is a field that is not there, but for the value of an entity, which is then empty.
 *
 * Cells are bytes until they are known to be UTF-8: a reader that replaces what is not would store another permission.
 * A row that cannot become an operation is rejected with line and column, and the import goes on (INV-IMPORT-1). Where
 * the quotes are wrong nobody knows where the next row begins, so that ends it.
 */
import { basename, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { assert, decodeUtf8, LedgerError } from "@authledger/types";
import { CsvError, type Info, type Parser, parse } from "csv-parse";
import { type ImportSource, rejected, type SourceItem } from "../import-source.js";
import { estimateLines, fileChunks, LINE_BYTES_MAX, reading } from "../ndjson/ndjson-source.js";
import { type Fields, KNOWN_FIELDS, operationOf, refusalOf } from "../operation-fields.js";

/** Rows of one batch. */
const BATCH_ROWS = 256;
const VALUE_FIELDS = ["value", "value_base64"] as const;
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** A row as the parser gives it. */
interface Row {
  readonly record: readonly Buffer[];
  readonly info: Pick<Info, "lines">;
}

/**
 * @example csvSource("tuples.csv")
 * @throws LedgerError from `items()`: IO_READ_FAILED; IMPORT_REJECTED for a wrong header, or quotes that do not close
 */
export function csvSource(input: string | AsyncIterable<Uint8Array>): ImportSource {
  if (typeof input === "string") {
    return {
      name: basename(input),
      identity: `csv:${resolve(input)}`,
      estimate: () => estimateLines(input),
      items: () => itemsOf(basename(input), fileChunks(input)),
    };
  }
  let isRead = false;
  return {
    name: "standard input",
    identity: "csv:-",
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
  const parser = parse({
    encoding: null,
    info: true,
    max_record_size: LINE_BYTES_MAX,
    relax_column_count: true,
  });
  // The failure is met below, where the parser is read.
  const fed = pipeline(Readable.from(withoutMark(reading(name, chunks))), parser).catch(
    () => undefined,
  );
  try {
    yield* batchesOf(rowsOf(name, parser));
  } finally {
    parser.destroy();
    await fed;
  }
}

/** Without a byte order mark in front; the parser would take it for the name of an encoding. */
async function* withoutMark(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer, void, undefined> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield Buffer.from(chunk);
      continue;
    }
    const bytes: Buffer = Buffer.concat([head, chunk]);
    head = bytes.length < MARK.length ? bytes : undefined;
    const isMarked = bytes.subarray(0, MARK.length).equals(MARK);
    if (head === undefined) yield isMarked ? bytes.subarray(MARK.length) : bytes;
  }
  if (head !== undefined && head.length > 0) yield head;
}

async function* rowsOf(name: string, parser: Parser): AsyncGenerator<SourceItem, void, undefined> {
  let columns: readonly string[] | undefined;
  let line = 1;
  try {
    for await (const row of parser as AsyncIterable<Row>) {
      const isBlank = row.record.length === 1 && row.record[0]?.length === 0;
      if (!isBlank && columns === undefined) columns = headerOf(name, row.record);
      else if (!isBlank && columns !== undefined) yield itemOf(row.record, columns, line);
      line = row.info.lines + 1;
    }
  } catch (error) {
    throw error instanceof CsvError ? unreadable(name, error) : error;
  }
}

/** @throws LedgerError IMPORT_REJECTED */
function headerOf(name: string, record: readonly Buffer[]): readonly string[] {
  const columns = record.map((cell) => decodeUtf8(cell) ?? "");
  const at = columns.findIndex((one, i) => !KNOWN_FIELDS.has(one) || columns.indexOf(one) < i);
  if (at < 0) return columns;
  const known = [...KNOWN_FIELDS].join(", ");
  const message = `"${name}", line 1, column ${at + 1}: "${columns[at]?.slice(0, 40)}" is no field, or is there twice; the header row names some of ${known}`;
  throw new LedgerError("IMPORT_REJECTED", message, { details: { line: 1, column: at + 1 } });
}

function itemOf(record: readonly Buffer[], columns: readonly string[], line: number): SourceItem {
  const position = `line ${line}`;
  if (record.length !== columns.length) {
    const column = Math.min(record.length, columns.length) + 1;
    const reason = `${record.length} cells, the header has ${columns.length}`;
    return rejected(`${position}, column ${column}`, reason, line);
  }
  try {
    const fields = fieldsOf(record, columns);
    if (typeof fields === "number") {
      const where = `${position}, column ${fields + 1} (${columns[fields]})`;
      return rejected(where, "the cell is not valid UTF-8", line);
    }
    return { kind: "operation", position, operation: operationOf(fields) };
  } catch (error) {
    const reason = refusalOf(error);
    return rejected(`${position}${columnNamed(reason, columns)}`, reason, line);
  }
}

/** The fields; the number of the cell that is no text. */
function fieldsOf(record: readonly Buffer[], columns: readonly string[]): Fields | number {
  const fields: Record<string, string> = {};
  for (const [i, cell] of record.entries()) {
    if (cell.length === 0) continue;
    const text = decodeUtf8(cell);
    if (text === undefined) return i;
    fields[columns[i]!] = text;
  }
  const isEntity = fields["key"] !== undefined || fields["key_base64"] !== undefined;
  const isWrite = fields["op"] === undefined || fields["op"] === "write";
  const hasValue = VALUE_FIELDS.some((name) => fields[name] !== undefined);
  const hasColumn = VALUE_FIELDS.some((name) => columns.includes(name));
  return isEntity && isWrite && hasColumn && !hasValue ? { ...fields, value: "" } : fields;
}

/** The column that a reason is about: reasons name their field. */
function columnNamed(reason: string, columns: readonly string[]): string {
  const named = [...columns].sort((a, b) => b.length - a.length);
  const column = named.find((name) => new RegExp(`\\b${name}\\b`).test(reason));
  return column === undefined ? "" : `, column ${columns.indexOf(column) + 1} (${column})`;
}

function unreadable(name: string, error: CsvError): LedgerError {
  const [line, column] = [Number(error["lines"]), Number(error["column"]) + 1];
  const where = Number.isInteger(column) ? `line ${line}, column ${column}` : `line ${line}`;
  const message = `"${name}" cannot be read as CSV (RFC 4180), as seen at ${where}: ${error.message}`;
  return new LedgerError("IMPORT_REJECTED", message, {
    details: { line, ...(Number.isInteger(column) && { column }) },
    cause: error,
  });
}

async function* batchesOf(
  items: AsyncIterable<SourceItem>,
): AsyncGenerator<readonly SourceItem[], void, undefined> {
  let batch: SourceItem[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < BATCH_ROWS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
