/** `--watch` without a node: what a window shows, what a pipe gets, and that failures are looks too. */
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { Printer } from "../../src/output/printer.js";
import { cutLine } from "../../src/output/screen.js";
import { PLAIN } from "../../src/output/style.js";
import type { Terminal } from "../../src/run/cli-io.js";
import type { Run } from "../../src/run/run.js";
import { settingsOf } from "../../src/run/settings.js";
import { watch } from "../../src/run/watch.js";
import { withoutSequences } from "../output/ansi.js";

interface Watched {
  readonly out: string;
  readonly said: readonly string[];
  readonly exitCode: number;
}

interface Given {
  readonly looks?: number;
  readonly output?: string;
  readonly terminal?: Terminal;
  readonly abort?: AbortController;
}

async function watched(
  given: Given,
  handler: (run: Run, look: number) => Promise<number | undefined>,
): Promise<Watched> {
  const said: string[] = [];
  let out = "";
  const write = async (text: string): Promise<void> => {
    out += text;
  };
  const settings = settingsOf(given.output === undefined ? {} : { output: given.output }, {});
  const abort = given.abort ?? new AbortController();
  const run: Run = {
    io: {
      out: write,
      outBytes: async () => undefined,
      err: (text) => void said.push(text),
      input: (async function* () {})(),
      env: {},
      isErrTerminal: false,
      terminal: given.terminal,
      signal: abort.signal,
    },
    settings,
    print: new Printer(settings.format, write),
    flags: { watch: true, interval: "100ms", ...(given.looks && { looks: String(given.looks) }) },
    call: {},
    client: () => Promise.reject(new Error("no client here")),
    say: (text) => void said.push(text),
  };
  let look = 0;
  const exitCode = await watch(run, PLAIN, (one) => handler(one, look++));
  return { out, said, exitCode };
}

const list =
  (count: number) =>
  async (run: Run): Promise<undefined> => {
    const rows = Array.from({ length: count }, (_, i) => ({
      name: `n${i}`,
      fields: { id: `n${i}` },
    }));
    await run.print.many(rows);
    return undefined;
  };
const windowOf = (columns: number, rows: number, listeners: (() => void)[] = []): Terminal => ({
  size: () => ({ columns, rows }),
  onResize: (listener) => {
    listeners.push(listener);
    return () => void listeners.splice(listeners.indexOf(listener), 1);
  },
});

describe("--watch", () => {
  it("piped writes a line of JSON for each look, reports and lists (INV-WATCH-1)", async () => {
    const { out, said } = await watched({ looks: 2 }, async (run, look) => list(look + 1)(run));
    const lines = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([
      { count: 1, is_cut: false, items: [{ id: "n0" }] },
      { count: 2, items: [{ id: "n0" }, { id: "n1" }] },
    ]);
    expect(Object.keys(lines[0]!).slice(0, 2)).toEqual(["observed_at", "observed_at_ms"]);
    expect(said).toEqual([expect.stringMatching(/^watched for [0-9.]+ s: 2 looks, 1 change$/)]);
    const one = await watched({ looks: 1 }, async (run) => {
      await run.print.one({ name: "x", fields: { height: 7n } });
      return 1;
    });
    expect(JSON.parse(one.out)).toMatchObject({ item: { height: "7" } });
    expect(one.exitCode).toBe(1);
  });

  it("on a terminal fits the window, follows its size, and gives it back (INV-WATCH-1)", async () => {
    const listeners: (() => void)[] = [];
    const terminal = windowOf(20, 6, listeners);
    const { out } = await watched({ looks: 2, terminal }, async (run, look) => {
      expect(listeners).toHaveLength(1);
      if (look === 1) listeners[0]!();
      return list(50)(run);
    });
    expect(listeners).toHaveLength(0);
    const [, ...frames] = out.split("\u001b[?2026h");
    expect(frames).toHaveLength(3);
    for (const frame of frames) {
      const [inside = ""] = frame.split("\u001b[?2026l");
      const lines = withoutSequences(inside).split("\r\n");
      expect(lines).toHaveLength(6);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(20);
      expect(lines.at(-1)).toBe("... 48 more lines");
    }
    const enter = "\u001b[?1049h\u001b[?25l";
    const leave = "\u001b[?25h\u001b[?1049l";
    expect([out.startsWith(enter), out.split(enter).length, out.split(leave).length]).toEqual([
      true,
      2,
      2,
    ]);
    // What was seen last stays to be read.
    expect(out.split(leave)[1]).toMatch(/^ID\nn0\n/);
  });

  it("shows a look that fails and goes on; a wrong command line ends it (INV-WATCH-2)", async () => {
    const failing = async (run: Run, look: number): Promise<undefined> => {
      if (look === 1) throw new LedgerError("UNAVAILABLE", "the node is gone");
      return list(1)(run);
    };
    const piped = await watched({ looks: 3 }, failing);
    expect(piped.out.split("\n").map((line) => line.includes("UNAVAILABLE"))).toEqual([
      ...[false, true, false, false],
    ]);
    expect(piped.said[0]).toMatch(/3 looks, 0 changes, 1 failed$/);
    const drawn = await watched({ looks: 2, terminal: windowOf(80, 24) }, failing);
    const [, , second = ""] = drawn.out.split("\u001b[?2026h");
    expect(second).toContain("error[UNAVAILABLE]: the node is gone");
    expect(second).toContain("n0");
    const wrong = watched({ looks: 3 }, async () => {
      throw new LedgerError("USAGE", "no vault");
    });
    expect((await rejectedBy(wrong)).code).toBe("USAGE");
  });

  it("ends at once on Ctrl-C, with a summary and the last exit code", async () => {
    const abort = new AbortController();
    const startMs = performance.now();
    const { said, exitCode } = await watched({ abort }, async (run, look) => {
      if (look === 2) setTimeout(() => abort.abort("interrupted"), 10);
      return list(1)(run);
    });
    expect([said.length, exitCode]).toEqual([1, 0]);
    expect(said[0]).toMatch(/: 3 looks, 0 changes$/);
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });

  it("with a table asked for and no window prints one table after another", async () => {
    const { out } = await watched({ looks: 2, output: "table" }, list(1));
    expect(out).toMatch(/^\d{4}-.*Z\nID\nn0\n\n\d{4}-.*Z\nID\nn0\n\n$/);
  });
});

it("a line is cut at the edge, colours take no room and are ended", () => {
  expect(cutLine("abcdef", 4)).toBe("abcd");
  expect(cutLine("\u001b[31mabcdef\u001b[39m", 4)).toBe("\u001b[31mabcd\u001b[0m");
  expect(cutLine("\u001b[31mab\u001b[39m", 4)).toBe("\u001b[31mab\u001b[39m");
});
