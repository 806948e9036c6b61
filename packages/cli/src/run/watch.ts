/**
 * `--watch`: a report looked at again and again.
 *
 *   INV-WATCH-1  On a terminal the window shows one look at a time and is given back as it was found; where standard
 *                output is no terminal each look is one line of JSON.
 *   INV-WATCH-2  A look that fails is shown and does not end the watch: the next one may succeed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ExitCode, LedgerError } from "@authledger/types";
import type { Command } from "commander";
import { jsonOf, jsonText, type Printable } from "../output/json-value.js";
import { Printer, type Thing } from "../output/printer.js";
import { Screen } from "../output/screen.js";
import type { Style } from "../output/style.js";
import type { Run } from "./run.js";
import { millisecondsOf, usage, wholeOf } from "./settings.js";

const INTERVAL_DEFAULT = "2s";
const INTERVAL_MS_MIN = 100;
/** A look holds no more things than this; a longer list is cut and says so. */
const THINGS_MAX = 10_000;

/** Gives a report or a list `--watch`. */
export function watchable(command: Command): Command {
  return command
    .option("--watch", "look again and again until Ctrl-C; lines of JSON when piped")
    .option("--interval <time>", `between two looks (default ${INTERVAL_DEFAULT})`)
    .option("--looks <n>", "end after so many looks");
}

interface Look {
  readonly atMs: number;
  readonly things: readonly Thing[];
  readonly isOne: boolean;
  readonly isCut: boolean;
  readonly notes: string;
  readonly error: LedgerError | undefined;
  readonly exitCode: number;
}

/** Where looks go: a window, or lines. */
interface Show {
  look(look: Look): Promise<void>;
  end(): Promise<void>;
}

