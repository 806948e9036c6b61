/** Values that commands print, and their JSON: u64 as decimal strings, bytes in hex. */
import { toHex } from "@authledger/types";

export type Printable =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly Printable[]
  | { readonly [name: string]: Printable };

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** What JSON leaves as it is and a terminal may obey: C1 controls, line separators, marks that reorder a line. */
const OBEYED = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** JSON whose strings cannot steer a terminal. */
export function jsonText(value: JsonValue, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(
    OBEYED,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** What is undefined is left out. */
export function jsonOf(value: Printable): JsonValue {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return (value as readonly Printable[]).map(jsonOf);
  if (value === null || value === undefined) return null;
  if (typeof value !== "object") return value;
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(fields.map(([name, field]) => [name, jsonOf(field)]));
}
