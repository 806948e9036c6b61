/** `authledger debug check`: is a data directory whole? For when no node has it open. */
import type { DataDirectoryReport } from "@authledger/engine";
import { ExitCode } from "@authledger/types";
import type { Command } from "commander";
import type { Printable } from "../output/json-value.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { addInspectCommands } from "./debug-inspect.js";

const DATA_DEFAULT = "./data";

export function addDebugCommands(program: Command, frame: CommandFrame): void {
  const debug = program.command("debug").description("looks behind the curtain");
  const check = debug
    .command("check")
    .description("check every page, log record and hash of a data directory; changes nothing")
    .option("--data <directory>", `of a node that is stopped (default ${DATA_DEFAULT})`)
    .addHelpText("after", "\nExits with 8 when something is damaged.");
  frame.handle(check, runCheck);
  addInspectCommands(debug, frame);
}

async function runCheck(run: Run): Promise<number> {
  // Loaded here, since no other command needs an engine.
  const { checkDataDirectory } = await import("@authledger/engine");
  const report = await checkDataDirectory(textFlag(run, "data") ?? DATA_DEFAULT);
  for (const problem of report.problems) run.io.err(`damaged: ${problem}\n`);
  const isWhole = report.problems.length === 0;
  await run.print.one({ name: isWhole ? "ok" : "damaged", fields: fieldsOf(report) });
  return isWhole ? ExitCode.OK : ExitCode.CORRUPTED;
}

function fieldsOf({ directory, nodeId, log, stores, records, problems }: DataDirectoryReport): {
  readonly [name: string]: Printable;
} {
  return {
    directory,
    node_id: nodeId,
    result: problems.length === 0 ? "ok" : "damaged",
    problems,
    log_end: log.end,
    log_segments: log.segments.length,
    log_batches: log.batches,
    log_records: log.records,
    log_torn_bytes: log.torn?.bytes ?? 0,
    groups: stores.map((store, i) => ({
      group: i + 1,
      generation: store.generations[0],
      applied_index: store.appliedIndex,
      last_log_index: log.groups[i]?.lastIndex,
      pages: store.pages,
      free_pages: store.freePages,
      page_bytes: store.pageBytes,
      rows: store.tables.reduce((sum, { count }) => sum + count, 0),
      vaults: records[i]?.counts.vaults,
      leaves: records[i]?.counts.leaves,
      branches: records[i]?.counts.branches,
      blocks: records[i]?.counts.blocks,
      transactions: records[i]?.counts.transactions,
    })),
  };
}
