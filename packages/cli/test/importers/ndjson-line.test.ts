/** The lines that are operations and the lines that are refused, each with its reason. */
import { formatTuple, limits, type Tuple, utf8, validateTuple } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns } from "../../../../test/support.js";
import { parseNdjsonLine } from "../../src/importers/ndjson/ndjson-line.js";

const TUPLE: Tuple = { resource: "document:budget", relation: "viewer", subject: "user:alice" };
const PARTS = `"resource":"document:budget","relation":"viewer","subject":"user:alice"`;
const TEXT = `"tuple":"document:budget#viewer@user:alice"`;
const create = (expiresAtMs = 0) => ({ op: "create_tuple", tuple: TUPLE, expiresAtMs });
const set = (key: string, value: Uint8Array, expiresAtMs = 0) => {
  return { op: "set_entity", key, value, expiresAtMs, condition: { kind: "none" } };
};

describe("a line", () => {
  it.each<[string, string, object]>([
    ["tuple in parts", `{${PARTS}}`, create()],
    ["tuple as text", `{${TEXT}}`, create()],
    ["spaces and tabs", `  { "op" : "write" ,\t${TEXT} } \t`, create()],
    ["a carriage return", `{${TEXT}}\r`, create()],
    ["expiry as number", `{${TEXT},"expires_at_ms":1893456000000}`, create(1893456000000)],
    [
      "expiry as decimal string",
      `{${TEXT},"expires_at_ms":"9007199254740991"}`,
      create(2 ** 53 - 1),
    ],
    ["no expiry as 0", `{${TEXT},"expires_at_ms":0}`, create()],
    ["no expiry as -0", `{${TEXT},"expires_at_ms":-0}`, create()],
    ["RFC 3339 time", `{${TEXT},"expires_at":"2030-01-01T00:00:00Z"}`, create(1893456000000)],
    [
      "time with offset",
      `{${TEXT},"expires_at":"2030-01-01t01:30:00+01:30"}`,
      create(1893456000000),
    ],
    [
      "time with negative offset",
      `{${TEXT},"expires_at":"2029-12-31T23:00:00-01:00"}`,
      create(1893456000000),
    ],
    [
      "fraction, cut to ms",
      `{${TEXT},"expires_at":"2030-01-01T00:00:00.1239Z"}`,
      create(1893456000123),
    ],
    [
      "fraction of one digit",
      `{${TEXT},"expires_at":"2030-01-01T00:00:00.5z"}`,
      create(1893456000500),
    ],
    ["29 February", `{${TEXT},"expires_at":"2028-02-29T00:00:00Z"}`, create(1835395200000)],
    ["the first millisecond", `{${TEXT},"expires_at":"1970-01-01T00:00:00.001Z"}`, create(1)],
    ["delete of a tuple", `{"op":"delete",${PARTS}}`, { op: "delete_tuple", tuple: TUPLE }],
    ["entity", `{"key":"user:alice:theme","value":"dark"}`, set("user:alice:theme", utf8("dark"))],
    ["empty value", `{"key":"k","value":""}`, set("k", new Uint8Array())],
    [
      "escaped quotes and colons",
      `{"key":"k","value":"a\\\\\\":\\"b\\\\"}`,
      set("k", utf8('a\\":"b\\')),
    ],
    ["bytes", `{"key":"k","value_base64":"AP+A"}`, set("k", Uint8Array.of(0, 255, 128))],
    ["entity with expiry", `{"key":"k","value":"v","expires_at_ms":7}`, set("k", utf8("v"), 7)],
    [
      "delete of an entity",
      `{"op":"delete","key":"k"}`,
      { op: "delete_entity", key: "k", condition: { kind: "none" } },
    ],
    ["escaped name of a field", `{"\\u006bey":"k","value":"v"}`, set("k", utf8("v"))],
  ])("is an operation: %s", (_name, line, operation) => {
    expect(parseNdjsonLine(utf8(line))).toEqual({ kind: "operation", operation });
  });

  it.each([
    ["empty", ""],
    ["spaces", " \t "],
    ["only a carriage return", "\r"],
  ])("is skipped: %s", (_name, line) =>
    expect(parseNdjsonLine(utf8(line))).toEqual({ kind: "blank" }),
  );

  it.each<[string, string | Uint8Array, RegExp]>([
    ["broken JSON", `{"tuple":`, /^the line is not JSON: /],
    ["two objects", `{${TEXT}}{${TEXT}}`, /not JSON/],
    ["invalid UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), /not valid UTF-8/],
    ["an overlong encoding", Uint8Array.of(0x22, 0xc0, 0xaf, 0x22), /not valid UTF-8/],
    ["a byte order mark", `\uFEFF{${TEXT}}`, /not JSON/],
    ["null", "null", /not a JSON object/],
    ["an array", `[{${TEXT}}]`, /not a JSON object/],
    ["a number", "17", /not a JSON object/],
    ["nothing in it", "{}", /none of "tuple", "resource" and "key"/],
    ["a misspelt expiry", `{${TEXT},"expires_ms":1}`, /^unknown field "expires_ms"$/],
    ["many unknown fields", `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}`, /"a", "b", "c", "d", "e"$/],
    ["__proto__", `{${TEXT},"__proto__":"x"}`, /unknown field "__proto__"/],
    ["a field twice", `{"resource":"a:b",${PARTS}}`, /twice/],
    ["a field twice, once escaped", `{"ke\\u0079":"a","key":"b","value":"v"}`, /twice/],
    ["a missing relation", `{"resource":"a:b","subject":"u:v"}`, /relation is missing/],
    ["a missing subject", `{"resource":"a:b","relation":"r"}`, /subject is missing/],
    ["a missing value", `{"key":"k"}`, /value is missing/],
    [
      "a number as resource",
      `{"resource":1,"relation":"r","subject":"u:v"}`,
      /resource must be a string/,
    ],
    ["null as expiry", `{${TEXT},"expires_at":null}`, /expires_at must be a string/],
    ["an object as tuple", `{"tuple":{"a":1}}`, /tuple must be a string/],
    ["tuple and parts", `{${TEXT},${PARTS}}`, /resource does not go with "tuple"/],
    ["tuple and key", `{${TEXT},"key":"k","value":"v"}`, /tuple does not go with an entity/],
    ["tuple and value", `{${TEXT},"value":"v"}`, /value does not go with a tuple/],
    ["both values", `{"key":"k","value":"v","value_base64":"dg=="}`, /does not go with "value"/],
    [
      "both expiries",
      `{${TEXT},"expires_at_ms":1,"expires_at":"2030-01-01T00:00:00Z"}`,
      /does not go/,
    ],
    [
      "delete with value",
      `{"op":"delete","key":"k","value":"v"}`,
      /value does not go with a delete/,
    ],
    [
      "delete with expiry",
      `{"op":"delete",${TEXT},"expires_at_ms":1}`,
      /does not go with a delete/,
    ],
    ["another op", `{"op":"upsert",${TEXT}}`, /op must be "write" or "delete", not "upsert"/],
    ["a bad resource", `{"resource":"a b","relation":"r","subject":"u:v"}`, /resource "a b"/],
    ["a bad tuple", `{"tuple":"a:b#r"}`, /not of the form/],
    ["a long subject", `{"tuple":"a:b#r@u:${"v".repeat(511)}"}`, /subject is 513 bytes/],
    ["a bad key", `{"key":"a b","value":"v"}`, /key "a b" holds U\+0020/],
    ["an empty key", `{"key":"","value":"v"}`, /key is empty/],
    ["a lone surrogate as value", `{"key":"k","value":"\\ud800"}`, /lone surrogate/],
    ["a lone surrogate in a tuple", `{"tuple":"a:\\udc00#r@u:v"}`, /lone surrogate/],
    ["base64 without padding", `{"key":"k","value_base64":"dg"}`, /not base64/],
    ["base64 with a stray bit", `{"key":"k","value_base64":"dh=="}`, /not base64/],
    ["base64 with spaces", `{"key":"k","value_base64":"d g=="}`, /not base64/],
    ["base64url", `{"key":"k","value_base64":"_-8="}`, /not base64/],
    [
      "a long value",
      `{"key":"k","value":"${"v".repeat(limits.VALUE_BYTES_MAX + 1)}"}`,
      /1048577 bytes/,
    ],
    ["a fraction of a millisecond", `{${TEXT},"expires_at_ms":1.5}`, /expires_at_ms must be/],
    ["a negative expiry", `{${TEXT},"expires_at_ms":-1}`, /expires_at_ms must be/],
    ["an expiry that a number rounds", `{${TEXT},"expires_at_ms":9007199254740993}`, /must be/],
    ["an expiry over the limit", `{${TEXT},"expires_at_ms":"9007199254740992"}`, /must be/],
    ["a hexadecimal expiry", `{${TEXT},"expires_at_ms":"0x10"}`, /must be/],
    ["an empty expiry", `{${TEXT},"expires_at_ms":""}`, /must be/],
    ["a time without offset", `{${TEXT},"expires_at":"2030-01-01T00:00:00"}`, /RFC 3339/],
    ["30 February", `{${TEXT},"expires_at":"2030-02-30T00:00:00Z"}`, /exist/],
    ["29 February 2100", `{${TEXT},"expires_at":"2100-02-29T00:00:00Z"}`, /exist/],
    ["month 13", `{${TEXT},"expires_at":"2030-13-01T00:00:00Z"}`, /exist/],
    ["hour 24", `{${TEXT},"expires_at":"2030-01-01T24:00:00Z"}`, /exist/],
    ["offset 24:00", `{${TEXT},"expires_at":"2030-01-01T00:00:00+24:00"}`, /offset/],
    ["a leap second", `{${TEXT},"expires_at":"2016-12-31T23:59:60Z"}`, /leap second/],
    [
      "1970, which would mean never",
      `{${TEXT},"expires_at":"1970-01-01T00:00:00Z"}`,
      /not after 1970/,
    ],
    ["year 70", `{${TEXT},"expires_at":"0070-06-01T00:00:00Z"}`, /not after 1970/],
  ])("is refused: %s", (_name, line, reason) => {
    const result = parseNdjsonLine(typeof line === "string" ? utf8(line) : line);
    expect(result).toEqual({ kind: "rejected", reason: expect.stringMatching(reason) });
  });

  it("with very many names is refused in time that grows with its length only", () => {
    const line = utf8(`{${'"op":"write",'.repeat(100_000)}${TEXT}}`);
    const begun = performance.now();
    expect(parseNdjsonLine(line)).toMatchObject({ kind: "rejected" });
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it("with any valid tuple comes out as that tuple, in both spellings", () => {
    const word = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9_]{0,20}$/);
    const id = fc.string({ unit: "binary", minLength: 1, maxLength: 40 });
    const tuple = fc
      .record({
        types: fc.tuple(word, word),
        ids: fc.tuple(id, id),
        relation: word,
        set: fc.option(word),
      })
      .map(({ types, ids, relation, set: userset }) => ({
        resource: `${types[0]}:${ids[0]}`,
        relation,
        subject: `${types[1]}:${ids[1]}${userset === null ? "" : `#${userset}`}`,
      }))
      .filter(isValid);
    fc.assert(
      fc.property(tuple, fc.nat(), (given, expiresAtMs) => {
        const operation = { op: "create_tuple", tuple: given, expiresAtMs };
        for (const fields of [given, { tuple: formatTuple(given) }]) {
          const line = JSON.stringify({ ...fields, expires_at_ms: String(expiresAtMs) });
          expect(parseNdjsonLine(utf8(line))).toEqual({ kind: "operation", operation });
        }
      }),
      propertyRuns("ndjson tuples", 2_000),
    );
  });

  it("of any bytes is an operation, blank or refused, and throws nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.json(), (bytes, json) => {
        for (const line of [bytes, utf8(json)]) {
          expect(["operation", "blank", "rejected"]).toContain(parseNdjsonLine(line).kind);
        }
      }),
      propertyRuns("ndjson bytes", 2_000),
    );
  });
});

function isValid(tuple: Tuple): boolean {
  try {
    validateTuple(tuple);
    return true;
  } catch {
    return false;
  }
}
