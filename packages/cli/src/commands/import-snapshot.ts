/** `authledger import --snapshot FILE --data DIR`: the data directory of a new node. */
import { stat } from "node:fs/promises";
import type { RestoredVault, SnapshotProgress } from "@authledger/engine";
import { ExitCode, LedgerError, toHex } from "@authledger/types";
import type { Printable } from "../output/json-value.js";
import { Progress } from "../output/progress.js";
import { durationText, sizeText } from "../output/quantity.js";
import { textFlag } from "../run/command.js";
import type { Run } from "../run/run.js";
import { usage, wholeOf } from "../run/settings.js";
import { readSnapshotFile } from "../run/snapshot-file.js";

const CACHE_BYTES = 256 * 1024 * 1024;

export async function restoreSnapshot(run: Run, file: string): Promise<number> {
  const directory = textFlag(run, "data");
  if (directory === undefined) throw usage("give the new data directory: --data DIR");
  const bytes = await sizeOf(file);
  // Loaded here, since only a restore and `debug` need an engine.
  const { restoreNodeDirectory } = await import("@authledger/engine");
  const startMs = performance.now();
  const vaults: RestoredVault[] = [];
  const progress = new Progress({
    write: run.io.err,
    isTerminal: run.io.isErrTerminal && !run.settings.isQuiet,
    nowMs: () => performance.now(),
  });
  const chunks = abortable(readSnapshotFile(file), run.io.signal);
  let restored: SnapshotProgress;
  try {
    restored = await restoreNodeDirectory(
      { directory, cacheBytes: CACHE_BYTES, ...incarnationOf(run) },
      chunks,
      {
        progressed: ({ records, recordsAbout }) => progress.update(records, recordsAbout),
        restored: (vault) => vaults.push(vault),
      },
    );
  } finally {
    progress.clear();
  }
  await report(run, { file, directory, bytes, ms: performance.now() - startMs }, restored, vaults);
  run.say("every vault is a new log under a new key: give its readers the new anchor");
  run.say(
    `next: authledger start --data ${directory}, then authledger vault anchor for each vault`,
  );
  return ExitCode.OK;
}

function incarnationOf(run: Run): { incarnation?: number } {
  const text = textFlag(run, "incarnation");
  return text === undefined ? {} : { incarnation: wholeOf(text, "incarnation") };
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const details = { path: file };
    throw new LedgerError("IO_READ_FAILED", `cannot read "${file}": ${why}`, { details, cause });
  }
}

/** Ctrl-C ends a restore between two chunks; the directory keeps its mark, and another restore clears it. */
async function* abortable(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    if (signal.aborted)
      throw new LedgerError("CANCELLED", "the restore was given up; nothing was installed");
    yield chunk;
  }
}

async function report(
  run: Run,
  from: {
    readonly file: string;
    readonly directory: string;
    readonly bytes: number;
    readonly ms: number;
  },
  { incarnation, appliedIndex, organizations, vaults, blocks, records }: SnapshotProgress,
  restored: readonly RestoredVault[],
): Promise<void> {
  await run.print.one({
    name: from.directory,
    fields: {
      data: from.directory,
      snapshot: from.file,
      size: sizeText(from.bytes),
      size_bytes: BigInt(from.bytes),
      time: durationText(from.ms),
      seconds: Math.round(from.ms) / 1000,
      incarnation,
      applied_index: BigInt(appliedIndex),
      organizations: BigInt(organizations - 1),
      vaults: BigInt(vaults - 1),
      blocks_checked: BigInt(blocks),
      records_checked: BigInt(records),
      restored: restored.map(vaultFields),
    },
    columns: [
      "data",
      "snapshot",
      "size",
      "time",
      "incarnation",
      "organizations",
      "vaults",
      "blocks_checked",
      "records_checked",
    ],
  });
}

/** What a recovery key signs to move clients over is in it (commitment.md, "Signing rules", 5). */
function vaultFields({
  organization,
  slug,
  origin,
  genesis,
  predecessor,
  records,
}: RestoredVault): {
  readonly [name: string]: Printable;
} {
  return {
    organization,
    vault: slug,
    origin,
    genesis,
    records,
    predecessor_origin: predecessor.origin,
    predecessor_size: predecessor.size,
    predecessor_root: predecessor.root,
    statement: statementOf(origin, genesis, predecessor),
  };
}

function statementOf(
  origin: string,
  genesis: Uint8Array,
  before: RestoredVault["predecessor"],
): string {
  const root = Buffer.from(before.root).toString("base64");
  const lines = [before.origin, origin, toHex(genesis), before.size, root];
  return `ledger-incarnation/v1\n${lines.join("\n")}\n`;
}
