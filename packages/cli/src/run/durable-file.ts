/**
 * Files that survive a crash: written beside, synced, renamed, and the directory synced, so that a name always leads to
 * the whole old content or the whole new one.
 */
import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { LedgerError } from "@authledger/types";

/** Replaces a file whole, or leaves it as it was. @throws LedgerError IO_WRITE_FAILED */
export async function saveDurably(path: string, content: string | Uint8Array): Promise<void> {
  const beside = `${path}.${randomUUID()}`;
  try {
    await writeSynced(beside, content);
    await rename(beside, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await rm(beside, { force: true }).catch(() => undefined);
    const message = `cannot write ${path}: ${(cause as Error).message}`;
    throw new LedgerError("IO_WRITE_FAILED", message, { details: { path }, cause });
  }
}

async function writeSynced(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names of a directory durable, as a sync does the content of a file. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
