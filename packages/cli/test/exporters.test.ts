/** Rows of exports: what is written is read back, and runs in no spreadsheet. */
import { encodeTupleCondition } from "@authledger/authz";
import { equalBytes, utf8 } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns } from "../../../test/support.js";
import { csvRows, type ExportedRow, ndjsonRows, type RowFormat } from "../src/exporters/rows.js";
import { csvSource } from "../src/importers/csv/csv-source.js";
import type { ImportSource } from "../src/importers/import-source.js";
import { ndjsonSource } from "../src/importers/ndjson/ndjson-source.js";
import { chunksOf, itemsOf, operationsOf, rejectedOf } from "./importers/import-support.js";

const tuple = (expiresAtMs = 0n): ExportedRow => ({
  kind: "tuple",
  row: {
    tuple: { resource: "doc:1", relation: "viewer", subject: "user:a" },
    version: 7n,
    expiresAtMs,
  },
});

const entity = (key: string, value: Uint8Array, expiresAtMs = 0n): ExportedRow => ({
  kind: "entity",
  row: { key, value, version: 9n, expiresAtMs },
});

const FORMATS: readonly (readonly [string, RowFormat, (text: string) => ImportSource])[] = [
  ["ndjson", ndjsonRows, (text) => ndjsonSource(chunksOf(text))],
  ["csv", csvRows, (text) => csvSource(chunksOf(text))],
];

function textOf(format: RowFormat, rows: readonly ExportedRow[]): string {
  return format.head + rows.map((row) => format.format(row)).join("");
}

/** The operations that an import of the rows consists of. */
function expected(row: ExportedRow): object {
  const expiresAtMs = Number(row.row.expiresAtMs);
  if (row.kind === "tuple") return { op: "create_tuple", tuple: row.row.tuple, expiresAtMs };
  const { key, value } = row.row;
  const condition = { kind: "none" };
  return { op: "set_entity", key, value: new Uint8Array(value), expiresAtMs, condition };
}

const keyText = fc.string({
  unit: fc.constantFrom("a", "=", "+", "-", "@", '"', ",", "é", ";", "'", "|", "ü"),
  minLength: 1,
  maxLength: 20,
});
const valueBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .string({
      unit: fc.constantFrom(
        "=",
        "\n",
        "\r",
        "\t",
        '"',
        ",",
        " ",
        "x",
        "\u0000",
        "\uFEFF",
        "é",
        "\u2028",
      ),
      maxLength: 30,
    })
    .map((text) => utf8(text)),
);
const expiry = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: 1n, max: BigInt(Number.MAX_SAFE_INTEGER) }),
);
const anyRow: fc.Arbitrary<ExportedRow> = fc.oneof(
  expiry.map((ms) => tuple(ms)),
  fc.tuple(keyText, valueBytes, expiry).map(([key, value, ms]) => entity(key, value, ms)),
);

describe.each(FORMATS)("%s rows", (name, format, source) => {
  it("are read back as what they were, whatever keys and values hold (INV-ROWS-1)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 12 }), async (rows) => {
        const items = await itemsOf(source(textOf(format, rows)));
        expect(rejectedOf(items)).toEqual([]);
        expect(operationsOf(items)).toEqual(rows.map(expected));
      }),
      propertyRuns(`${name} rows`, 300),
    );
  });

  it("hold values of 1 MiB, text or not", async () => {
    const rows = [
      entity("text", new Uint8Array(1 << 20).fill(0x22)),
      entity("bytes", new Uint8Array(1 << 20).fill(0xee)),
    ];
    const read = operationsOf(await itemsOf(source(textOf(format, rows))));
    const values = read.map((one) => (one.op === "set_entity" ? one.value : new Uint8Array(0)));
    expect(rows.map(({ row }, i) => "value" in row && equalBytes(row.value, values[i]!))).toEqual([
      true,
      true,
    ]);
  });
});

describe("tuples with conditions", () => {
  it.each(FORMATS)(
    "are written and read back in %s with name and context (INV-ROWS-1)",
    async (_, format, sourceOf) => {
      const conditions = [
        { name: "early", context: {} },
        { name: "near", context: { places: ["a,b", '"c"'], distance: 3.5, deep: { x: null } } },
      ];
      const { row } = tuple() as Extract<ExportedRow, { kind: "tuple" }>;
      const rows = conditions.map(
        (condition) => ({ kind: "tuple", row: { ...row, condition } }) as const,
      );
      const items = await itemsOf(sourceOf(textOf(format, rows)));
      expect(rejectedOf(items)).toEqual([]);
      expect(operationsOf(items)).toEqual(
        conditions.map((condition) => ({
          ...{ op: "create_tuple", tuple: row.tuple, expiresAtMs: 0 },
          value: encodeTupleCondition(condition),
        })),
      );
    },
  );

  it.each([
    ['{"tuple":"doc:1#r@u:a","condition_context":"{}"}', "needs a condition"],
    ['{"tuple":"doc:1#r@u:a","condition":"c","condition_context":"[]"}', "not a JSON object"],
    ['{"tuple":"doc:1#r@u:a","condition":"c","condition_context":"{"}', "not JSON"],
    ['{"op":"delete","tuple":"doc:1#r@u:a","condition":"c"}', "a delete"],
    ['{"key":"k","value":"v","condition":"c"}', "an entity"],
  ])("are refused by name where they make no sense: %s", async (line, why) => {
    const items = await itemsOf(ndjsonSource(chunksOf(`${line}\n`)));
    expect(JSON.stringify(rejectedOf(items))).toContain(why);
  });
});

describe("CSV rows", () => {
  it.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])(
    "write %j in base64, so that no spreadsheet runs it",
    (text) => {
      const line = csvRows.format(entity("k", utf8(text)));
      expect(line).not.toContain(text.trim());
      expect(line).toContain(Buffer.from(text).toString("base64"));
      expect(csvRows.format(entity(`${text.trim()}k`, utf8("v")))).toMatch(
        /^,,,,[A-Za-z0-9+/=]+,v,/,
      );
    },
  );

  it("are those of RFC 4180: quoted where they must be, with CR LF behind", () => {
    expect(csvRows.head).toBe(
      "resource,relation,subject,key,key_base64,value,value_base64,expires_at_ms,version,condition,condition_context\r\n",
    );
    expect(csvRows.format(tuple(5n))).toBe("doc:1,viewer,user:a,,,,,5,7,,\r\n");
    expect(csvRows.format(entity("k,1", utf8('say "hi"\n')))).toBe(
      ',,,"k,1",,"say ""hi""\n",,,9,,\r\n',
    );
  });
});
