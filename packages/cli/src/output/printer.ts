/**
 * The outputs that every command has: `-o table|json|yaml|name`.
 *
 *   INV-OUT-1  JSON and YAML say at least what the table shows: the table is made of their fields.
 *   INV-OUT-2  A stream is NDJSON, a sequence of YAML documents, or rows under one header, and is printed as it
 *              comes; `name` is one line for each thing.
 */
import { type JsonValue, jsonOf, jsonText, type Printable } from "./json-value.js";
import { escapeControls, formatFields, formatTable } from "./table.js";
import { yamlOf } from "./yaml.js";

export const OUTPUT_FORMATS = ["table", "json", "yaml", "name"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** A thing to print. */
export interface Thing {
  /** What `-o name` prints: enough to name it to another command. */
  readonly name: string;
  readonly fields: { readonly [name: string]: Printable };
  /** Fields of the table, in order; default: all. */
  readonly columns?: readonly string[];
}

/** Rows whose columns are made equally wide. */
const TABLE_ROWS_MAX = 500;

type Fields = Readonly<Record<string, JsonValue>>;

export class Printer {
  readonly #format: OutputFormat;
  readonly #out: (text: string) => Promise<void>;

  constructor(format: OutputFormat, out: (text: string) => Promise<void>) {
    this.#format = format;
    this.#out = out;
  }

  /** Prints one thing. */
  async one(thing: Thing): Promise<void> {
    const fields = jsonOf(thing.fields) as Fields;
    switch (this.#format) {
      case "json":
        return this.#out(`${jsonText(fields, 2)}\n`);
      case "yaml":
        return this.#out(yamlOf(fields));
      case "name":
        return this.#out(`${escapeControls(thing.name)}\n`);
      case "table":
        return this.#out(formatFields(selected(fields, thing.columns)));
    }
  }

  /** Prints things as they come. */
  async many(things: AsyncIterable<Thing> | Iterable<Thing>): Promise<void> {
    if (this.#format === "table") return this.#table(things);
    for await (const thing of things) {
      const fields = jsonOf(thing.fields);
      if (this.#format === "json") await this.#out(`${jsonText(fields)}\n`);
      else if (this.#format === "yaml") await this.#out(`---\n${yamlOf(fields)}`);
      else await this.#out(`${escapeControls(thing.name)}\n`);
    }
  }

  async #table(things: AsyncIterable<Thing> | Iterable<Thing>): Promise<void> {
    let columns: readonly string[] = [];
    let rows: Fields[] = [];
    let hasHeader = true;
    const flush = async (): Promise<void> => {
      if (rows.length === 0) return;
      await this.#out(formatTable(columns, rows, hasHeader));
      rows = [];
      hasHeader = false;
    };
    for await (const thing of things) {
      const fields = jsonOf(thing.fields) as Fields;
      if (hasHeader && rows.length === 0) columns = thing.columns ?? Object.keys(fields);
      rows.push(fields);
      if (rows.length === TABLE_ROWS_MAX) await flush();
    }
    await flush();
  }
}

function selected(fields: Fields, columns: readonly string[] | undefined): Fields {
  if (columns === undefined) return fields;
  const known = columns.filter((name) => Object.hasOwn(fields, name));
  return Object.fromEntries(known.map((name) => [name, fields[name]!]));
}

/** A time as people read it; undefined for 0, which is never. */
export function timeText(ms: bigint | number): string | undefined {
  if (BigInt(ms) === 0n) return undefined;
  const date = new Date(Number(ms));
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
