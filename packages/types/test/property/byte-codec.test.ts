/** ByteWriter and ByteReader are inverse, and hostile bytes meet nothing but CODEC_DECODE (L-26 to L-28). */
import { ByteReader, ByteWriter, LedgerError, utf8 } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, thrownBy } from "../../../../test/support.js";

const text = fc.string({ unit: "binary", maxLength: 80 });
const step = fc.oneof(
  fc.record({ op: fc.constant("u8" as const), value: fc.integer({ min: 0, max: 0xff }) }),
  fc.record({ op: fc.constant("u16" as const), value: fc.integer({ min: 0, max: 0xffff }) }),
  fc.record({ op: fc.constant("u32" as const), value: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  fc.record({
    op: fc.constant("u64" as const),
    value: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  }),
  fc.record({ op: fc.constant("safeU64" as const), value: fc.maxSafeNat() }),
  fc.record({ op: fc.constant("varint" as const), value: fc.maxSafeNat() }),
  fc.record({ op: fc.constant("lp16" as const), value: text }),
  fc.record({ op: fc.constant("lp32" as const), value: fc.uint8Array({ maxLength: 400 }) }),
  fc.record({ op: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 400 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function write(writer: ByteWriter, { op, value }: Step): void {
  switch (op) {
    case "safeU64":
      writer.u64(value);
      return;
    case "u64":
      writer.u64(value);
      return;
    case "lp16":
      writer.lp16(value);
      return;
    case "lp32":
      writer.lp32(value);
      return;
    case "bytes":
      writer.bytes(value);
      return;
    default:
      writer[op](value);
  }
}

function read(reader: ByteReader, { op, value }: Step): unknown {
  return op === "bytes" ? reader.bytes(value.length, "field") : reader[op]("field");
}

describe("what ByteWriter writes", () => {
  it("ByteReader reads back equal, to the last byte, whatever the mix", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), fc.nat(64), (steps, capacity) => {
        const writer = new ByteWriter(capacity);
        for (const one of steps) write(writer, one);
        expect(writer.view()).toEqual(writer.finish());
        const reader = new ByteReader(writer.finish(), "test");
        for (const one of steps) expect(read(reader, one)).toEqual(one.value);
        expect(() => reader.end()).not.toThrow();
      }),
      propertyRuns("byte codec", 1_000),
    );
  });

  it("is deterministic, and the same after clear as in a new writer", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 10 }), fc.array(step, { maxLength: 10 }), (a, b) => {
        const [used, fresh] = [new ByteWriter(), new ByteWriter()];
        for (const one of a) write(used, one);
        used.clear();
        for (const one of b) {
          write(used, one);
          write(fresh, one);
        }
        expect(used.finish()).toEqual(fresh.finish());
      }),
      propertyRuns("byte codec clear", 300),
    );
  });

  it("is big-endian, as everything that is hashed", () => {
    const bytes = new ByteWriter().u16(0x0102).u32(0x03040506).u64(0x0708090a0b0c0d0en).finish();
    expect([...bytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    expect(new ByteWriter().u64(2 ** 53 - 1).finish()).toEqual(
      new ByteWriter().u64(2n ** 53n - 1n).finish(),
    );
  });

  it.each([
    [0, [0x00]],
    [127, [0x7f]],
    [128, [0x80, 0x01]],
    [16_384, [0x80, 0x80, 0x01]],
    [Number.MAX_SAFE_INTEGER, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])("has %i as the shortest LEB128", (value, expected) => {
    expect([...new ByteWriter().varint(value).finish()]).toEqual(expected);
  });

  it("has texts of any length and alphabet as TextEncoder writes them", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (value) => {
        expect(new ByteWriter(1).utf8(value).finish()).toEqual(utf8(value));
      }),
      propertyRuns("utf8 writer", 1_000),
    );
  });
});

describe("a value that does not fit", () => {
  const wrong: readonly [string, (writer: ByteWriter) => unknown][] = [
    ["u8 256", (w) => w.u8(256)],
    ["u8 -1", (w) => w.u8(-1)],
    ["u8 0.5", (w) => w.u8(0.5)],
    ["u8 NaN", (w) => w.u8(Number.NaN)],
    ["u16 65536", (w) => w.u16(65_536)],
    ["u32 2^32", (w) => w.u32(2 ** 32)],
    ["u64 2^53 as a number", (w) => w.u64(2 ** 53)],
    ["u64 2^64", (w) => w.u64(2n ** 64n)],
    ["u64 -1", (w) => w.u64(-1n)],
    ["varint 2^53", (w) => w.varint(2 ** 53)],
    ["varint -1", (w) => w.varint(-1)],
    ["lp16 of 65,536 bytes", (w) => w.lp16("x".repeat(65_536))],
    ["lp16 of 65,538 bytes in three-byte characters", (w) => w.lp16("\u2603".repeat(21_846))],
  ];

  it.each(wrong)("%s is refused with CODEC_ENCODE and leaves nothing behind", (_name, run) => {
    const writer = new ByteWriter(4).u8(7);
    expect(thrownBy(() => run(writer)).code).toBe("CODEC_ENCODE");
    expect([...writer.u8(8).finish()]).toEqual([7, 8]);
  });

  it("65,535 bytes are the longest lp16", () => {
    expect(new ByteWriter().lp16("x".repeat(65_535)).length).toBe(65_537);
  });
});

