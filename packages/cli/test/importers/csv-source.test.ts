/** CSV as a source: which rows are refused and where, and that quotes, line ends and bytes are those of RFC 4180. */
import { equalBytes, limits, utf8 } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { csvSource } from "../../src/importers/csv/csv-source.js";
import { chunksOf, itemsOf, operationsOf, rejectedOf, tuplesOf } from "./import-support.js";

const HEAD = "resource,relation,subject,expires_at_ms\n";

describe("a CSV source", () => {
  it("reads tuples and entities by the names of the header, in any order of columns", async () => {
    const text =
      "\uFEFFsubject,key,value,relation,resource,op\r\n" +
      "user:a,,,viewer,doc:1,\r\n" +
      ',user:a:theme,"dark, ""very""\nsecond line",,,\r\n' +
      "user:a,,,viewer,doc:2,delete\r\n" +
      ",gone,,,,delete\r\n" +
      ",empty,,,,\r\n";
    const operations = operationsOf(await itemsOf(csvSource(chunksOf(text))));
    expect(operations).toMatchObject([
      { op: "create_tuple", tuple: { resource: "doc:1", relation: "viewer", subject: "user:a" } },
      { op: "set_entity", key: "user:a:theme", value: utf8('dark, "very"\nsecond line') },
      { op: "delete_tuple", tuple: { resource: "doc:2" } },
      { op: "delete_entity", key: "gone" },
      { op: "set_entity", key: "empty", value: new Uint8Array(0) },
    ]);
  });

  it("goes on behind a refused row and names line and column (INV-IMPORT-1)", async () => {
    const rows = [
      "doc:1,viewer,user:a,0",
      "doc:2,viewer,user:a", // a cell is missing
      "",
      "doc:3,viewer,nobody,0",
      "doc:4,viewer,user:a,soon",
      '"doc:5",viewer,user:a,7',
    ];
    const items = await itemsOf(csvSource(chunksOf(HEAD + rows.join("\n"))));
    expect(tuplesOf(items)).toEqual(["doc:1#viewer@user:a", "doc:5#viewer@user:a"]);
    expect(rejectedOf(items)).toMatchObject([
      { position: "line 3, column 4", line: 3, reason: "3 cells, the header has 4" },
      { position: "line 5, column 3 (subject)", line: 5 },
      { position: "line 6, column 4 (expires_at_ms)", line: 6 },
    ]);
  });

  it("refuses cells that are no UTF-8 instead of storing another text", async () => {
    const bad = Buffer.concat([
      Buffer.from(`${HEAD}doc:1,viewer,user:`),
      Buffer.from([0xff, 0x0a]),
    ]);
    const [item] = rejectedOf(await itemsOf(csvSource(chunksOf(bad.subarray(0, -1), ",\n"))));
    expect(item).toMatchObject({
      position: "line 2, column 3 (subject)",
      reason: "the cell is not valid UTF-8",
    });
  });

  it.each([
    ["a field that there is not", "resource,relation,subject,expire_at\n", 4],
    ["a field that stands twice", "key,value,key\n", 3],
  ])("refuses a header with %s, and says which", async (_, head, column) => {
    const error = await rejectedBy(itemsOf(csvSource(chunksOf(head))));
    expect(error).toMatchObject({ code: "IMPORT_REJECTED", details: { line: 1, column } });
  });

  it.each([
    ["that do not close", 'doc:1,viewer,"user:a,0\ndoc:2,viewer,user:b,0\n'],
    ["with something behind them", 'doc:1,viewer,"user:a"x,0\n'],
  ])("ends at quotes %s: nobody knows where the next row begins", async (_, rows) => {
    const error = await rejectedBy(itemsOf(csvSource(chunksOf(HEAD + rows))));
    expect(error.code).toBe("IMPORT_REJECTED");
    expect(error.message).toMatch(
      /"standard input" cannot be read as CSV \(RFC 4180\), as seen at line [23], column 3/,
    );
  });

  it("takes a value of 1 MiB", async () => {
    const value = new Uint8Array(limits.VALUE_BYTES_MAX).fill(200);
    const text = `key,value_base64\nk,${Buffer.from(value).toString("base64")}\n`;
    const [first] = operationsOf(await itemsOf(csvSource(chunksOf(text))));
    expect(first?.op === "set_entity" && equalBytes(first.value, value)).toBe(true);
  });

  it("gives the same items however the stream is cut (INV-IMPORT-3)", async () => {
    const text = `${HEAD}doc:1,viewer,user:é,0\r\n"doc:2",viewer,"user:b",5\r\n`;
    const whole = await itemsOf(csvSource(chunksOf(text)));
    const bytes = utf8(text);
    const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
    expect(await itemsOf(csvSource(chunksOf(...single)))).toEqual(whole);
  });
});
