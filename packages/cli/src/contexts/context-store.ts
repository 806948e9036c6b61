/**
 * The file of contexts on disk: `$XDG_CONFIG_HOME/authledger/contexts.json`, mode 0600.
 *
 *   INV-CONTEXT-3  The file is replaced as a whole, by one command at a time: commands that run together lose nothing of
 *                  each other, and a reader sees the file as it was or as it is.
 */
import { mkdir, open, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { LedgerError } from "@authledger/types";
import {
  type ContextFile,
  formatContextFile,
  NO_CONTEXTS,
  parseContextFile,
} from "./context-file.js";

type Env = Readonly<Record<string, string | undefined>>;

/** Another command holds the file for some milliseconds; who waits longer is told. */
const LOCK_WAIT_MS = 5_000;
/** A lock that is older was left by a command that was killed. */
const LOCK_STALE_MS = 10_000;
const LOCK_POLL_MS = 15;

export class ContextStore {
  readonly path: string;

  constructor(env: Env) {
    const home = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
    this.path = join(home, "authledger", "contexts.json");
  }

  /** No file is no contexts. @throws LedgerError CONTEXT_FILE_INVALID, IO_READ_FAILED */
  async load(): Promise<ContextFile> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return NO_CONTEXTS;
      throw ioError("IO_READ_FAILED", "read", this.path, cause);
    }
    return parseContextFile(text, this.path);
  }

  /** Replaces the file by what `change` makes of it. Nothing is written when it throws. */
  async update(change: (file: ContextFile) => ContextFile): Promise<ContextFile> {
    try {
      await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw ioError("IO_WRITE_FAILED", "create", dirname(this.path), cause);
    }
    const unlock = await this.#lock();
    try {
      const file = change(await this.load());
      await this.#replace(formatContextFile(file));
      return file;
    } finally {
      await unlock();
    }
  }

  async #replace(text: string): Promise<void> {
    const scratch = `${this.path}.${process.pid}`;
    try {
      await writeFile(scratch, text, { mode: 0o600, flush: true });
      await rename(scratch, this.path);
    } catch (cause) {
      await unlink(scratch).catch(() => undefined);
      throw ioError("IO_WRITE_FAILED", "write", this.path, cause);
    }
  }

  async #lock(): Promise<() => Promise<void>> {
    const path = `${this.path}.lock`;
    const untilMs = Date.now() + LOCK_WAIT_MS;
    for (;;) {
      try {
        const handle = await open(path, "wx", 0o600);
        await handle.close();
        return () => unlink(path).catch(() => undefined);
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException;
        if (code !== "EEXIST") throw ioError("IO_WRITE_FAILED", "lock", path, cause);
      }
      await removeStale(path);
      if (Date.now() > untilMs) {
        const message = `another command holds ${path}; remove that file if none runs`;
        throw new LedgerError("IO_WRITE_FAILED", message, { details: { file: path } });
      }
      await sleep(LOCK_POLL_MS);
    }
  }
}

/** Of a command that was killed. Two that find it together must not remove the lock that one of them then takes. */
async function removeStale(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined || Date.now() - found.mtimeMs < LOCK_STALE_MS) return;
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
    const isSame = (await stat(aside)).ino === found.ino;
    await (isSame ? unlink(aside) : rename(aside, path));
  } catch {
    // Another one was quicker.
  }
}

function ioError(
  code: "IO_READ_FAILED" | "IO_WRITE_FAILED",
  what: string,
  path: string,
  cause: unknown,
): LedgerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LedgerError(code, `cannot ${what} ${path}: ${why}`, { details: { path }, cause });
}
