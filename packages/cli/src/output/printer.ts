/**
 * The outputs that every command has: `-o table|wide|json|yaml|name` and `--field`.
 *
 *   INV-OUT-1  JSON and YAML say at least what the table shows: the table is made of their fields.
 *   INV-OUT-2  A stream is NDJSON, a sequence of YAML documents, or rows under one header, and is printed as it
 *              comes; `name` is one line for each thing.
 */
import { fieldText, fieldValues, parseFieldPath } from "./field.js";
import { type JsonValue, jsonOf, jsonText, type Printable } from "./json-value.js";
import { PLAIN, type Style } from "./style.js";
import { escapeControls, formatFields, formatTable, type TableOptions } from "./table.js";
import { yamlOf } from "./yaml.js";

export const OUTPUT_FORMATS = ["table", "wide", "json", "yaml", "name"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** A thing to print. */
export interface Thing {
  /** What `-o name` prints: enough to name it to another command. */
  readonly name: string;
  readonly fields: { readonly [name: string]: Printable };
  /** Fields of the table, in order; default: all. */
  readonly columns?: readonly string[];
}

export interface PrinterOptions {
  /** Print only what is at this path. */
  readonly field?: string | undefined;
  readonly style?: Style;
}

/** Rows whose columns are made equally wide. */
const TABLE_ROWS_MAX = 500;

type Fields = Readonly<Record<string, JsonValue>>;

export class Printer {
  readonly #format: OutputFormat;
  readonly #out: (text: string) => Promise<void>;
  readonly #path: readonly string[] | undefined;
  readonly #table: TableOptions;

  /** @throws LedgerError USAGE when the field is no path */
  constructor(
    format: OutputFormat,
    out: (text: string) => Promise<void>,
    { field, style = PLAIN }: PrinterOptions = {},
  ) {
    this.#format = format;
    this.#out = out;
    this.#path = field === undefined ? undefined : parseFieldPath(field);
    this.#table = { style, isWhole: format === "wide" };
  }

  /** Prints one thing. */
  async one(thing: Thing): Promise<void> {
    const fields = jsonOf(thing.fields) as Fields;
    if (this.#path !== undefined) return this.#field(fields, this.#path);
    switch (this.#format) {
      case "json":
        return this.#out(`${jsonText(fields, 2)}\n`);
      case "yaml":
        return this.#out(yamlOf(fields));
      case "name":
        return this.#out(`${escapeControls(thing.name)}\n`);
      case "table":
      case "wide":
        return this.#out(formatFields(this.#shown(fields, thing), this.#table));
    }
  }

  /** Prints things as they come. @returns how many there were */
  async many(things: AsyncIterable<Thing> | Iterable<Thing>): Promise<number> {
    const isTable = this.#format === "table" || this.#format === "wide";
    if (isTable && this.#path === undefined) return this.#rows(things);
    let count = 0;
    for await (const thing of things) {
      const fields = jsonOf(thing.fields) as Fields;
      count += 1;
      if (this.#path !== undefined) await this.#field(fields, this.#path);
      else if (this.#format === "json") await this.#out(`${jsonText(fields)}\n`);
      else if (this.#format === "yaml") await this.#out(`---\n${yamlOf(fields)}`);
      else await this.#out(`${escapeControls(thing.name)}\n`);
    }
    return count;
  }

  async #field(fields: Fields, path: readonly string[]): Promise<void> {
    for (const value of fieldValues(fields, path)) {
      if (this.#format === "json") await this.#out(`${jsonText(value)}\n`);
      else if (this.#format === "yaml") await this.#out(yamlOf(value));
      else await this.#out(`${fieldText(value)}\n`);
    }
  }

  async #rows(things: AsyncIterable<Thing> | Iterable<Thing>): Promise<number> {
    let columns: readonly string[] = [];
    let rows: Fields[] = [];
    let count = 0;
    const flush = async (): Promise<void> => {
      if (rows.length === 0) return;
      const hasHeader = count === rows.length;
      await this.#out(formatTable(columns, rows, { ...this.#table, hasHeader }));
      rows = [];
    };
    for await (const thing of things) {
      const fields = jsonOf(thing.fields) as Fields;
      if (count === 0) columns = this.#columns(fields, thing);
      count += 1;
      rows.push(fields);
      if (rows.length === TABLE_ROWS_MAX) await flush();
    }
    await flush();
    return count;
  }

  /** The columns that are wanted; all of them, the usual first, when the output is wide. */
  #columns(fields: Fields, { columns = [] }: Thing): readonly string[] {
    const isAll = this.#table.isWhole || columns.length === 0;
    const rest = isAll ? Object.keys(fields).filter((name) => !columns.includes(name)) : [];
    return [...columns, ...rest];
  }

  #shown(fields: Fields, thing: Thing): Fields {
    const known = this.#columns(fields, thing).filter((name) => Object.hasOwn(fields, name));
    return Object.fromEntries(known.map((name) => [name, fields[name]!]));
  }
}

/** A time as people read it; undefined for 0, which is never. */
export function timeText(ms: bigint | number): string | undefined {
  if (BigInt(ms) === 0n) return undefined;
  const date = new Date(Number(ms));
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
