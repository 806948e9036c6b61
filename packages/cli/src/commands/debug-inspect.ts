/** `authledger debug slot|page|wal`: the files of a node as they are, for people. Changes nothing. */
import type { InspectedDirectory, InspectedRecord } from "@authledger/engine";
import { toHex } from "@authledger/types";
import type { Command } from "commander";
import { type Thing, timeText } from "../output/printer.js";
import { sizeText } from "../output/quantity.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { usage } from "../run/settings.js";

const DATA_DEFAULT = "./data";

export function addInspectCommands(debug: Command, frame: CommandFrame): void {
  const at = (command: Command): Command =>
    command.option("--data <directory>", `of a node, running or not (default ${DATA_DEFAULT})`);
  frame.handle(at(debug.command("slot").description("both commit slots, copy by copy")), runSlot);
  const page = debug
    .command("page")
    .argument("<number>", "of the store's file, counted from 0")
    .description("a page of the store: what it is, who points at it, its rows in words")
    .option("--rows", "print the rows one by one instead of the page");
  frame.handle(at(page), runPage);
  const wal = debug
    .command("wal")
    .description("the log: segments, what groups have in it, how it ends")
    .option("--entries", "print every record in words instead")
    .option("--segments", "print every segment instead");
  frame.handle(at(wal), runWal);
}

function directoryOf(run: Run): string {
  return textFlag(run, "data") ?? DATA_DEFAULT;
}

function sayHolder(run: Run, { holder }: InspectedDirectory): void {
  if (holder !== undefined) run.say(`in use by ${holder}: the files change while they are read`);
}

async function runSlot(run: Run): Promise<undefined> {
  const { inspectDataSlots } = await import("@authledger/engine");
  const found = await inspectDataSlots(directoryOf(run), 1);
  sayHolder(run, found);
  const things = found.copies.map((copy): Thing => {
    const { superblock: block, slot, verdict, problem } = copy;
    return {
      name: `${slot}${copy.copy}`,
      fields: {
        slot: `${slot}${copy.copy}`,
        verdict: problem ?? verdict,
        role: copy.role ?? null,
        generation: block?.txid ?? null,
        applied_index: block?.appliedIndex ?? null,
        applied_term: block?.appliedTerm ?? null,
        open_epoch: block?.openEpoch ?? null,
        pages: block?.highWater ?? null,
        free_pages: block === undefined ? null : copy.freePages,
        size: block === undefined ? null : sizeText(block.highWater * block.pageBytes),
        page_bytes: block?.pageBytes ?? null,
        tables: block === undefined ? null : copy.tables,
        catalog_page: block?.catalogPage ?? null,
        free_list_page: block?.freeListPage ?? null,
        time: (block && timeText(block.leaderTimeMs)) ?? null,
        digest: block === undefined ? null : toHex(block.digest),
        file_uuid: block === undefined ? null : toHex(block.uuid),
      },
      columns: [
        "slot",
        "verdict",
        "role",
        "generation",
        "applied_index",
        "open_epoch",
        "pages",
        "free_pages",
        "size",
        "catalog_page",
        "free_list_page",
        "time",
      ],
    };
  });
  await run.print.many(things);
  return undefined;
}

