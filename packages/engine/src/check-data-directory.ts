/**
 * Looks at a whole data directory that no node has open, and changes nothing: identity, log, every page of the
 * store of each group, and everything in it that follows from its records. Damage is a result, not an error.
 */
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { joinPath, NodeDisk, nodeTimers } from "@authledger/io";
import { checkStore, DataLock, type StoreReport } from "@authledger/store";
import { LedgerError } from "@authledger/types";
import { checkWal, type WalReport } from "@authledger/wal";
import { checkRecords, type RecordsReport } from "./check-records.js";
import { readNodeIdentity } from "./node-directory.js";

export interface DataDirectoryReport {
  readonly directory: string;
  readonly nodeId: bigint;
  readonly log: WalReport;
  /** One for each group. */
  readonly stores: readonly StoreReport[];
  /** One for each group whose store can be read. */
  readonly records: readonly RecordsReport[];
  /** What is wrong, in words; empty for a good directory. */
  readonly problems: readonly string[];
}

/** @throws LedgerError DATA_DIR_INVALID, DATA_DIR_IN_USE, FORMAT_NEWER, IO_READ_FAILED */
export async function checkDataDirectory(directory: string): Promise<DataDirectoryReport> {
  if (!existsSync(joinPath(directory, "node.json"))) {
    const message = `${directory} holds no data of a node: it has no node.json`;
    throw new LedgerError("DATA_DIR_INVALID", message, { details: { directory } });
  }
  const lock = await DataLock.acquire(directory);
  try {
    return await inspect(directory);
  } finally {
    await lock.release();
  }
}

async function inspect(directory: string): Promise<DataDirectoryReport> {
  const disk = new NodeDisk();
  const { nodeId, incarnation } = await readNodeIdentity(directory, disk);
  const log = await checkWal(joinPath(directory, "wal"), { disk, timers: nodeTimers });
  const stores: StoreReport[] = [];
  const records: RecordsReport[] = [];
  const problems = log.problems.map(({ message }) => `log: ${message}`);
  for (const group of await groupsOf(directory)) {
    const path = joinPath(directory, "groups", group, "state.db");
    const store = await checkStore(disk, path);
    stores.push(store);
    problems.push(...storeProblems(store), ...gapProblems(log, store, Number(group)));
    if (store.generations.length === 0) continue;
    const checked = await checkRecords(path, Number(group), incarnation).catch(unreadable);
    records.push(checked);
    problems.push(...checked.differences.map((difference) => `${path}: ${difference}`));
  }
  return { directory, nodeId, log, stores, records, problems };
}

/** A store of which neither slot can be stood on: that is what is wrong with it. */
function unreadable(error: unknown): RecordsReport {
  const { code, message } = LedgerError.from(error);
  if (code !== "STORE_NO_VALID_SLOT") throw error;
  const none = { vaults: 0, leaves: 0, branches: 0, blocks: 0, transactions: 0 };
  return { counts: { ...none, indexRows: 0, skipped: 0 }, differences: [message] };
}

/** Groups that have a directory, ascending. */
export async function groupsOf(directory: string): Promise<string[]> {
  const path = joinPath(directory, "groups");
  const names = existsSync(path) ? await readdir(path) : [];
  const groups = names.filter((name) => /^[1-9][0-9]*$/.test(name));
  return groups.sort((a, b) => Number(a) - Number(b));
}

function storeProblems({ path, problems, problemCount }: StoreReport): string[] {
  const shown = problems.map(
    ({ slot, page, table, what }) => `${path}: slot ${slot}, page ${page}, table ${table}: ${what}`,
  );
  const more = problemCount - problems.length;
  return more > 0 ? [...shown, `${path}: and ${more} more`] : shown;
}

/** The log must go on where the store ends; a log that ends earlier has lost entries. */
function gapProblems(log: WalReport, store: StoreReport, group: number): string[] {
  if (log.problems.length > 0 || store.problemCount > 0) return [];
  const held = log.groups.find((one) => Number(one.group) === group);
  const { appliedIndex } = store;
  if (held === undefined) {
    return appliedIndex === 0
      ? []
      : [`log: nothing of group ${group}, the store is at entry ${appliedIndex}`];
  }
  if (held.lastIndex < appliedIndex) {
    return [`log: group ${group} ends at entry ${held.lastIndex}, the store is at ${appliedIndex}`];
  }
  if (held.firstIndex > appliedIndex + 1) {
    return [
      `log: group ${group} begins at entry ${held.firstIndex}, the store ends at ${appliedIndex}`,
    ];
  }
  return [];
}
