import { createHash } from "node:crypto";
import { NodeHasher } from "@authledger/io";
import { toHex } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns } from "../../../../test/support.js";

const hasher = new NodeHasher();
const expected = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");

describe("NodeHasher", () => {
  it("has the published digests of nothing and of abc (FIPS 180-4)", () => {
    expect(toHex(hasher.sha256(new Uint8Array()))).toBe(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    expect(toHex(hasher.sha256(new TextEncoder().encode("abc")))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  it("equals createHash for any bytes, also in a view", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(20), (data, from) => {
        expect(toHex(hasher.sha256(data))).toBe(expected(data));
        const view = data.subarray(from);
        expect(toHex(hasher.sha256(view))).toBe(expected(view));
      }),
      propertyRuns("hasher", 500),
    );
  });

  it("writes 32 bytes in place, over its own input too, and touches nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 40, maxLength: 120 }), fc.nat(8), (data, offset) => {
        const buffer = data.slice();
        hasher.sha256Into(buffer, buffer, offset);
        expect(toHex(buffer.subarray(offset, offset + 32))).toBe(expected(data));
        expect(buffer.subarray(0, offset)).toEqual(data.subarray(0, offset));
        expect(buffer.subarray(offset + 32)).toEqual(data.subarray(offset + 32));
      }),
      propertyRuns("hasher into", 300),
    );
  });

  it("equals createHash for a megabyte", () => {
    const data = new Uint8Array(1 << 20).map((_, i) => i * 31);
    expect(toHex(hasher.sha256(data))).toBe(expected(data));
  });
});
