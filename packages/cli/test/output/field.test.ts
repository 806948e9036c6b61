/** `--field`, `-o wide` and colours. */
import { describe, expect, it } from "vitest";
import { rejectedBy, thrownBy } from "../../../../test/support.js";
import { parseFieldPath } from "../../src/output/field.js";
import { type OutputFormat, Printer, type Thing } from "../../src/output/printer.js";
import { COLORED, PLAIN, type Style, styleFor } from "../../src/output/style.js";
import { withoutSequences } from "./ansi.js";

const THING: Thing = {
  name: "report",
  fields: {
    result: "allowed",
    height: 7n,
    none: null,
    groups: [{ pages: 1 }, { pages: 2 }],
    long: "y".repeat(300),
  },
  columns: ["result", "height"],
};

async function printed(
  format: OutputFormat,
  field?: string,
  style: Style = PLAIN,
): Promise<string> {
  let text = "";
  const printer = new Printer(
    format,
    async (part) => {
      text += part;
    },
    {
      field,
      style,
    },
  );
  await printer.one(THING);
  return text;
}

describe("--field", () => {
  it("prints what is at a path, as text, JSON or YAML", async () => {
    for (const [path, text] of [
      ["height", "7\n"],
      ["none", "\n"],
      ["groups[1].pages", "2\n"],
      ["groups.1.pages", "2\n"],
      ["groups[*].pages", "1\n2\n"],
      ["groups[0]", '{"pages":1}\n'],
    ] as const) {
      for (const format of ["table", "wide", "name"] as const) {
        expect(await printed(format, path)).toBe(text);
      }
    }
    expect(await printed("json", "height")).toBe('"7"\n');
    expect(await printed("yaml", "height")).toBe('"7"\n');
  });

  it("that is not there names those that are; that is no path is told at once", async () => {
    const missing = await rejectedBy(printed("table", "heigth"));
    expect(missing.message).toBe(
      'there is no field "heigth" (did you mean "height"?); there are result, height, none, groups, long',
    );
    expect((await rejectedBy(printed("table", "height.x"))).message).toContain("a single value");
    for (const path of ["", ".", "a..b", "a[", "a[x]", "a]", "a."]) {
      expect([path, thrownBy(() => parseFieldPath(path)).code]).toEqual([path, "USAGE"]);
    }
  });
});

it("-o wide shows every field, the usual ones first, and cuts nothing", async () => {
  const lines = (await printed("wide")).trimEnd().split("\n");
  expect(lines.map((line) => line.split(" ")[0])).toEqual([
    "result",
    "height",
    "none",
    "groups",
    "long",
  ]);
  expect(lines.at(-1)).toContain("y".repeat(300));
});

describe("colour", () => {
  it("is put on words that say the same without it, and moves no column", async () => {
    const colored = await printed("table", undefined, COLORED);
    expect(colored).toContain("\u001b[32mallowed\u001b[39m");
    const bare = withoutSequences(colored);
    expect(bare).toBe(await printed("table"));
  });

  it("is decided by the flag, then NO_COLOR and TERM=dumb, then the terminal", () => {
    for (const [mode, env, isTerminal, isColored] of [
      ["auto", {}, true, true],
      ["auto", {}, false, false],
      ["auto", { NO_COLOR: "1" }, true, false],
      ["auto", { NO_COLOR: "" }, true, true],
      ["auto", { TERM: "dumb" }, true, false],
      ["always", { NO_COLOR: "1" }, false, true],
      ["never", {}, true, false],
    ] as const) {
      const expected = isColored ? COLORED : PLAIN;
      expect([mode, env, styleFor(mode, env, isTerminal)]).toEqual([mode, env, expected]);
    }
  });
});
