/**
 * Fixed layouts on disk and on the wire, described once.
 *
 * From one list of fields come the encoder, the decoder, the table in `docs/format.md` and the dump that
 * `authledger debug` prints, so they cannot disagree.
 *
 *   INV-LAYOUT-1  Fields lie one after the other without gaps; every byte belongs to exactly one field.
 */
import { assert } from "./assert.js";
import { toHex } from "./bytes.js";
import { LedgerError } from "./ledger-error.js";

/** Integers of up to 53 significant bits are numbers; `bytes` are views. */
export type FieldType = "u8" | "u16" | "u32" | "u48" | "u64" | "bytes";

export interface Field {
  readonly name: string;
  readonly type: FieldType;
  /** Length of a `bytes` field. */
  readonly size?: number;
  /** What it is, and the fault it defends against where it does. */
  readonly doc: string;
}

const SIZES = { u8: 1, u16: 2, u32: 4, u48: 6, u64: 8 } as const;

/** What a layout reads and writes: a property for each field. */
export type LayoutValue<F extends readonly Field[]> = {
  [K in F[number] as K["name"]]: K["type"] extends "bytes" ? Uint8Array : number;
};

export interface FieldPosition extends Field {
  readonly offset: number;
  readonly size: number;
}

export interface Layout<F extends readonly Field[]> {
  readonly name: string;
  readonly littleEndian: boolean;
  /** Length of the whole layout in bytes. */
  readonly size: number;
  readonly fields: readonly FieldPosition[];
  offsetOf(name: F[number]["name"]): number;
  /** Reads at `offset`. `bytes` fields are views into `from`. @throws LedgerError CODEC_DECODE when too short */
  read(from: Uint8Array, offset?: number): LayoutValue<F>;
  /** Writes all fields at `offset`. @throws LedgerError CODEC_ENCODE when a value does not fit */
  write(to: Uint8Array, value: LayoutValue<F>, offset?: number): void;
}

/** What the functions for people need of a layout, whatever its fields are. */
export interface AnyLayout {
  readonly fields: readonly FieldPosition[];
  read(from: Uint8Array, offset?: number): object;
}

/**
 * @example
 * const layout = defineLayout("point", [{ name: "x", type: "u16", doc: "..." }] as const, { littleEndian: true });
 */
export function defineLayout<const F extends readonly Field[]>(
  name: string,
  fields: F,
  options: { readonly littleEndian: boolean },
): Layout<F> {
  const positions = place(fields);
  const size = positions.reduce((sum, field) => sum + field.size, 0);
  const byName = new Map(positions.map((field) => [field.name, field]));
  assert(byName.size === positions.length, "INV-LAYOUT-1: each field has a name of its own", {
    name,
  });
  const { littleEndian } = options;
  return {
    name,
    littleEndian,
    size,
    fields: positions,
    offsetOf(fieldName) {
      const field = byName.get(fieldName);
      assert(field !== undefined, "the layout has this field", { name, fieldName });
      return field.offset;
    },
    read(from, offset = 0) {
      if (from.length - offset < size) {
        const message = `${name} needs ${size} bytes, ${from.length - offset} are there`;
        throw new LedgerError("CODEC_DECODE", message);
      }
      const view = new DataView(from.buffer, from.byteOffset, from.byteLength);
      const entries = positions.map((field) => [
        field.name,
        readField(view, from, offset + field.offset, field, littleEndian),
      ]);
      return Object.fromEntries(entries) as LayoutValue<F>;
    },
    write(to, value, offset = 0) {
      assert(to.length - offset >= size, "the layout fits where it is written", { name, offset });
      const view = new DataView(to.buffer, to.byteOffset, to.byteLength);
      const values = value as Readonly<Record<string, number | Uint8Array>>;
      for (const field of positions) {
        writeField(view, to, offset + field.offset, field, values[field.name], littleEndian);
      }
    },
  };
}

/** The layout as a Markdown table, for `docs/format.md`. */
export function layoutTable(layout: AnyLayout): string {
  const rows = layout.fields.map((f) => `| ${f.offset} | ${f.size} | ${f.name} | ${f.doc} |`);
  return ["| offset | bytes | field | meaning |", "|---|---|---|---|", ...rows].join("\n");
}

/** The fields of an encoded value as lines of text, for people who debug. */
export function describeLayout(layout: AnyLayout, from: Uint8Array, offset = 0): string[] {
  const value = layout.read(from, offset) as Readonly<Record<string, number | Uint8Array>>;
  const width = Math.max(...layout.fields.map((field) => field.name.length));
  return layout.fields.map((field) => {
    const content = value[field.name];
    const shown = content instanceof Uint8Array ? toHex(content) : String(content);
    return `${String(field.offset).padStart(5)}  ${field.name.padEnd(width)}  ${shown}`;
  });
}

function place(fields: readonly Field[]): FieldPosition[] {
  let offset = 0;
  return fields.map((field) => {
    const size = field.type === "bytes" ? field.size : SIZES[field.type];
    assert(size !== undefined && size > 0, "a bytes field states its size", { field: field.name });
    const position = { ...field, offset, size };
    offset += size;
    return position;
  });
}

function readField(
  view: DataView,
  from: Uint8Array,
  at: number,
  field: FieldPosition,
  little: boolean,
): number | Uint8Array {
  switch (field.type) {
    case "u8":
      return view.getUint8(at);
    case "u16":
      return view.getUint16(at, little);
    case "u32":
      return view.getUint32(at, little);
    case "u48":
      return little
        ? view.getUint32(at, true) + view.getUint16(at + 4, true) * 0x1_0000_0000
        : view.getUint16(at) * 0x1_0000_0000 + view.getUint32(at + 2);
    case "u64": {
      const high = view.getUint32(little ? at + 4 : at, little);
      if (high > 0x1f_ffff) {
        throw new LedgerError("CODEC_DECODE", `${field.name} is larger than 2^53 - 1`);
      }
      return high * 0x1_0000_0000 + view.getUint32(little ? at : at + 4, little);
    }
    case "bytes":
      return from.subarray(at, at + field.size);
  }
}

function writeField(
  view: DataView,
  to: Uint8Array,
  at: number,
  field: FieldPosition,
  value: number | Uint8Array | undefined,
  little: boolean,
): void {
  if (field.type === "bytes") {
    if (!(value instanceof Uint8Array) || value.length !== field.size) {
      throw unfit(field, `needs ${field.size} bytes`);
    }
    to.set(value, at);
    return;
  }
  const max = field.type === "u64" ? Number.MAX_SAFE_INTEGER : 2 ** (field.size * 8) - 1;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max) {
    throw unfit(field, `is ${String(value)}, which does not fit ${field.type}`);
  }
  writeInteger(view, at, field.size, value, little);
}

/** Byte by byte: layouts are written once per page, segment or slot, not per record. */
function writeInteger(
  view: DataView,
  at: number,
  size: number,
  value: number,
  little: boolean,
): void {
  let rest = value;
  for (let i = 0; i < size; i++) {
    view.setUint8(little ? at + i : at + size - 1 - i, rest % 256);
    rest = Math.floor(rest / 256);
  }
}

function unfit(field: FieldPosition, why: string): LedgerError {
  return new LedgerError("CODEC_ENCODE", `${field.name} ${why}`);
}
