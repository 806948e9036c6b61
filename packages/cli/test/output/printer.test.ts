/** What commands print in each format. */
import { describe, expect, test } from "vitest";
import type { Printable } from "../../src/output/json-value.js";
import {
  OUTPUT_FORMATS,
  type OutputFormat,
  Printer,
  type Thing,
  timeText,
} from "../../src/output/printer.js";
import { yamlOf } from "../../src/output/yaml.js";

const THING: Thing = {
  name: "document:d1#viewer@user:ann",
  fields: {
    resource: "document:d1",
    version: 12_345_678_901_234_567_890n,
    digest: Uint8Array.of(0xab, 0x01),
    expires: undefined,
    live: true,
    labels: ["a", "b"],
    detail: { depth: 2, note: "x: y" },
  },
  columns: ["resource", "version", "expires"],
};

async function printed(
  format: OutputFormat,
  print: (printer: Printer) => Promise<unknown>,
): Promise<string[]> {
  const writes: string[] = [];
  const out = async (text: string): Promise<void> => void writes.push(text);
  await print(new Printer(format, out));
  return writes;
}

const one = async (format: OutputFormat, thing = THING) =>
  (await printed(format, (printer) => printer.one(thing))).join("");
const many = (format: OutputFormat, things: AsyncIterable<Thing> | Iterable<Thing>) =>
  printed(format, (printer) => printer.many(things));

describe("one thing", () => {
  test("is a JSON document: u64 as decimal text, bytes in hex, nothing for what is undefined", async () => {
    expect(JSON.parse(await one("json"))).toEqual({
      resource: "document:d1",
      version: "12345678901234567890",
      digest: "ab01",
      live: true,
      labels: ["a", "b"],
      detail: { depth: 2, note: "x: y" },
    });
  });

  test("is the same in YAML, every text quoted", async () => {
    expect(await one("yaml")).toBe(
      [
        'resource: "document:d1"',
        'version: "12345678901234567890"',
        'digest: "ab01"',
        "live: true",
        "labels:",
        '  - "a"',
        '  - "b"',
        "detail:",
        "  depth: 2",
        '  note: "x: y"',
        "",
      ].join("\n"),
    );
  });

  test("is a line for each column of the table, and every field of it is one of the JSON (INV-OUT-1)", async () => {
    const table = await one("table");
    expect(table).toBe("resource  document:d1\nversion   12345678901234567890\n");
    const json = JSON.parse(await one("json")) as Record<string, unknown>;
    for (const line of table.trimEnd().split("\n")) {
      const [name, value] = line.split(/ {2,}/) as [string, string];
      expect(String(json[name])).toBe(value);
    }
    const { columns: _, ...all } = THING;
    const names = (await one("table", all))
      .trimEnd()
      .split("\n")
      .map((line) => line.split(" ")[0]);
    expect(names).toEqual(Object.keys(json));
  });

  test("is its name alone with -o name", async () => {
    expect(await one("name")).toBe("document:d1#viewer@user:ann\n");
  });
});

describe("many things", () => {
  const thing = (n: number, extra: Record<string, Printable> = {}): Thing => ({
    name: `user:u${n}`,
    fields: { key: `user:u${n}`, count: n, ...extra },
  });

  test("are a line of JSON, a YAML document, a row under one header, or a line with the name each (INV-OUT-2)", async () => {
    const things = [thing(1), thing(20)];
    expect(await many("json", things)).toEqual([
      '{"key":"user:u1","count":1}\n',
      '{"key":"user:u20","count":20}\n',
    ]);
    expect(await many("yaml", things)).toEqual([
      '---\nkey: "user:u1"\ncount: 1\n',
      '---\nkey: "user:u20"\ncount: 20\n',
    ]);
    expect(await many("name", things)).toEqual(["user:u1\n", "user:u20\n"]);
    expect(await many("table", things)).toEqual(["KEY       COUNT\nuser:u1   1\nuser:u20  20\n"]);
  });

  test("are printed as they come: nothing waits for the end of the stream (INV-OUT-2)", async () => {
    for (const format of OUTPUT_FORMATS) {
      const writes: string[] = [];
      const seen: number[] = [];
      const isTable = format === "table" || format === "wide";
      const perWrite = isTable ? 500 : 1;
      async function* stream(): AsyncGenerator<Thing> {
        for (let n = 0; n < 1_200; n++) {
          if (n % 500 === 0) seen.push(writes.length);
          yield thing(n);
        }
      }
      const out = async (text: string): Promise<void> => void writes.push(text);
      await new Printer(format, out).many(stream());
      expect(seen).toEqual([0, 500 / perWrite, 1_000 / perWrite]);
      const lines = writes.join("").trimEnd().split("\n");
      expect(lines.filter((line) => line.startsWith("KEY"))).toHaveLength(isTable ? 1 : 0);
      expect(lines.filter((line) => line.includes("user:u"))).toHaveLength(1_200);
    }
  });

  test("that are none print nothing", async () => {
    for (const format of OUTPUT_FORMATS) expect(await many(format, [])).toEqual([]);
  });

  test("that lack a column show a dash in it", async () => {
    const things = [thing(1, { expires: "soon" }), thing(2)];
    const rows = (await many("table", things)).join("").trimEnd().split("\n");
    expect(rows.at(-1)).toBe("user:u2  2      -");
  });
});

describe("text that came from elsewhere", () => {
  test("cannot steer a terminal, in tables and in names", async () => {
    const evil = "a\u001b[2Jb\u009bc\r\n\u202ed";
    const thing: Thing = { name: evil, fields: { key: evil } };
    const safe = "a\\u001b[2Jb\\u009bc\\u000d\\u000a\\u202ed";
    expect(await one("name", thing)).toBe(`${safe}\n`);
    expect(await one("table", thing)).toBe(`key  ${safe}\n`);
    expect((await many("table", [thing])).join("")).toBe(`KEY\n${safe}\n`);
    expect(await many("name", [thing])).toEqual([`${safe}\n`]);
  });

  test("cannot steer a terminal in JSON and YAML either, and reads back as it was", async () => {
    const evil = "a\u001b[2Jb\u009bc\r\n\u202ed\u007f";
    const thing: Thing = { name: "x", fields: { key: evil } };
    for (const format of ["json", "yaml"] as const) {
      const text = (await one(format, thing)) + (await many(format, [thing])).join("");
      expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}|\u202e/u);
    }
    expect(JSON.parse(await one("json", thing))).toEqual({ key: evil });
  });

  test("is cut in a table, and whole in JSON", async () => {
    const thing: Thing = { name: "x", fields: { text: "y".repeat(1_000) } };
    expect(await one("table", thing)).toBe(`text  ${"y".repeat(200)}...\n`);
    expect(JSON.parse(await one("json", thing))).toEqual({ text: "y".repeat(1_000) });
  });

  test("stays text in YAML, whatever it looks like", () => {
    for (const text of ["yes", "null", "12", "- a", "{}", "#", "a: b", ""]) {
      expect(yamlOf({ text })).toBe(`text: ${JSON.stringify(text)}\n`);
    }
    expect(yamlOf([])).toBe("[]\n");
    expect(yamlOf({ "a b": {}, list: [{ x: 1, y: [2] }] })).toBe(
      '"a b": {}\nlist:\n  - x: 1\n    y:\n      - 2\n',
    );
  });
});

test("a time is shown as ISO 8601, and nothing for never or what no calendar has", () => {
  expect(timeText(1_700_000_000_000n)).toBe("2023-11-14T22:13:20.000Z");
  expect([timeText(0), timeText(0n), timeText(2 ** 53 - 1)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
