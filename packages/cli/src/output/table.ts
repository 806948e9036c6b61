/** Tables for people. Text that came from elsewhere cannot steer the terminal: control characters are escaped. */
import type { JsonValue } from "./json-value.js";
import { PLAIN, type Style, styleCell } from "./style.js";

const CELL_CHARACTERS_MAX = 200;
/** Controls, line separators, and the marks that reorder a line of text. */
const UNPRINTABLE = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;

export interface TableOptions {
  readonly style: Style;
  /** Long cells are shown whole. */
  readonly isWhole: boolean;
}

/** One thing: a line for each field. */
export function formatFields(
  fields: Readonly<Record<string, JsonValue>>,
  options: TableOptions = PLAIN_TABLE,
): string {
  const rows = Object.entries(fields).map(([name, value]) => [name, cellOf(value, options)]);
  return formatRows(rows, ([name = "", value = ""], [, text = ""]) => [
    options.style("dim", name),
    styleCell(options.style, value, text),
  ]);
}

/** Many things under a header. */
export function formatTable(
  columns: readonly string[],
  things: readonly Readonly<Record<string, JsonValue>>[],
  options: TableOptions & { readonly hasHeader: boolean },
): string {
  const { hasHeader, style } = options;
  const names = columns.map((name) => name.toUpperCase().replaceAll("_", " "));
  const rows = things.map((thing) => columns.map((name) => cellOf(thing[name] ?? null, options)));
  const all = hasHeader ? [names, ...rows] : rows;
  return formatRows(all, (cells, texts) =>
    texts === names
      ? cells.map((cell) => style("bold", cell))
      : cells.map((cell, i) => styleCell(style, cell, texts[i] ?? "")),
  );
}

const PLAIN_TABLE: TableOptions = { style: PLAIN, isWhole: false };

/** Columns of equal width; colours are put on afterwards, since they have none. */
function formatRows(
  rows: readonly (readonly string[])[],
  paint: (cells: readonly string[], texts: readonly string[]) => readonly string[],
): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const lines = rows.map((row) => {
    const last = row.length - 1;
    const cells = row.map((cell, i) => (i === last ? cell : cell.padEnd(widths[i]!)));
    return paint(cells, row).join("  ").trimEnd();
  });
  return lines.map((line) => `${line}\n`).join("");
}

function cellOf(value: JsonValue, { isWhole }: TableOptions): string {
  if (value === null) return "-";
  const text = isTexts(value)
    ? value.join(", ")
    : typeof value === "object"
      ? JSON.stringify(value)
      : String(value);
  const isLong = text.length > CELL_CHARACTERS_MAX && !isWhole;
  return escapeControls(isLong ? `${text.slice(0, CELL_CHARACTERS_MAX)}...` : text);
}

/** A list of texts needs no quotes for people. */
function isTexts(value: JsonValue): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string");
}

/** The text with every character that a terminal would obey written as \uXXXX. */
export function escapeControls(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
