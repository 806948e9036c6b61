/** `authledger import FILE|-`, `authledger import posix DIR` and `authledger import --snapshot FILE`. */
import { stat } from "node:fs/promises";
import type { LedgerClient } from "@authledger/sdk";
import { ExitCode, LedgerError } from "@authledger/types";
import type { Command } from "commander";
import { csvSource } from "../importers/csv/csv-source.js";
import type { ImportSource } from "../importers/import-source.js";
import { ndjsonSource } from "../importers/ndjson/ndjson-source.js";
import { ensurePosixRules } from "../importers/posix/posix-rules.js";
import { posixSource } from "../importers/posix/posix-source.js";
import { storeSource } from "../importers/store-source.js";
import { formatCount } from "../output/progress.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { importClientOptions, importWithProgress } from "../run/import-progress.js";
import { type ImportSummary, IN_FLIGHT_DEFAULT, IN_FLIGHT_MAX } from "../run/import-run.js";
import { usage, wholeOf } from "../run/settings.js";
import { isStoreName, readStore } from "../stores/read-store.js";
import type { Store } from "../stores/store.js";
import { restoreSnapshot } from "./import-snapshot.js";

export function addImportCommand(program: Command, frame: CommandFrame): void {
  const command = program
    .command("import")
    .argument("[source]", "NDJSON, CSV, a store with a model, - for standard input, or: posix")
    .argument("[directory]", "with posix: the tree whose ownership becomes tuples")
    .description("import tuples and entities (start it again to resume), or restore a snapshot")
    .option("--format <format>", "ndjson or csv (default: csv for names that end in .csv)")
    .option("--limit <tuples>", "with posix: stop before there are more")
    .option("--cross-file-systems", "with posix: enter what is mounted in the tree")
    .option("--no-model", "leave the vault's model alone: of a store or posix import tuples only")
    .option("--run <name>", "apply the source again although it was imported before")
    .option("--in-flight <n>", `transactions at a time, 1 to ${IN_FLIGHT_MAX}`)
    .option("--snapshot <file>", "make a new data directory of this snapshot, without a node")
    .option("--data <directory>", "with --snapshot: the directory, which is empty or not there")
    .option("--incarnation <n>", "with --snapshot: 1 to 31, higher for each further restore of it");
  frame.handle(command, runImport);
}

async function runImport(run: Run, name?: string, directory?: string): Promise<number> {
  const snapshot = textFlag(run, "snapshot");
  if (snapshot !== undefined) {
    if (name !== undefined) throw usage(`"${name}" does not go with --snapshot`);
    return restoreSnapshot(run, snapshot);
  }
  for (const flag of ["data", "incarnation"]) {
    if (textFlag(run, flag) !== undefined) throw usage(`--${flag} belongs to --snapshot`);
  }
  if (name === undefined) throw usage("give a file, - for standard input, or --snapshot FILE");
  return importRows(run, name, directory);
}

async function importRows(run: Run, name: string, directory?: string): Promise<number> {
  requireTenant(run);
  const store = isStoreName(name) ? await readStore(name) : undefined;
  const source =
    store === undefined ? await sourceOf(run, name, directory) : storeSource(store, name);
  const client = await run.client(importClientOptions(run.settings.deadlineMs));
  if (run.flags["model"] !== false) await bringModel(run, client, name, store);
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

/** Tuples mean something under a model: that of the store, or the Unix rules where the vault has none. */
async function bringModel(
  run: Run,
  client: LedgerClient,
  name: string,
  store: Store | undefined,
): Promise<void> {
  if (store !== undefined) {
    const { model } = await client.models.deploy(store, { ...run.call, activate: true });
    run.say(`model version ${model.version} is active`);
  } else if (name === "posix" && (await ensurePosixRules(client, run.call))) {
    run.say("the vault decides by the Unix permission rules now: authledger model get");
  }
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
  const isCsv = isCsvOf(textFlag(run, "format"), name);
  if (name === "-") return isCsv ? csvSource(run.io.input) : ndjsonSource(run.io.input);
  await requireReadable(name);
  return isCsv ? csvSource(name) : ndjsonSource(name);
}

function isCsvOf(format: string | undefined, name: string): boolean {
  if (format === undefined) return name.toLowerCase().endsWith(".csv");
  if (format === "csv" || format === "ndjson") return format === "csv";
  throw usage(`--format "${format}" is not ndjson or csv`);
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
