/**
 * Looks into the files of a data directory: slots, single pages, the log. Changes nothing and takes no lock, so it
 * also works beside a running node, whose files may change meanwhile: it says so.
 */
import { joinPath, NodeDisk, nodeTimers } from "@authledger/io";
import { decodeEntry, describeKey, describeRow, type EntryItem } from "@authledger/state";
import {
  DataLock,
  inspectPage,
  inspectSlots,
  type PageReport,
  type SlotCopyReport,
} from "@authledger/store";
import { LedgerError, toHex } from "@authledger/types";
import { checkWal, type WalBatch, type WalReport } from "@authledger/wal";

/** Who has the directory open, in words; undefined when nobody of this machine does. */
export interface InspectedDirectory {
  readonly holder: string | undefined;
}

/** A row of a page, in words. */
export interface InspectedRow {
  readonly key: string;
  readonly keyBytes: string;
  readonly value: string;
}

export interface InspectedPage extends InspectedDirectory {
  readonly report: Omit<PageReport, "entries">;
  readonly rows: readonly InspectedRow[];
}

/** A record of the log, in words. */
export interface InspectedRecord {
  readonly file: string;
  readonly offset: number;
  readonly lsn: number;
  readonly kind: string;
  readonly group: number;
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
  readonly text: string;
}

/** @throws LedgerError DATA_DIR_INVALID, IO_READ_FAILED */
export async function inspectDataSlots(
  directory: string,
  group: number,
): Promise<InspectedDirectory & { readonly copies: readonly SlotCopyReport[] }> {
  const path = await storeOf(directory, group);
  return { ...holderOf(directory), copies: await inspectSlots(new NodeDisk(), path) };
}

/** @throws LedgerError DATA_DIR_INVALID, IO_READ_FAILED */
export async function inspectDataPage(
  directory: string,
  group: number,
  page: number,
): Promise<InspectedPage> {
  const path = await storeOf(directory, group);
  const { entries, ...report } = await inspectPage(new NodeDisk(), path, page);
  const table = report.table?.name ?? "";
  const rows = entries.map(({ key, value, page: at }) => ({
    key: keyText(report.kind, table, key),
    keyBytes: toHex(key),
    value: value === undefined ? `page ${at}` : describeRow(table, key, value, timeText),
  }));
  return { ...holderOf(directory), report, rows };
}

/** Records are told one by one as they are read. @throws LedgerError DATA_DIR_INVALID, IO_READ_FAILED */
export async function inspectDataLog(
  directory: string,
  onRecord?: (record: InspectedRecord) => void,
): Promise<InspectedDirectory & { readonly log: WalReport }> {
  await requireNode(directory);
  const deps = { disk: new NodeDisk(), timers: nodeTimers };
  const onBatch = onRecord && ((batch: WalBatch): void => recordsOf(batch).forEach(onRecord));
  const log = await checkWal(joinPath(directory, "wal"), { ...deps, ...(onBatch && { onBatch }) });
  return { ...holderOf(directory), log };
}

function recordsOf({ file, offset, lsn, records }: WalBatch): InspectedRecord[] {
  return records.map(({ payload, ...record }) => ({
    ...{ file, offset, lsn },
    ...record,
    text: textOf(record.kind, record.index, payload),
  }));
}

function keyText(kind: PageReport["kind"], table: string, key: Uint8Array): string {
  if (kind !== "branch") return describeKey(table, key);
  return key.length === 0 ? "(everything before the next)" : `from ${toHex(key)}`;
}

function textOf(kind: string, index: number, payload: Uint8Array | undefined): string {
  if (payload !== undefined) return entryText(payload);
  // A mark of signatures has its vault where entries have their index.
  return kind === "signed" ? `head of vault ${index}` : "";
}

function entryText(payload: Uint8Array): string {
  if (payload.length === 0) return "empty";
  try {
    const { timeMs, items } = decodeEntry(payload.slice());
    return `${timeText(timeMs)}: ${items.map(itemText).join("; ")}`;
  } catch (error) {
    return `cannot be read: ${LedgerError.from(error).message}`;
  }
}

function itemText(item: EntryItem): string {
  return "vault" in item ? `${item.kind} of vault ${item.vault}` : item.kind;
}

function holderOf(directory: string): InspectedDirectory {
  return { holder: DataLock.holderOf(directory) };
}

async function requireNode(directory: string): Promise<void> {
  if (await new NodeDisk().exists(joinPath(directory, "node.json"))) return;
  const message = `${directory} holds no data of a node: it has no node.json`;
  throw new LedgerError("DATA_DIR_INVALID", message, { details: { directory } });
}

async function storeOf(directory: string, group: number): Promise<string> {
  await requireNode(directory);
  return joinPath(directory, "groups", String(group), "state.db");
}

function timeText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms` : date.toISOString();
}
