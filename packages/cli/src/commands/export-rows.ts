/**
 * `authledger export --format ndjson|csv`: tuples and entities of one vault as of one block. What was erased since is
 * left out and counted: a tuple without its condition would count always where it is imported.
 */
import { open } from "node:fs/promises";
import { atHeight, type Consistency } from "@authledger/sdk";
import { ExitCode } from "@authledger/types";
import { csvRows, type ExportedRow, ndjsonRows, type RowFormat } from "../exporters/rows.js";
import { Progress } from "../output/progress.js";
import { durationText } from "../output/quantity.js";
import { type Run, requireTenant, textFlag } from "../run/command.js";
import { consistencyOf } from "../run/consistency.js";
import { usage } from "../run/settings.js";
import { writeFailed } from "../run/write-failed.js";

/** Text that is gathered before it is written. */
const WRITE_CHARACTERS = 64 * 1024;
const FILTERS = ["resource", "relation", "subject"] as const;

type Filter = Partial<Record<(typeof FILTERS)[number], string>>;

interface Counts {
  tuples: number;
  entities: number;
  erased: number;
}

export async function exportRows(run: Run): Promise<number> {
  requireTenant(run);
  const filter = filterOf(run);
  requireProvable(run, filter);
  const file = textFlag(run, "file");
  const format = formatOf(textFlag(run, "format"), file);
  const startMs = performance.now();
  const { consistency, height } = await pointOf(run);
  const counts: Counts = { tuples: 0, entities: 0, erased: 0 };
  const progress = new Progress({
    write: run.io.err,
    isTerminal: run.io.isErrTerminal && !run.settings.isQuiet,
    nowMs: () => performance.now(),
  });
  const rows = counted(rowsOf(run, filter, consistency), counts, (n) =>
    progress.update(n, undefined),
  );
  try {
    if (file === undefined) await write(format, rows, run.io.out);
    else await writeFile(file, format, rows);
  } finally {
    progress.clear();
  }
  const ms = performance.now() - startMs;
  const words = `${counts.tuples} tuples and ${counts.entities} entities as of block ${height}, in ${durationText(ms)}`;
  run.say(run.settings.isVerifying ? `${words}; every page is proven complete` : words);
  const { erased, ...written } = counts;
  if (erased > 0) run.say(`${erased} rows are left out: their values were erased since`);
  if (file === undefined) return ExitCode.OK;
  const seconds = Math.round(ms) / 1000;
  await run.print.one({ name: file, fields: { file, ...written, erased, height, seconds } });
  return ExitCode.OK;
}

/** One height for everything: that of the flag, or the newest when the export begins. */
async function pointOf(run: Run): Promise<{ consistency: Consistency; height: bigint }> {
  const given = consistencyOf(run);
  if (given?.kind === "at_height") return { consistency: given, height: given.height };
  const { height } = await (await run.client()).getTip(run.call);
  return { consistency: atHeight(height), height };
}

async function* rowsOf(
  run: Run,
  filter: Filter,
  consistency: Consistency,
): AsyncGenerator<ExportedRow, void, undefined> {
  const client = await run.client();
  const options = { ...run.call, consistency };
  for await (const row of client.list(filter, options)) yield { kind: "tuple", row };
  if (Object.keys(filter).length > 0) return;
  for await (const row of client.listEntities("", options)) yield { kind: "entity", row };
}

async function* counted(
  rows: AsyncIterable<ExportedRow>,
  counts: Counts,
  progressed: (rows: number) => void,
): AsyncGenerator<ExportedRow, void, undefined> {
  for await (const row of rows) {
    if (row.row.erased) {
      counts.erased++;
      continue;
    }
    if (row.kind === "tuple") counts.tuples++;
    else counts.entities++;
    progressed(counts.tuples + counts.entities);
    yield row;
  }
}

async function write(
  format: RowFormat,
  rows: AsyncIterable<ExportedRow>,
  out: (text: string) => Promise<void>,
): Promise<void> {
  let text = format.head;
  for await (const row of rows) {
    text += format.format(row);
    if (text.length < WRITE_CHARACTERS) continue;
    await out(text);
    text = "";
  }
  await out(text);
}

/** @throws LedgerError IO_WRITE_FAILED, DISK_FULL */
async function writeFile(
  path: string,
  format: RowFormat,
  rows: AsyncIterable<ExportedRow>,
): Promise<void> {
  const failed = (cause: NodeJS.ErrnoException): never => {
    throw writeFailed(path, cause);
  };
  const file = await open(path, "w", 0o600).catch(failed);
  try {
    await write(format, rows, async (text) => {
      await file.writeFile(text).catch(failed);
    });
    await file.sync().catch(failed);
  } finally {
    await file.close();
  }
}

function filterOf(run: Run): Filter {
  const given = FILTERS.map((name) => [name, textFlag(run, name)] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

/** A proof covers the tuples of a resource or a subject. @throws LedgerError USAGE */
function requireProvable({ settings }: Run, { resource, subject }: Filter): void {
  if (!settings.isVerifying || resource !== undefined || subject !== undefined) return;
  throw usage("--verify needs --resource or --subject: proofs are of lists that one of them names");
}

function formatOf(format: string | undefined, file: string | undefined): RowFormat {
  const isCsv = format === "csv" || (format === undefined && file?.toLowerCase().endsWith(".csv"));
  if (format === undefined || format === "csv" || format === "ndjson") {
    return isCsv === true ? csvRows : ndjsonRows;
  }
  throw usage(`--format "${format}" is not ndjson or csv`);
}
