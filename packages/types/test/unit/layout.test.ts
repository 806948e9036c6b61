import {
  AssertionError,
  concatBytes,
  defineLayout,
  describeLayout,
  layoutTable,
  toHex,
} from "@authledger/types";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";

const fields = [
  { name: "magic", type: "bytes", size: 2, doc: "Two letters." },
  { name: "kind", type: "u8", doc: "What follows." },
  { name: "flags", type: "u16", doc: "Bits." },
  { name: "size", type: "u32", doc: "Bytes." },
  { name: "page", type: "u48", doc: "Page number." },
  { name: "txid", type: "u64", doc: "Transaction." },
] as const;
const value = {
  magic: Uint8Array.of(0xaa, 0xbb),
  kind: 0x01,
  flags: 0x0203,
  size: 0x04050607,
  page: 0x08090a0b0c0d,
  txid: 0x000e0f1011121314,
};
const BIG = "aabb 01 0203 04050607 08090a0b0c0d 000e0f1011121314";
const LITTLE = "aabb 01 0302 07060504 0d0c0b0a0908 14131211100f0e00";

function layoutOf(littleEndian: boolean) {
  return defineLayout("sample", fields, { littleEndian });
}

function encode(littleEndian: boolean): Uint8Array {
  const layout = layoutOf(littleEndian);
  const bytes = new Uint8Array(layout.size);
  layout.write(bytes, value);
  return bytes;
}

describe("a layout", () => {
  it("INV-LAYOUT-1: places its fields one after the other without gaps", () => {
    const layout = layoutOf(true);
    let end = 0;
    for (const field of layout.fields) {
      expect(field.offset).toBe(end);
      end += field.size;
    }
    expect([end, layout.size]).toEqual([23, 23]);
    expect(layout.offsetOf("page")).toBe(9);
  });

  it("writes both byte orders as the tables say", () => {
    expect(toHex(encode(false))).toBe(BIG.replaceAll(" ", ""));
    expect(toHex(encode(true))).toBe(LITTLE.replaceAll(" ", ""));
  });

  it.each([true, false])("reads back what it wrote (little-endian: %s)", (littleEndian) => {
    expect(layoutOf(littleEndian).read(encode(littleEndian))).toEqual(value);
  });

  it("reads and writes at an offset and touches nothing else", () => {
    const layout = layoutOf(true);
    const bytes = new Uint8Array(layout.size + 10).fill(0xee);
    layout.write(bytes, value, 4);
    expect(layout.read(bytes, 4)).toEqual(value);
    expect(toHex(concatBytes(bytes.subarray(0, 4), bytes.subarray(-6)))).toBe("ee".repeat(10));
  });

  it("reads inside a view that does not start where its buffer does", () => {
    const shifted = concatBytes(new Uint8Array(5), encode(true)).subarray(5);
    expect(layoutOf(true).read(shifted)).toEqual(value);
  });

  it("hands out bytes as views, not copies", () => {
    const bytes = encode(true);
    const read = layoutOf(true).read(bytes);
    bytes[0] = 0xcc;
    expect(read.magic[0]).toBe(0xcc);
  });

  it.each([0, 1, 22])("refuses to read from %i bytes of 23", (length) => {
    const error = thrownBy(() => layoutOf(true).read(encode(true).subarray(0, length)));
    expect(error.code).toBe("CODEC_DECODE");
  });

  it("refuses to read a u64 over 2^53 - 1 and reads 2^53 - 1 itself", () => {
    for (const littleEndian of [true, false]) {
      const layout = defineLayout("one", [{ name: "n", type: "u64", doc: "A number." }], {
        littleEndian,
      });
      const bytes = new Uint8Array(8);
      const view = new DataView(bytes.buffer);
      view.setBigUint64(0, 2n ** 53n - 1n, littleEndian);
      expect(layout.read(bytes).n).toBe(Number.MAX_SAFE_INTEGER);
      view.setBigUint64(0, 2n ** 53n, littleEndian);
      expect(thrownBy(() => layout.read(bytes)).code).toBe("CODEC_DECODE");
    }
  });

  it.each([
    ["kind", 256],
    ["kind", -1],
    ["flags", 65_536],
    ["size", 2 ** 32],
    ["page", 2 ** 48],
    ["txid", 2 ** 53],
    ["txid", 0.5],
    ["txid", Number.NaN],
    ["magic", new Uint8Array(1)],
    ["magic", new Uint8Array(3)],
  ])("refuses to write %s = %s", (name, wrong) => {
    const layout = layoutOf(true);
    const bytes = new Uint8Array(layout.size);
    const error = thrownBy(() => layout.write(bytes, { ...value, [name]: wrong }));
    expect(error.code).toBe("CODEC_ENCODE");
    expect(error.message).toContain(name);
  });

  it("asserts that it is written where it fits", () => {
    const layout = layoutOf(true);
    expect(() => layout.write(new Uint8Array(22), value)).toThrow(AssertionError);
    expect(() => layout.write(new Uint8Array(23), value, 1)).toThrow(AssertionError);
  });

  it("asserts that bytes have a size and names are not given twice", () => {
    const twice = [
      { name: "a", type: "u8", doc: "One." },
      { name: "a", type: "u8", doc: "Two." },
    ] as const;
    const unsized = [{ name: "a", type: "bytes", doc: "How many?" }] as const;
    for (const bad of [twice, unsized]) {
      expect(() => defineLayout("bad", bad, { littleEndian: true })).toThrow(AssertionError);
    }
  });
});

describe("what people see of a layout", () => {
  it("is a table with offset, size, name and meaning", () => {
    expect(layoutTable(layoutOf(true)).split("\n")).toEqual([
      "| offset | bytes | field | meaning |",
      "|---|---|---|---|",
      "| 0 | 2 | magic | Two letters. |",
      "| 2 | 1 | kind | What follows. |",
      "| 3 | 2 | flags | Bits. |",
      "| 5 | 4 | size | Bytes. |",
      "| 9 | 6 | page | Page number. |",
      "| 15 | 8 | txid | Transaction. |",
    ]);
  });

  it("is a dump of values, bytes in hexadecimal", () => {
    const dump = describeLayout(layoutOf(true), encode(true));
    expect(dump[0]).toBe("    0  magic  aabb");
    expect(dump[4]).toBe(`    9  page   ${0x08090a0b0c0d}`);
  });
});
