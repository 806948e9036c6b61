/** Lines of a stream: where they end, which number they have, and that they are not kept (INV-IMPORT-1, -2, -3). */
import { writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { equalBytes, limits, utf8 } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { type Line, splitLines } from "../../src/importers/ndjson/line-splitter.js";
import { LINE_BYTES_MAX, ndjsonSource } from "../../src/importers/ndjson/ndjson-source.js";
import { chunksOf, itemsOf, operationsOf, rejectedOf, tuplesOf } from "./import-support.js";

const line = (i: number) => `{"tuple":"doc:d${i}#viewer@user:u"}\n`;

async function linesOf(chunks: AsyncIterable<Uint8Array>, max: number): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const batch of splitLines(chunks, max)) {
    for (const found of batch) {
      lines.push(found.kind === "line" ? { ...found, bytes: found.bytes.slice() } : found);
    }
  }
  return lines;
}

describe("lines", () => {
  it("are the same however the stream is cut into chunks", async () => {
    const text = fc.string({
      unit: fc.constantFrom("a", "\n", "\r", "\uFEFF", "\u00e9"),
      maxLength: 60,
    });
    const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(text, cuts, async (content, sizes) => {
        const bytes = utf8(content);
        const pieces: Uint8Array[] = [];
        let at = 0;
        for (const size of sizes) {
          pieces.push(bytes.subarray(at, at + size));
          at += size;
        }
        pieces.push(bytes.subarray(at));
        const expected = content.replace(/^\uFEFF/, "").split("\n");
        if (content.endsWith("\n") || content === "") expected.pop();
        const found = await linesOf(chunksOf(...pieces), 1_000);
        expect(
          found.map((l) => (l.kind === "line" ? Buffer.from(l.bytes).toString() : "")),
        ).toEqual(expected.map((l) => l.replace(/\r$/, "")));
        expect(found.map((l) => l.number)).toEqual(expected.map((_, i) => i + 1));
      }),
      propertyRuns("line cuts", 1_000),
    );
  });

  it.each([
    ["in one chunk", [`${"x".repeat(11)}\n${"y".repeat(10)}\r\nz`]],
    ["in chunks of one byte", [...`${"x".repeat(11)}\n${"y".repeat(10)}\r\nz`]],
  ])(
    "over the limit are skipped with their length, those at the limit are kept: %s",
    async (_, chunks) => {
      expect(await linesOf(chunksOf(...chunks), 10)).toEqual([
        { kind: "too_long", number: 1, length: 11 },
        { kind: "line", number: 2, bytes: utf8("y".repeat(10)) },
        { kind: "line", number: 3, bytes: utf8("z") },
      ]);
    },
  );
});

