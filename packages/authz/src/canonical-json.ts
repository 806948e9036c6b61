/**
 * JSON with exactly one text for each value, for what is hashed: keys in the order of their UTF-16 code units, no white
 * space, numbers and strings as JSON.stringify writes them (RFC 8785).
 */
import { LedgerError, utf8Length } from "@authledger/types";
import type { JsonValue } from "./condition/context.js";

/** Nesting of arrays and objects; deeper values are refused before they can exhaust the stack. */
const DEPTH_MAX = 64;

/** @throws LedgerError INVALID_ARGUMENT for what JSON cannot say, or nested too deeply */
export function canonicalJson(value: JsonValue, depthMax: number = DEPTH_MAX): string {
  return write(value, depthMax);
}

function write(value: JsonValue, depthLeft: number): string {
  if (depthLeft < 0) throw refused("is nested too deeply");
  if (typeof value === "number" && !Number.isFinite(value)) throw refused(`holds ${value}`);
  if (typeof value === "string") return writeText(value);
  if (value === null || typeof value === "number" || typeof value === "boolean") {
    return JSON.stringify(value);
  }
  if (typeof value !== "object") throw refused(`holds ${typeof value}`);
  if (Array.isArray(value)) {
    return `[${value.map((item: JsonValue) => write(item, depthLeft - 1)).join(",")}]`;
  }
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  const texts = fields.map(([key, item]) => `${writeText(key)}:${write(item, depthLeft - 1)}`);
  return `{${texts.join(",")}}`;
}

/** Half a surrogate pair would become U+FFFD in UTF-8, and two values one. */
function writeText(text: string): string {
  if (utf8Length(text) < 0) throw refused("holds a lone surrogate");
  return JSON.stringify(text);
}

function refused(what: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", `a JSON value ${what}`, {
    details: { field: "json" },
  });
}
