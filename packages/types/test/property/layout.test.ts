/** Any layout reads back what it wrote, in both byte orders, and hostile bytes meet only CODEC_DECODE. */
import { defineLayout, type Field, LedgerError } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns } from "../../../../test/support.js";

const MAX = { u8: 2 ** 8, u16: 2 ** 16, u32: 2 ** 32, u48: 2 ** 48, u64: 2 ** 53 } as const;

interface Sample {
  readonly field: Field;
  readonly value: number | Uint8Array;
}

const integer = fc
  .constantFrom("u8" as const, "u16" as const, "u32" as const, "u48" as const, "u64" as const)
  .chain((type) =>
    fc.integer({ min: 0, max: MAX[type] - 1 }).map((value) => ({
      field: { name: "", type, doc: "An integer." },
      value,
    })),
  );
const raw = fc.uint8Array({ minLength: 1, maxLength: 40 }).map((value) => ({
  field: { name: "", type: "bytes" as const, size: value.length, doc: "Bytes." },
  value,
}));
const samples: fc.Arbitrary<Sample[]> = fc
  .array(fc.oneof(integer, raw), { minLength: 1, maxLength: 12 })
  .map((list) => list.map((s, i) => ({ ...s, field: { ...s.field, name: `f${i}` } })));

describe("layouts", () => {
  it("read back what they wrote, in either byte order, at any offset", () => {
    fc.assert(
      fc.property(samples, fc.boolean(), fc.nat(9), (list, littleEndian, offset) => {
        const layout = defineLayout(
          "any",
          list.map(({ field }) => field),
          { littleEndian },
        );
        const value = Object.fromEntries(list.map(({ field, value }) => [field.name, value]));
        const bytes = new Uint8Array(layout.size + offset);
        layout.write(bytes, value as never, offset);
        expect(layout.read(bytes, offset)).toEqual(value);
      }),
      propertyRuns("layout round trip", 1_000),
    );
  });

  it("throw nothing but CODEC_DECODE at hostile bytes", () => {
    fc.assert(
      fc.property(
        samples,
        fc.boolean(),
        fc.uint8Array({ maxLength: 90 }),
        (list, little, bytes) => {
          const layout = defineLayout(
            "any",
            list.map(({ field }) => field),
            { littleEndian: little },
          );
          try {
            layout.read(bytes);
            expect(bytes.length).toBeGreaterThanOrEqual(layout.size);
          } catch (error) {
            if (!(error instanceof LedgerError)) throw error;
            expect(error.code).toBe("CODEC_DECODE");
          }
        },
      ),
      propertyRuns("layout hostile", 1_000),
    );
  });
});
