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
