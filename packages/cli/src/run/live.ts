/** Output of commands that follow something: each thing when it comes, and a summary at the end. */
import { LedgerError } from "@authledger/types";
import { jsonOf } from "../output/json-value.js";
import { Printer, type Thing } from "../output/printer.js";
import { PLAIN } from "../output/style.js";
import { formatTable } from "../output/table.js";
import type { Run } from "./run.js";

/** Prints things as they come: rows on a terminal, NDJSON when piped, unless the caller wants another format. */
export async function printLive(run: Run, things: AsyncIterable<Thing>): Promise<void> {
  const { format, field } = run.settings;
  const isTable = format === "table" || format === "wide";
  if (!isTable || field !== undefined) return void (await run.print.many(things));
  if (run.io.terminal === undefined) {
    await new Printer("json", run.io.out, {}).many(things);
    return;
  }
  let hasHeader = true;
  for await (const { fields, columns } of things) {
    const values = jsonOf(fields) as Parameters<typeof formatTable>[1][number];
    await run.io.out(
      formatTable(columns ?? Object.keys(fields), [values], {
        style: PLAIN,
        isWhole: format === "wide",
        hasHeader,
      }),
    );
    hasHeader = false;
  }
}

/** Until Ctrl-C, which is no failure of what was asked to follow; what failed beside it is one. */
export async function untilStopped(run: Run, follow: () => Promise<void>): Promise<void> {
  try {
    await follow();
  } catch (error) {
    const isStopped = run.io.signal.aborted && LedgerError.from(error).code === "CANCELLED";
    if (!isStopped) throw error;
  }
}
