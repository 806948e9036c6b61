/** `authledger export --snapshot FILE` and `authledger export --format ndjson|csv`. */
import { existsSync } from "node:fs";
import { ExitCode } from "@authledger/types";
import type { Command } from "commander";
import { formatCount, Progress } from "../output/progress.js";
import { durationText, sizeText } from "../output/quantity.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { withHeight } from "../run/consistency.js";
import { usage } from "../run/settings.js";
import { writeSnapshotFile } from "../run/snapshot-file.js";
import { exportRows } from "./export-rows.js";

const CACHE_BYTES = 256 * 1024 * 1024;

export function addExportCommand(program: Command, frame: CommandFrame): void {
  const command = program
    .command("export")
    .description("write the tuples and entities of --vault, or a snapshot of everything, to a file")
    .option("--format <format>", "ndjson or csv (default: csv for files that end in .csv)")
    .option("-f, --file <path>", "where to write (default: standard output)")
    .option("--resource <type:id>", "only its tuples; so with the next two")
    .option("--relation <name>")
    .option("--subject <type:id>")
    .option("--snapshot <file>", "everything that the node holds, but its signing keys: the backup")
    .option(
      "--data <directory>",
      "with --snapshot: of a node that is stopped, instead of asking one",
    )
    .addHelpText(
      "after",
      "\nWith --verify every page is proven, which needs --resource or --subject.",
    );
  frame.handle(withHeight(command), async (run) => {
    const snapshot = textFlag(run, "snapshot");
    if (snapshot !== undefined) return exportSnapshot(run, snapshot);
    if (textFlag(run, "data") !== undefined) throw usage("--data belongs to --snapshot");
    return exportRows(run);
  });
}

const OF_ROWS = ["format", "file", "resource", "relation", "subject", "atHeight"] as const;

async function exportSnapshot(run: Run, file: string): Promise<number> {
  const other = OF_ROWS.find((flag) => textFlag(run, flag) !== undefined);
  if (other !== undefined)
    throw usage("a snapshot is everything: --snapshot goes with --data only");
  if (existsSync(file))
    throw usage(`${file} exists: give another name, a backup is not overwritten`);
  const startMs = performance.now();
  const progress = new Progress({
    write: run.io.err,
    isTerminal: run.io.isErrTerminal && !run.settings.isQuiet,
    nowMs: () => performance.now(),
  });
  const toldBytes = (bytes: number): void => progress.update(bytes, undefined);
  try {
    const { bytes, streamBytes } = await writeSnapshotFile(file, await chunksOf(run), toldBytes);
    progress.clear();
    await report(run, { file, bytes, streamBytes, ms: performance.now() - startMs });
  } finally {
    progress.clear();
  }
  return ExitCode.OK;
}

async function chunksOf(run: Run): Promise<AsyncIterable<Uint8Array>> {
  const directory = textFlag(run, "data");
  if (directory === undefined) return (await run.client()).admin.exportSnapshot(run.call);
  // Loaded here, since only this needs an engine.
  const { directorySnapshot } = await import("@authledger/engine");
  return directorySnapshot({ directory, cacheBytes: CACHE_BYTES });
}

async function report(
  run: Run,
  done: {
    readonly file: string;
    readonly bytes: number;
    readonly streamBytes: number;
    readonly ms: number;
  },
): Promise<void> {
  const { file, bytes, streamBytes, ms } = done;
  await run.print.one({
    name: file,
    fields: {
      snapshot: file,
      size: sizeText(bytes),
      size_bytes: BigInt(bytes),
      uncompressed: sizeText(streamBytes),
      uncompressed_bytes: BigInt(streamBytes),
      time: durationText(ms),
      seconds: Math.round(ms) / 1000,
    },
    columns: ["snapshot", "size", "uncompressed", "time"],
  });
  run.say(
    `${formatCount(streamBytes)} bytes, checked when they are restored: keep it as you keep the data`,
  );
}
