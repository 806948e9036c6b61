/** Lines on their way to a reader that may be slow. */
import { describe, expect, test } from "vitest";
import { BoundedLines, LINES_BYTES_MAX } from "../../src/call-log/bounded-lines.js";

const LINE = `${"x".repeat(1_023)}\n`;

describe("lines of a log", () => {
  test("INV-TRACE-3: a reader that has stopped holds nobody; what no longer fits is left out and counted", async () => {
    const written: string[] = [];
    let goOn: () => void = () => undefined;
    const lines = new BoundedLines(async (text) => {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      written.push(text);
    });
    const fits = LINES_BYTES_MAX / LINE.length;
    for (let i = 0; i < fits + 7; i++) lines.push(LINE);
    await Promise.resolve();
    expect(lines.dropped).toBe(7);
    lines.push(LINE);
    expect(lines.dropped).toBe(8);
    goOn();
    await lines.flush();
    expect(written.join("").length).toBe(LINES_BYTES_MAX);
    lines.push("again\n");
    await Promise.resolve();
    goOn();
    await lines.flush();
    expect(written.at(-1)).toBe("again\n");
  });

  test("lines leave in their order, those of one turn together, and a writer that fails loses them and is counted", async () => {
    const written: string[] = [];
    let isBroken = false;
    const lines = new BoundedLines(async (text) => {
      if (isBroken) throw new Error("EPIPE");
      written.push(text);
    });
    lines.push("a\n");
    lines.push("b\n");
    await lines.flush();
    isBroken = true;
    lines.push("c\n");
    lines.push("d\n");
    await lines.flush();
    isBroken = false;
    lines.push("e\n");
    await lines.flush();
    expect(written).toEqual(["a\nb\n", "e\n"]);
    expect(lines.dropped).toBe(2);
  });
});
