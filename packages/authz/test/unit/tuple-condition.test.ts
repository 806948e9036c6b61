/** The stored form of a tuple's condition: one encoding, and nothing else is taken for it. */
import { toHex, utf8 } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns } from "../../../../test/support.js";
import {
  decodeTupleCondition,
  encodeTupleCondition,
  TUPLE_CONTEXT_BYTES_MAX,
} from "../../src/condition/tuple-condition.js";

const names = fc.stringMatching(/^[a-z_]{1,20}$/);
const contexts = fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue()) as fc.Arbitrary<
  Record<string, never>
>;

describe("INV-MODEL-3 a condition has one encoding", () => {
  it("which is these bytes", () => {
    const bytes = encodeTupleCondition({ name: "in", context: { b: 1, a: "x" } });
    expect(toHex(bytes)).toBe(
      `010002${toHex(utf8("in"))}0000000f${toHex(utf8('{"a":"x","b":1}'))}`,
    );
  });

  it("and decodes to what was encoded", () => {
    fc.assert(
      fc.property(names, contexts, (name, context) => {
        const bytes = encodeTupleCondition({ name, context });
        const back = decodeTupleCondition(bytes);
        expect(back.name).toBe(name);
        expect(JSON.stringify(back.context)).toBe(
          JSON.stringify(decodeTupleCondition(encodeTupleCondition(back)).context),
        );
        expect(encodeTupleCondition(back)).toEqual(bytes);
      }),
      propertyRuns("conditions round trip", 100),
    );
  });

  it("every other byte is another condition or none", () => {
    fc.assert(
      fc.property(
        names,
        contexts,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (name, context, at, flip) => {
          const bytes = encodeTupleCondition({ name, context });
          bytes[at % bytes.length]! ^= flip;
          let decoded: ReturnType<typeof decodeTupleCondition>;
          try {
            decoded = decodeTupleCondition(bytes);
          } catch (error) {
            expect(error).toMatchObject({ code: "CODEC_DECODE" });
            return;
          }
          expect(encodeTupleCondition(decoded)).toEqual(bytes);
        },
      ),
      { ...propertyRuns("conditions with a flipped byte", 100), endOnFailure: true },
    );
  });

  const other = (json: string) => {
    const good = encodeTupleCondition({ name: "c", context: {} });
    const head = good.slice(0, 4);
    const text = utf8(json);
    return new Uint8Array([...head, 0, 0, 0, text.length, ...text]);
  };
  it.each([
    "{ }",
    '{"b":1,"a":1}',
    '{"a":1,"a":1}',
    '{"a":1.0}',
    '{"a":1e0}',
    "[]",
    "null",
    "",
    "{",
    '{"a":1e999}',
  ])("a context written as %j is refused", (json) => {
    expect(() => decodeTupleCondition(other(json))).toThrowError(
      expect.objectContaining({ code: "CODEC_DECODE" }) as Error,
    );
  });

  it("what is over its limit, or is no JSON, is not encoded", () => {
    const long = "x".repeat(TUPLE_CONTEXT_BYTES_MAX);
    expect(() => encodeTupleCondition({ name: "c", context: { long } })).toThrow(/the limit/);
    expect(() => encodeTupleCondition({ name: "", context: {} })).toThrow(/empty/);
    expect(() => encodeTupleCondition({ name: "c", context: { a: "\ud800" } })).toThrow(
      /surrogate/,
    );
    expect(() => encodeTupleCondition({ name: "c", context: { a: Number.NaN } })).toThrow(/NaN/);
  });
});