export async function watch(
  run: Run,
  style: Style,
  handler: (run: Run) => Promise<number | undefined>,
): Promise<number> {
  const { flags, io } = run;
  const text = (name: string): string | undefined =>
    typeof flags[name] === "string" ? flags[name] : undefined;
  const intervalMs = millisecondsOf(text("interval") ?? INTERVAL_DEFAULT, "interval");
  if (intervalMs < INTERVAL_MS_MIN) throw usage(`--interval is at least ${INTERVAL_MS_MIN}ms`);
  const looksMax = wholeOf(text("looks") ?? String(Number.MAX_SAFE_INTEGER), "looks");
  const summary = new Summary();
  const show = showFor(run, style, intervalMs);
  try {
    while (summary.looks < looksMax && !io.signal.aborted) {
      const seen = await lookOnce(run, handler);
      // What was cut off by Ctrl-C is no look.
      if (io.signal.aborted && seen.error !== undefined) break;
      summary.add(seen);
      await show.look(seen);
      if (summary.looks < looksMax) await pause(intervalMs, io.signal);
    }
  } finally {
    await show.end();
  }
  run.say(summary.text());
  return summary.exitCode;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** Runs the command once with what it prints kept. A wrong command line ends the watch, all else is shown. */
async function lookOnce(
  run: Run,
  handler: (run: Run) => Promise<number | undefined>,
): Promise<Look> {
  const kept = new KeptThings();
  const notes: string[] = [];
  const say = (text: string): void => void notes.push(text);
  const io = { ...run.io, err: say, isErrTerminal: false };
  let error: LedgerError | undefined;
  let exitCode: number = ExitCode.OK;
  try {
    exitCode = (await handler({ ...run, io, say, print: kept })) ?? ExitCode.OK;
  } catch (thrown) {
    error = LedgerError.from(thrown);
    if (error.row.exit === "USAGE" || error.row.exit === "BUG") throw thrown;
    exitCode = ExitCode[error.row.exit];
  }
  const { things, isOne, isCut } = kept;
  const atMs = Date.now();
  return { atMs, things, isOne, isCut, notes: notes.join("\n"), error, exitCode };
}

/** Stands in for the printer and keeps what it is given. */
class KeptThings {
  readonly things: Thing[] = [];
  isOne = false;
  isCut = false;

  async one(thing: Thing): Promise<void> {
    this.things.push(thing);
    this.isOne = true;
  }

  async many(things: AsyncIterable<Thing> | Iterable<Thing>): Promise<number> {
    for await (const thing of things) {
      this.isCut = this.things.length === THINGS_MAX;
      if (this.isCut) break;
      this.things.push(thing);
    }
    return this.things.length;
  }
}

function showFor(run: Run, style: Style, intervalMs: number): Show {
  const { format, isFormatGiven } = run.settings;
  const isForPeople = format === "table" || format === "wide" || format === "name";
  const { terminal } = run.io;
  if (terminal !== undefined && isForPeople) return onScreen(run, style, intervalMs, terminal);
  return isForPeople && isFormatGiven ? asFrames(run, style) : asLines(run);
}

function onScreen(
  run: Run,
  style: Style,
  intervalMs: number,
  terminal: NonNullable<Run["io"]["terminal"]>,
): Show {
  const screen = new Screen(run.io.out, terminal);
  let last: { readonly body: string; readonly look: Look } | undefined;
  return {
    look: async (look) => {
      // What was seen last stays while a look fails.
      const body = look.error === undefined ? await textOf(run, look, style) : (last?.body ?? "");
      last = { body, look };
      const head = `every ${intervalMs / 1000} s   ${timeOf(look.atMs)}   Ctrl-C ends`;
      const trouble =
        look.error && style("red", `error[${look.error.code}]: ${look.error.message}`);
      const lines = [style("dim", head), ...(trouble ? [trouble] : []), "", ...body.split("\n")];
      await screen.draw(lines);
    },
    end: async () => {
      await screen.close();
      if (last !== undefined) await run.io.out(last.body);
    },
  };
}

/** One table after another, when a table was asked for and there is no window. */
function asFrames(run: Run, style: Style): Show {
  return {
    look: async (look) => {
      const body = look.error ? `error[${look.error.code}]: ${look.error.message}\n` : "";
      await run.io.out(`${timeOf(look.atMs)}\n${body || (await textOf(run, look, style))}\n`);
    },
    end: async () => undefined,
  };
}

function asLines(run: Run): Show {
  return {
    look: async (look) => run.io.out(`${jsonText(jsonOf(lineOf(look)))}\n`),
    end: async () => undefined,
  };
}

/** The line of JSON of one look. */
function lineOf({ atMs, things, isOne, isCut, error }: Look): Printable {
  const seen = {
    observed_at: new Date(atMs).toISOString(),
    observed_at_ms: BigInt(atMs),
  };
  if (error !== undefined) return { ...seen, error: { code: error.code, message: error.message } };
  if (isOne) return { ...seen, item: things[0]?.fields };
  return {
    ...seen,
    count: things.length,
    is_cut: isCut,
    items: things.map(({ fields }) => fields),
  };
}

async function textOf(run: Run, look: Look, style: Style): Promise<string> {
  let text = "";
  const { format, field } = run.settings;
  const keep = async (part: string): Promise<void> => {
    text += part;
  };
  const printer = new Printer(format, keep, { field, style });
  if (look.isOne) for (const thing of look.things) await printer.one(thing);
  else await printer.many(look.things);
  if (look.isCut) text += `only the first ${THINGS_MAX}\n`;
  if (text === "") text = "nothing\n";
  return look.notes === "" ? text : `${text}${style("dim", look.notes)}\n`;
}

function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** What is said at the end. */
class Summary {
  readonly #startMs: number = Date.now();
  #last = "";
  #changes = 0;
  #failures = 0;
  looks = 0;
  exitCode: number = ExitCode.OK;

  add({ things, error, exitCode }: Look): void {
    this.looks += 1;
    this.exitCode = exitCode;
    if (error !== undefined) {
      this.#failures += 1;
      return;
    }
    const now = jsonText(things.map(({ fields }) => jsonOf(fields)));
    if (this.#last !== "" && now !== this.#last) this.#changes += 1;
    this.#last = now;
  }

  text(): string {
    const seconds = (Date.now() - this.#startMs) / 1000;
    const failed = this.#failures === 0 ? "" : `, ${this.#failures} failed`;
    const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`;
    return `watched for ${seconds.toFixed(1)} s: ${plural(this.looks, "look")}, ${plural(this.#changes, "change")}${failed}`;
  }
}
