/** Tables for people. Text that came from elsewhere cannot steer the terminal: control characters are escaped. */
import type { JsonValue } from "./json-value.js";

const CELL_CHARACTERS_MAX = 200;
/** Controls, line separators, and the marks that reorder a line of text. */
const UNPRINTABLE = /[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu;

/** One thing: a line for each field. */
export function formatFields(fields: Readonly<Record<string, JsonValue>>): string {
  const rows = Object.entries(fields).map(([name, value]) => [name, cellOf(value)]);
  return formatRows(rows);
}

/** Many things under a header. */
export function formatTable(
  columns: readonly string[],
  things: readonly Readonly<Record<string, JsonValue>>[],
  hasHeader: boolean,
): string {
  const head = hasHeader ? [columns.map((name) => name.toUpperCase().replaceAll("_", " "))] : [];
  const rows = things.map((thing) => columns.map((name) => cellOf(thing[name] ?? null)));
  return formatRows([...head, ...rows]);
}

function formatRows(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join("");
}

function cellOf(value: JsonValue): string {
  if (value === null) return "-";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const shown =
    text.length > CELL_CHARACTERS_MAX ? `${text.slice(0, CELL_CHARACTERS_MAX)}...` : text;
  return escapeControls(shown);
}

/** The text with every character that a terminal would obey written as \uXXXX. */
export function escapeControls(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