describe("an NDJSON source", () => {
  it("goes on behind a rejected line and names it by number and reason (INV-IMPORT-1)", async () => {
    const text = `\uFEFF${line(1)}\r\n{"tuple":7}\r\n\n${line(5).replace("\n", "\r\n")}{oops\n${line(7).trim()}`;
    const items = await itemsOf(ndjsonSource(chunksOf(text)));
    expect(tuplesOf(items)).toEqual([1, 5, 7].map((i) => `doc:d${i}#viewer@user:u`));
    expect(items.map((item) => item.position)).toEqual([1, 3, 5, 6, 7].map((i) => `line ${i}`));
    expect(rejectedOf(items)).toEqual([
      { kind: "rejected", position: "line 3", line: 3, reason: "tuple must be a string" },
      {
        kind: "rejected",
        position: "line 6",
        line: 6,
        reason: expect.stringMatching(/^the line is not JSON/),
      },
    ]);
  });

  it("takes a value of 1 MiB as base64, and refuses a line over the limit", async () => {
    const value = new Uint8Array(limits.VALUE_BYTES_MAX).fill(200);
    const long = `{"key":"k","value_base64":"${Buffer.from(value).toString("base64")}"}\n`;
    const tooLong = `{"key":"k","value":"${"v".repeat(LINE_BYTES_MAX)}"}\n`;
    const items = await itemsOf(ndjsonSource(chunksOf(long, tooLong, line(3))));
    const [first] = operationsOf(items);
    expect(first?.op === "set_entity" && equalBytes(first.value, value)).toBe(true);
    expect(rejectedOf(items).map((item) => item.reason)).toEqual([
      `the line is ${tooLong.length - 1} bytes; the limit is ${LINE_BYTES_MAX}`,
    ]);
    expect(items).toHaveLength(3);
  });

  it("shows control characters of the input as escapes, since reasons go to a terminal", async () => {
    const text = `{"tuple":"a:\\u001b[2J\\u202e#r@u:v"}\n{"\\u001b]0;x\\u0007":1}\n`;
    const reasons = rejectedOf(await itemsOf(ndjsonSource(chunksOf(text)))).map(
      (item) => item.reason,
    );
    expect(reasons).toHaveLength(2);
    for (const reason of reasons) expect(reason).toMatch(/^[ -~]+$/);
  });

  it("reads a file again with the same items (INV-IMPORT-3), and estimates its lines", async () => {
    const path = `${temporaryDirectory()}/tuples.ndjson`;
    writeFileSync(path, Array.from({ length: 20_000 }, (_, i) => line(i)).join(""));
    const source = ndjsonSource(path);
    const items = await itemsOf(source);
    expect(items).toHaveLength(20_000);
    expect(await itemsOf(source)).toEqual(items);
    expect(await itemsOf(ndjsonSource(path))).toEqual(items);
    expect(source.name).toBe("tuples.ndjson");
    expect(ndjsonSource(path).identity).toBe(source.identity);
    const estimate = await source.estimate?.();
    expect(estimate).toBeGreaterThan(19_000);
    expect(estimate).toBeLessThan(22_000);
  });

  it.each([
    ["an empty file", "", 0],
    ["a line without its end", line(1).trim(), 1],
  ])("estimates %s exactly", async (_name, text, lines) => {
    const path = `${temporaryDirectory()}/f`;
    writeFileSync(path, text);
    expect(await ndjsonSource(path).estimate?.()).toBe(lines);
  });

  it("reports a file that cannot be read by its path", async () => {
    const path = `${temporaryDirectory()}/missing`;
    const error = await rejectedBy(itemsOf(ndjsonSource(path)));
    expect([error.code, error.details["path"]]).toEqual(["IO_READ_FAILED", path]);
    expect((await rejectedBy(itemsOf(ndjsonSource("/")))).code).toBe("IO_READ_FAILED");
    expect(await ndjsonSource(path).estimate?.()).toBeUndefined();
  });

  it("reports a stream that breaks, and refuses to read a stream twice", async () => {
    async function* broken() {
      yield utf8(line(1));
      throw new Error("EPIPE");
    }
    const source = ndjsonSource(broken());
    const error = await rejectedBy(itemsOf(source));
    expect([error.code, error.message]).toEqual([
      "IO_READ_FAILED",
      'cannot read "standard input": EPIPE',
    ]);
    expect(() => source.items()).toThrow("read once");
  });

  it("estimates a file whose lines grow within a tenth", async () => {
    const path = `${temporaryDirectory()}/growing`;
    const lines = Array.from({ length: 40_000 }, (_, i) =>
      line(i).replace('u"', `${"u".repeat(1 + i / 400)}"`),
    );
    writeFileSync(path, lines.join(""));
    const estimate = await ndjsonSource(path).estimate?.();
    expect(Math.abs(estimate! / 40_000 - 1)).toBeLessThan(0.1);
  });

  it("does not read ahead of its consumer (INV-IMPORT-2)", async () => {
    let given = 0;
    async function* endless() {
      for (;;) {
        given += 1;
        yield utf8(line(given));
      }
    }
    let taken = 0;
    for await (const batch of ndjsonSource(endless()).items()) {
      taken += batch.length;
      await new Promise((resolve) => setImmediate(resolve));
      expect(given).toBe(taken);
      if (taken === 50) break;
    }
    expect(given).toBe(50);
  });

  it("keeps nothing of a million lines (INV-IMPORT-2)", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const inUse = () => {
      collect();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    async function* stream() {
      for (let i = 0; i < 1_000; i++) {
        yield utf8(Array.from({ length: 1_000 }, (_, k) => line(i * 1_000 + k)).join(""));
      }
    }
    let count = 0;
    let early = 0;
    const begun = performance.now();
    for await (const batch of ndjsonSource(stream()).items()) {
      const before = count;
      count += batch.length;
      if (before < 100_000 && count >= 100_000) early = inUse();
    }
    const seconds = (performance.now() - begun) / 1_000;
    process.stderr.write(
      `ndjson: ${Math.round(count / seconds)} lines/s, the stream's making included\n`,
    );
    expect(count).toBe(1_000_000);
    expect(inUse() - early).toBeLessThan(4 * 1024 * 1024);
  });
});
