/**
 * What `export` writes and `import` reads back: tuples and entities as NDJSON lines or CSV rows.
 *
 *   INV-ROWS-1  Imported into an empty vault, what an export wrote gives equal tuples, keys, values and expiries.
 *
 * Versions are written for people and read over: a version is the height at which a ledger wrote a record.
 *
 * **Formulas.** Spreadsheets run cells that begin with =, +, -, @, a tab or a carriage return. In CSV, keys and values
 * that do are written in base64, in columns of their own: nothing is lost and nothing runs. (Base64 itself may begin
 * with +; letters, digits, + / and = make no call and no link.) Resources, relations, subjects and names of conditions begin
 * with a letter or an underscore, and contexts with a brace.
 */
import { canonicalJson } from "@authledger/authz";
import type { Entity, Relationship } from "@authledger/sdk";
import { decodeUtf8, utf8Length } from "@authledger/types";
import { jsonText } from "../output/json-value.js";

export type ExportedRow =
  | { readonly kind: "tuple"; readonly row: Relationship }
  | { readonly kind: "entity"; readonly row: Entity };

export interface RowFormat {
  /** What comes before the first row. */
  readonly head: string;
  /** One row with its line end. */
  format(row: ExportedRow): string;
}

/** Larger values are always base64: escapes can make a text six times as long, and a line has a limit. */
const TEXT_BYTES_MAX = 64 * 1024;

export const ndjsonRows: RowFormat = {
  head: "",
  format: (exported) => `${jsonText(fieldsOf(exported))}\n`,
};

type TextFields = Readonly<Record<string, string>>;

function fieldsOf(exported: ExportedRow): TextFields {
  const { version, expiresAtMs } = exported.row;
  const about = {
    ...(expiresAtMs > 0n && { expires_at_ms: String(expiresAtMs) }),
    version: String(version),
  };
  if (exported.kind === "tuple") {
    const { tuple, condition } = exported.row;
    const { resource, relation, subject } = tuple;
    const carried = condition && {
      condition: condition.name,
      condition_context: canonicalJson(condition.context),
    };
    return { resource, relation, subject, ...carried, ...about };
  }
  const { key, value } = exported.row;
  const text = value.length <= TEXT_BYTES_MAX ? decodeUtf8(value) : undefined;
  return text === undefined || utf8Length(text) < 0
    ? { key, value_base64: base64Of(value), ...about }
    : { key, value: text, ...about };
}

const COLUMNS = [
  "resource",
  "relation",
  "subject",
  "key",
  "key_base64",
  "value",
  "value_base64",
  "expires_at_ms",
  "version",
  "condition",
  "condition_context",
] as const;
const LINE_END = "\r\n";
const FORMULA = /^[=+\-@\t\r]/;
const CONTROL = /\p{Cc}/u;

export const csvRows: RowFormat = {
  head: `${COLUMNS.join(",")}${LINE_END}`,
  format: (exported) => {
    const fields = inert(fieldsOf(exported));
    return `${COLUMNS.map((name) => cellOf(fields[name] ?? "")).join(",")}${LINE_END}`;
  },
};

/** Keys and values that something could run, or change, in base64. */
function inert({ key, value, ...fields }: TextFields): TextFields {
  return { ...fields, ...asCell("key", key), ...asCell("value", value) };
}

function asCell(name: "key" | "value", text: string | undefined): TextFields {
  if (text === undefined) return {};
  // Controls other than the line feed: readers of CSV change or drop them.
  const isPlain = !FORMULA.test(text) && !CONTROL.test(text.replaceAll("\n", ""));
  return isPlain ? { [name]: text } : { [`${name}_base64`]: base64Of(Buffer.from(text, "utf8")) };
}

/** RFC 4180, section 2. */
function cellOf(text: string): string {
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
