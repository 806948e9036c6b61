/**
 * Pinned roots as files of a directory, one per vault, for this user only (they hold the vault's salt).
 *
 *   INV-ROOTS-1  A file is replaced whole: written beside, synced, renamed, and the directory synced. After a
 *                power cut there is the old text or the new one.
 *
 * Two processes may save at the same time; the later one wins, and both texts were verified.
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { LedgerError } from "@authledger/types";
import type { PinnedRoots } from "./pinned-roots.js";

const VAULT = /^[0-9]{1,20}-[0-9]{1,20}$/;

export class FileRoots implements PinnedRoots {
  readonly #directory: string;

  /** The directory is made when first needed. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async load(vault: string): Promise<string | undefined> {
    try {
      return await readFile(this.#path(vault), "utf8");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw ioError("IO_READ_FAILED", "read", this.#path(vault), cause);
    }
  }

  async save(vault: string, text: string): Promise<void> {
    const path = this.#path(vault);
    const beside = `${path}.${randomUUID()}`;
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await writeSynced(beside, text);
      await rename(beside, path);
      await syncDirectory(this.#directory);
    } catch (cause) {
      await rm(beside, { force: true }).catch(() => undefined); // the first failure is the one to tell
      throw ioError("IO_WRITE_FAILED", "write", path, cause);
    }
  }

  #path(vault: string): string {
    if (VAULT.test(vault)) return join(this.#directory, `${vault}.json`);
    throw new LedgerError("INVALID_ARGUMENT", `"${vault}" does not name a vault's file`, {
      details: { field: "vault" },
    });
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text, "utf8");
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function ioError(
  code: "IO_READ_FAILED" | "IO_WRITE_FAILED",
  verb: string,
  path: string,
  cause: unknown,
): LedgerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LedgerError(code, `cannot ${verb} the pinned roots ${path}: ${why}`, {
    details: { path },
    cause,
  });
}