async function runPage(run: Run, number = ""): Promise<undefined> {
  if (!/^[0-9]{1,10}$/.test(number)) throw usage(`"${number}" is not the number of a page`);
  const { inspectDataPage } = await import("@authledger/engine");
  const { report, rows, ...directory } = await inspectDataPage(directoryOf(run), 1, Number(number));
  sayHolder(run, directory);
  if (run.flags["rows"] === true && isForLines(run)) {
    await run.print.many(
      rows.map(({ key, keyBytes, value }) => ({
        name: keyBytes,
        fields: { key, value, key_bytes: keyBytes },
        columns: ["key", "value"],
      })),
    );
    return undefined;
  }
  const isTree = report.kind === "leaf" || report.kind === "branch";
  await run.print.one({
    name: String(report.page),
    fields: {
      page: report.page,
      kind: report.kind,
      checksum: report.checksum,
      reached_by:
        report.reachedBy.length > 0 ? report.reachedBy.map((slot) => `slot ${slot}`) : "no slot",
      parent: report.parent ?? null,
      pages: report.pages,
      ...(report.table !== undefined && { table: report.table.name, table_id: report.table.id }),
      ...(isTree && {
        level: report.level,
        generation: report.generation,
        cells: report.cells,
        free_bytes: report.freeBytes,
        prefix_bytes: report.prefixBytes,
      }),
      ...(rows.length > 0 && {
        first: `${rows[0]!.key}: ${rows[0]!.value}`,
        last: `${rows.at(-1)!.key}: ${rows.at(-1)!.value}`,
      }),
      rows: rows.map(({ key, value, keyBytes }) => ({ key, value, key_bytes: keyBytes })),
    },
    columns: [
      "page",
      "kind",
      "table",
      "checksum",
      "reached_by",
      "parent",
      "pages",
      "level",
      "generation",
      "cells",
      "free_bytes",
      "prefix_bytes",
      "first",
      "last",
    ],
  });
  if (rows.length > 0) run.say("--rows prints every row");
  return undefined;
}

async function runWal(run: Run): Promise<undefined> {
  const { inspectDataLog } = await import("@authledger/engine");
  const wantsEntries = run.flags["entries"] === true;
  const records: InspectedRecord[] = [];
  const found = await inspectDataLog(
    directoryOf(run),
    wantsEntries ? (record) => records.push(record) : undefined,
  );
  sayHolder(run, found);
  const { log } = found;
  for (const { message } of log.problems) run.io.err(`damaged: ${message}\n`);
  if (wantsEntries && isForLines(run)) await run.print.many(records.map(recordThing));
  else if (run.flags["segments"] === true && isForLines(run)) {
    await run.print.many(log.segments.map(segmentThing));
  } else {
    await run.print.one({
      name: log.end ?? "damaged",
      fields: {
        directory: log.directory,
        end: log.problems.length > 0 ? "damaged" : (log.end ?? "no log"),
        torn:
          log.torn && `${log.torn.bytes} bytes at ${log.torn.offset} of ${fileName(log.torn.file)}`,
        problems: log.problems.map(({ message }) => message),
        segment_count: log.segments.length,
        batches: log.batches,
        records: log.records,
        used: sizeText(log.segments.reduce((sum, { usedBytes }) => sum + usedBytes, 0)),
        used_bytes: log.segments.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
        signed_marks: log.signedMarks,
        groups: log.groups.map((group) => ({
          group: group.group,
          first_index: group.firstIndex,
          last_index: group.lastIndex,
          term: group.term,
          commit_hint: group.commitHint,
        })),
        segments: log.segments.map((segment) => segmentThing(segment).fields),
        ...(wantsEntries && { entries: records.map((record) => recordThing(record).fields) }),
      },
      columns: [
        "directory",
        "end",
        "torn",
        "problems",
        "segment_count",
        "used",
        "batches",
        "records",
        "signed_marks",
        "groups",
      ],
    });
  }
  return undefined;
}

/** JSON and YAML are one document, with the lines in it. */
function isForLines({ settings }: Run): boolean {
  return settings.format !== "json" && settings.format !== "yaml";
}

function segmentThing(segment: {
  file: string;
  batches: number;
  usedBytes: number;
  lastLsn: number;
}): Thing {
  const { file, batches, usedBytes, lastLsn } = segment;
  const used = sizeText(usedBytes);
  return {
    name: fileName(file),
    fields: { file: fileName(file), batches, used, used_bytes: usedBytes, last_batch: lastLsn },
    columns: ["file", "batches", "used", "last_batch"],
  };
}

function recordThing(record: InspectedRecord): Thing {
  const { file, offset, lsn, kind, group, index, term, bytes, text } = record;
  return {
    name: `${group}/${index}`,
    fields: { batch: lsn, kind, group, index, term, bytes, text, file: fileName(file), offset },
    columns: ["batch", "kind", "group", "index", "term", "bytes", "text"],
  };
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
