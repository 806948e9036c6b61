/** Files that a command is pointed to. */
import { readFile } from "node:fs/promises";
import { LedgerError } from "@authledger/types";

/** @throws LedgerError IO_READ_FAILED */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const details = { path };
    throw new LedgerError("IO_READ_FAILED", `cannot read ${path}: ${why}`, { details, cause });
  }
}
