/** `authledger import FILE|-` and `authledger import posix DIR`. */
import { stat } from "node:fs/promises";
import { ExitCode, LedgerError } from "@authledger/types";
import type { Command } from "commander";
import type { ImportSource } from "../importers/import-source.js";
import { ndjsonSource } from "../importers/ndjson/ndjson-source.js";
import { posixSource } from "../importers/posix/posix-source.js";
import { formatCount } from "../output/progress.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { importClientOptions, importWithProgress } from "../run/import-progress.js";
import { type ImportSummary, IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX } from "../run/import-run.js";
import { usage, wholeOf } from "../run/settings.js";

export function addImportCommand(program: Command, frame: CommandFrame): void {
  const command = program
    .command("import")
    .argument("<source>", "an NDJSON file, - for standard input, or: posix")
    .argument("[directory]", "with posix: the tree whose ownership becomes tuples")
    .description("import tuples and entities; start it again to resume")
    .option("--limit <tuples>", "with posix: stop before there are more")
    .option("--cross-file-systems", "with posix: enter what is mounted in the tree")
    .option("--run <name>", "apply the source again although it was imported before")
    .option("--in-flight <n>", `transactions at a time, 1 to ${IN_FLIGHT_MAX}`);
  frame.handle(command, runImport);
}

async function runImport(run: Run, name = "", directory?: string): Promise<number> {
  requireTenant(run);
  const source = await sourceOf(run, name, directory);
  const client = await run.client(importClientOptions(run.settings.deadlineMs));
  const label = textFlag(run, "run");
  const inFlight = inFlightOf(textFlag(run, "inFlight"));
  const options = { inFlight, ...(label !== undefined && { run: label }) };
  const importing = importWithProgress(run, client, options);
  try {
    await importing.run(source);
  } finally {
    await report(run, source, importing);
  }
  const { rejected } = importing.summary;
  if (rejected === 0) return ExitCode.OK;
  const message = `${formatCount(rejected)} parts of "${source.name}" were rejected`;
  throw new LedgerError("IMPORT_REJECTED", message, { details: { rejected } });
}

/** @throws LedgerError USAGE, INVALID_ARGUMENT, IO_READ_FAILED */
async function sourceOf(run: Run, name: string, directory?: string): Promise<ImportSource> {
  const limitText = textFlag(run, "limit");
  const crossFileSystems = run.flags["crossFileSystems"] === true;
  if (name === "posix") {
    if (directory === undefined) throw usage("give the directory: authledger import posix DIR");
    const limit = limitText === undefined ? {} : { limit: wholeOf(limitText, "limit") };
    return posixSource(directory, { ...limit, crossFileSystems });
  }
  if (directory !== undefined) throw usage(`"${directory}" is one argument too many`);
  if (limitText !== undefined || crossFileSystems) {
    throw usage("--limit and --cross-file-systems belong to: import posix DIR");
  }
  if (name === "-") return ndjsonSource(run.io.input);
  await requireReadable(name);
  return ndjsonSource(name);
}

/** Before anything else: a misspelt name is told at once. */
async function requireReadable(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError("IO_READ_FAILED", `cannot read "${path}": ${why}`, {
      details: { path },
      cause,
    });
  }
}

function inFlightOf(text: string | undefined): number {
  const value = text === undefined ? IN_FLIGHT_DEFAULT : wholeOf(text, "in-flight");
  if (value >= 1 && value <= IN_FLIGHT_MAX) return value;
  throw usage(`--in-flight is from 1 to ${IN_FLIGHT_MAX}`);
}

async function report(
  run: Run,
  source: ImportSource,
  { summary, seconds }: { readonly summary: ImportSummary; readonly seconds: number },
): Promise<void> {
  const { operations, transactions, replayed, rejected, height, statuses } = summary;
  const rate = Math.round(operations / Math.max(seconds, 0.001));
  await run.print.one({
    name: source.name,
    fields: {
      source: source.name,
      operations,
      transactions,
      replayed_transactions: replayed,
      rejected,
      ...statuses,
      height: height ?? null,
      seconds: Math.round(seconds * 1000) / 1000,
      operations_per_second: rate,
    },
  });
}
