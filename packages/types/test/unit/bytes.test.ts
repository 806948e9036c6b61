import {
  compareBytes,
  concatBytes,
  constantTimeEqual,
  decodeUtf8,
  equalBytes,
  fromHex,
  toHex,
  utf8,
  utf8Length,
} from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, thrownBy } from "../../../../test/support.js";

const bytes = fc.uint8Array({ maxLength: 40 });
/** Pairs that share a prefix, where comparing goes wrong if anywhere. */
const pair = fc
  .tuple(bytes, bytes, bytes)
  .map(([prefix, a, b]) => [concatBytes(prefix, a), concatBytes(prefix, b)] as const);

describe("comparing bytes", () => {
  it("orders as unsigned bytes, shorter first, like Buffer.compare", () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
      }),
      propertyRuns("compareBytes", 2_000),
    );
  });

  it("finds equal what is equal and nothing else, in both ways", () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const same = Buffer.compare(a, b) === 0;
        expect([equalBytes(a, b), constantTimeEqual(a, b)]).toEqual([same, same]);
        expect([equalBytes(a, a.slice()), constantTimeEqual(a, a.slice())]).toEqual([true, true]);
      }),
      propertyRuns("equalBytes", 2_000),
    );
  });

  it("sees a difference in any single bit of 32 bytes", () => {
    for (let bit = 0; bit < 256; bit++) {
      const [a, b] = [new Uint8Array(32), new Uint8Array(32)];
      b[bit >> 3] = 1 << (bit & 7);
      expect([equalBytes(a, b), constantTimeEqual(a, b)]).toEqual([false, false]);
    }
  });
});

describe("hexadecimal", () => {
  it("round trips, and reads both cases", () => {
    fc.assert(
      fc.property(bytes, (b) => {
        expect(toHex(b)).toBe(Buffer.from(b).toString("hex"));
        expect(fromHex(toHex(b))).toEqual(b);
        expect(fromHex(toHex(b).toUpperCase())).toEqual(b);
      }),
      propertyRuns("hex", 500),
    );
  });

  it.each(["0", "0g", "0x00", " 00", "00 ", "00\n", "\u0660\u0660", "-1"])("refuses %j", (text) => {
    expect(thrownBy(() => fromHex(text)).code).toBe("CODEC_DECODE");
  });
});

describe("UTF-8", () => {
  it("round trips well-formed text and knows its length", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        expect(decodeUtf8(utf8(text))).toBe(text);
        expect(utf8Length(text)).toBe(utf8(text).length);
      }),
      propertyRuns("utf8", 2_000),
    );
  });

  it("keeps a byte order mark as the character it is", () => {
    expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe("\ufeffa");
  });

  it.each([
    ["a stray continuation", [0x80]],
    ["a cut sequence", [0xe2, 0x98]],
    ["an overlong form", [0xc0, 0xaf]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["a code point over U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
    ["0xff", [0xff]],
  ])("refuses %s", (_what, raw) => {
    expect(decodeUtf8(Uint8Array.from(raw))).toBeUndefined();
  });

  it.each(["\ud800", "a\udc00", "\ud800\ud800", "\udc00\ud800", "\ud800\ue000"])(
    "a lone surrogate has no length",
    (text) => {
      expect(utf8Length(text)).toBe(-1);
    },
  );
});
