/** Names of the machine as ids: what they look like, and that none passes for another (INV-POSIX-1). */
import { createHash } from "node:crypto";
import { decodeUtf8, validateResource } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns } from "../../../../test/support.js";
import { encodeAccountName, encodeName, shortenId } from "../../src/importers/posix/path-id.js";

const bytesOf = (text: string) => Buffer.from(text, "utf8").toString("latin1");

/** The bytes behind an encoded name, decoded by the definition of percent-encoding. */
function decode(encoded: string): string {
  const raw = bytesOf(encoded);
  return raw.replaceAll(/%([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

describe("a file name", () => {
  it.each([
    ["plain", "libc.so.6", "libc.so.6"],
    ["what subjects and tuples use", "a@b*~(c)", "a@b*~(c)"],
    ["white space", "a b\tc\n", "a%20b%09c%0A"],
    ["hash, colon, percent", "#a:b%", "%23a%3Ab%25"],
    ["what looks encoded already", "%41", "%2541"],
    ["printable UTF-8", bytesOf("d\u00e9j\u00e0 \u{1F600}"), "d\u00e9j\u00e0%20\u{1F600}"],
    ["white space of Unicode", bytesOf("a\u00a0\u2003\u3000b"), "a%C2%A0%E2%80%83%E3%80%80b"],
    ["control characters", "\x01\x7f", "%01%7F"],
    ["C1 control characters", bytesOf("\u0085"), "%C2%85"],
    ["not UTF-8", "\xff\xc3\xa9x", "%FF%C3%A9x"],
    ["a surrogate in UTF-8", "\xed\xa0\x80", "%ED%A0%80"],
  ])("is percent-encoded where the grammar needs it: %s", (_name, name, encoded) => {
    expect(encodeName(name)).toBe(encoded);
  });

  it("of any bytes decodes to those bytes and is a valid id (INV-POSIX-1)", () => {
    const byte = fc.integer({ min: 1, max: 255 }).filter((b) => b !== 0x2f);
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 30 }).map(bytesOf);
    const bytes = fc
      .array(byte, { minLength: 1, maxLength: 60 })
      .map((b) => String.fromCharCode(...b));
    fc.assert(
      fc.property(fc.oneof(text, bytes), (name) => {
        const encoded = encodeName(name);
        expect(decode(encoded)).toBe(name);
        validateResource(`file:${shortenId(`/${encoded}`)}`);
        expect(decode(encodeAccountName(name))).toBe(name);
        validateResource(`user:${shortenId(encodeAccountName(name))}`);
      }),
      propertyRuns("file names", 3_000),
    );
  });
});

describe("an account name", () => {
  it.each([
    ["root", "root"],
    ["www-data", "www-data"],
    ["*", "%2A"],
    ["*x", "%2Ax"],
    ["uid-4711", "uid%2D4711"],
    ["gid-0", "gid%2D0"],
    ["uid-4711x", "uid-4711x"],
    ["DOM\\some one", "DOM\\some%20one"],
  ])("%s is %s", (name, encoded) => expect(encodeAccountName(name)).toBe(encoded));
});

describe("an id", () => {
  const digits = (text: string) =>
    createHash("sha256").update(text, "utf8").digest("hex").slice(0, 16);

  it("of 200 bytes stays, of 201 is cut to 160 bytes, ~ and 16 digits of its hash", () => {
    const fits = `/${"a".repeat(199)}`;
    const long = `${fits}b`;
    expect(shortenId(fits)).toBe(fits);
    expect(shortenId(long)).toBe(`/${"a".repeat(159)}~${digits(long)}`);
  });

  it("is not cut inside a character", () => {
    for (let shift = 0; shift < 4; shift++) {
      const long = `/${"a".repeat(shift)}${"\u{1F600}".repeat(60)}`;
      const short = shortenId(long);
      expect(short.endsWith(`~${digits(long)}`)).toBe(true);
      expect(long.startsWith(short.slice(0, -17))).toBe(true);
      expect(Buffer.byteLength(short)).toBeGreaterThan(160 + 17 - 4);
      expect(Buffer.byteLength(short)).toBeLessThanOrEqual(160 + 17);
      expect(decodeUtf8(Buffer.from(short, "utf8"))).toBe(short);
      validateResource(`file:${short}`);
    }
  });

  it("that only looks shortened is changed, so that it cannot borrow a long path's id (INV-POSIX-1)", () => {
    for (const long of [
      `/${"a".repeat(300)}`,
      `/${"\u{1F600}".repeat(90)}`,
      `/a${"\u00e9".repeat(190)}`,
    ]) {
      const impostor = shortenId(long);
      expect(shortenId(impostor)).not.toBe(impostor);
      expect(shortenId(impostor)).toBe(impostor.replace(/~(?=[0-9a-f]{16}$)/, "%7E"));
    }
    expect(shortenId("/tmp/x~0123456789abcdef")).toBe("/tmp/x~0123456789abcdef");
  });
});