describe("hostile bytes", () => {
  const ops = ["u8", "u16", "u32", "u64", "safeU64", "varint", "lp16", "lp32"] as const;
  const program = fc.array(fc.constantFrom(...ops), { minLength: 1, maxLength: 20 });

  it("throw nothing but CODEC_DECODE, with the field and an offset inside the input", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), program, (bytes, steps) => {
        const reader = new ByteReader(bytes, "hostile");
        try {
          for (const op of steps) reader[op]("victim");
          reader.end();
        } catch (error) {
          if (!(error instanceof LedgerError)) throw error;
          expect(error.code).toBe("CODEC_DECODE");
          expect(error.details["offset"]).toBeLessThanOrEqual(bytes.length);
          expect(error.message).toContain("hostile");
        }
        expect(reader.remaining).toBeGreaterThanOrEqual(0);
      }),
      propertyRuns("hostile bytes", 5_000),
    );
  });

  it("cut anywhere are refused: no prefix of an encoding reads as the whole", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
        const writer = new ByteWriter();
        for (const one of steps) write(writer, one);
        const whole = writer.finish();
        for (let length = 0; length < whole.length; length++) {
          const reader = new ByteReader(whole.subarray(0, length), "cut");
          const error = thrownBy(() => {
            for (const one of steps) read(reader, one);
          });
          expect(error.code).toBe("CODEC_DECODE");
        }
      }),
      propertyRuns("cut bytes", 100),
    );
  });

  it("with more than was read are refused at the end", () => {
    const reader = new ByteReader(Uint8Array.of(1, 2), "tail");
    reader.u8("first");
    expect(thrownBy(() => reader.end()).message).toBe("tail: end at byte 1 has 1 bytes left over");
  });

  it("cannot announce a length that is then allocated", () => {
    const reader = new ByteReader(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1), "bomb");
    const error = thrownBy(() => reader.lp32("payload"));
    expect(error.message).toBe("bomb: payload at byte 4 needs 4294967295 bytes, 1 are left");
  });

  it.each([-1, Number.NaN])("do not move the reader back by a length of %d", (length) => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3), "back");
    reader.u16("first");
    expect(thrownBy(() => reader.bytes(length, "rest")).code).toBe("CODEC_DECODE");
    expect(reader.offset).toBe(2);
  });

  it.each([
    ["a longer form of 0", [0x80, 0x00], "shortest"],
    ["a longer form of 1", [0x81, 0x80, 0x00], "shortest"],
    ["2^53", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], "2^53"],
    ["nine bytes", [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], "2^53"],
    ["a cut", [0x80], "needs 1 bytes"],
  ])("a varint with %s is refused", (_what, bytes, why) => {
    const reader = new ByteReader(Uint8Array.from(bytes), "varint");
    expect(thrownBy(() => reader.varint("n")).message).toContain(why);
  });

  it.each([2n ** 53n, 2n ** 54n, 2n ** 63n, 2n ** 64n - 1n])(
    "the u64 %d is refused where a safe integer must be",
    (value) => {
      const bytes = new ByteWriter().u64(value).finish();
      expect(new ByteReader(bytes, "wide").u64("n")).toBe(value);
      const error = thrownBy(() => new ByteReader(bytes, "wide").safeU64("n"));
      expect(error.message).toBe("wide: n at byte 0 is larger than 2^53 - 1");
    },
  );

  it("a text that is not UTF-8 is refused at its own offset", () => {
    const reader = new ByteReader(Uint8Array.of(9, 0, 2, 0xc3, 0x28), "text");
    reader.u8("first");
    const error = thrownBy(() => reader.lp16("name"));
    expect(error.details).toEqual({ field: "name", offset: 3 });
  });

  it("are read in a view that does not start where its buffer does", () => {
    const view = Uint8Array.of(9, 9, 9, 1, 2, 3, 4).subarray(3);
    expect(new ByteReader(view, "view").u32("n")).toBe(0x01020304);
  });
});
