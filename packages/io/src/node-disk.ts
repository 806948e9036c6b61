/** The disk of this machine. Short writes are completed; a failed call becomes the typed error of the port. */

import * as fs from "node:fs";
import { close, fdatasync, ftruncate, writev } from "node:fs";
import { promisify } from "node:util";
import { LedgerError } from "@authledger/types";
import type { Disk, DiskFile, OpenOptions } from "./disk.js";
import { UnsyncedChanges } from "./unsynced-changes.js";

const closeAsync = promisify(close);
const fdatasyncAsync = promisify(fdatasync);
const ftruncateAsync = promisify(ftruncate);

/** The largest write of a log that is made durable by itself: an append rather than a file that is filled. */
const THROUGH_BYTES_MAX = 256 * 1024;
/** Buffers of one writev call; IOV_MAX is 1,024 on Linux. */
const WRITE_PARTS_MAX = 1_000;

export class NodeDisk implements Disk {
  async open(path: string, options: OpenOptions = {}): Promise<DiskFile> {
    const { O_RDWR, O_CREAT, O_EXCL, O_DSYNC } = fs.constants;
    const flags =
      O_RDWR | (options.create ? O_CREAT : 0) | (options.create && options.exclusive ? O_EXCL : 0);
    try {
      const fd = fs.openSync(path, flags, options.mode ?? 0o644);
      return new NodeDiskFile(
        path,
        fd,
        options.isLog ? openThrough(path, fd, O_RDWR | O_DSYNC) : fd,
      );
    } catch (error) {
      throw failed(error, options.create ? "IO_WRITE_FAILED" : "IO_READ_FAILED", "open", path);
    }
  }

  async exists(path: string): Promise<boolean> {
    // Not existsSync: it says no to a file that cannot be looked at, and who believes that makes a new one.
    try {
      fs.statSync(path);
      return true;
    } catch (error) {
      const code = errno(error);
      if (code === "ENOENT" || code === "ENOTDIR") return false;
      throw failed(error, "IO_READ_FAILED", "look at", path);
    }
  }

  async list(directory: string): Promise<string[]> {
    try {
      return fs.readdirSync(directory).sort();
    } catch (error) {
      if (errno(error) === "ENOENT") return [];
      throw failed(error, "IO_READ_FAILED", "list", directory);
    }
  }

  async makeDirectory(directory: string): Promise<void> {
    try {
      // What is in it is for nobody else on the machine: tuples, values, salts and keys.
      fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw failed(error, "IO_WRITE_FAILED", "create directory", directory);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    try {
      fs.renameSync(from, to);
    } catch (error) {
      throw failed(error, "IO_WRITE_FAILED", "rename", from);
    }
  }

  async remove(path: string): Promise<void> {
    try {
      fs.rmSync(path, { force: true });
    } catch (error) {
      throw failed(error, "IO_WRITE_FAILED", "remove", path);
    }
  }

  async syncDirectory(directory: string): Promise<void> {
    try {
      const handle = await fs.promises.open(directory, "r");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw failed(error, "SYNC_FAILED", "sync directory", directory);
    }
  }
}

/** A second descriptor of an open file, whose writes return when they are durable. */
function openThrough(path: string, fd: number, flags: number): number {
  try {
    return fs.openSync(path, flags);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/**
 * Of a log two descriptors are open. What is written through the second, O_DSYNC, is durable when the write returns: one
 * trip to a thread and back instead of two, a tenth of the CPU and of the time of a small append. Large writes go the
 * ordinary way, since they come one after the other with one sync for all.
 */
class NodeDiskFile implements DiskFile {
  readonly path: string;
  readonly #fd: number;
  readonly #through: number;
  /** Those that were not made through the second one. */
  readonly #changes = new UnsyncedChanges();
  #open = true;

  constructor(path: string, fd: number, through: number) {
    this.path = path;
    this.#fd = fd;
    this.#through = through;
  }

  size(): number {
    try {
      return fs.fstatSync(this.#fd).size;
    } catch (error) {
      throw failed(error, "IO_READ_FAILED", "stat", this.path);
    }
  }

  readSync(into: Uint8Array, position: number): number {
    let done = 0;
    try {
      while (done < into.length) {
        const rest = done === 0 ? into : into.subarray(done);
        const n = fs.readSync(this.#fd, rest, 0, rest.length, position + done);
        if (n === 0) break;
        done += n;
      }
    } catch (error) {
      throw failed(error, "IO_READ_FAILED", `read at ${position}`, this.path);
    }
    return done;
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    let at = position;
    for (let i = 0; i < parts.length; i += WRITE_PARTS_MAX) {
      at += await this.#writeAll(parts.slice(i, i + WRITE_PARTS_MAX), at);
    }
  }

  async datasync(): Promise<void> {
    if (this.#through !== this.#fd && this.#changes.isNone) return;
    const begun = this.#changes.begin();
    try {
      await fdatasyncAsync(this.#fd);
      this.#changes.synced(begun);
    } catch (error) {
      throw failed(error, "SYNC_FAILED", "sync", this.path);
    }
  }

  async truncate(length: number): Promise<void> {
    try {
      await ftruncateAsync(this.#fd, length);
    } catch (error) {
      throw failed(error, "IO_WRITE_FAILED", "truncate", this.path);
    } finally {
      this.#changes.note();
    }
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    try {
      if (this.#through !== this.#fd) await closeAsync(this.#through);
      await closeAsync(this.#fd);
    } catch (error) {
      throw failed(error, "IO_WRITE_FAILED", "close", this.path);
    }
  }

  /** One writev, again for what a short write left over. */
  async #writeAll(parts: readonly Uint8Array[], position: number): Promise<number> {
    const total = parts.reduce((sum, part) => sum + part.length, 0);
    if (total <= THROUGH_BYTES_MAX) return this.#writeTo(this.#through, parts, position, total);
    return this.#writeTo(this.#fd, parts, position, total);
  }

  async #writeTo(
    fd: number,
    parts: readonly Uint8Array[],
    position: number,
    total: number,
  ): Promise<number> {
    try {
      return await this.#writeParts(fd, parts, position, total);
    } finally {
      if (fd === this.#fd) this.#changes.note();
    }
  }

  async #writeParts(
    fd: number,
    parts: readonly Uint8Array[],
    position: number,
    total: number,
  ): Promise<number> {
    let rest = parts;
    let done = 0;
    while (done < total) {
      const written = await this.#writeOnce(fd, rest, position + done);
      if (written === 0) {
        const message = `write at ${position + done} of ${this.path} made no progress`;
        throw new LedgerError("IO_WRITE_FAILED", message);
      }
      done += written;
      if (done < total) rest = skipBytes(rest, written);
    }
    return total;
  }

  #writeOnce(fd: number, parts: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      writev(fd, parts as Uint8Array[], position, (error, written) => {
        if (error === null) resolve(written);
        else reject(failed(error, "IO_WRITE_FAILED", `write at ${position}`, this.path));
      });
    });
  }
}

function skipBytes(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = count;
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      rest.push(part.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

function errno(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function failed(
  error: unknown,
  code: "IO_READ_FAILED" | "IO_WRITE_FAILED" | "SYNC_FAILED",
  what: string,
  path: string,
): LedgerError {
  if (error instanceof LedgerError) return error;
  const name = errno(error);
  const full = name === "ENOSPC" || name === "EDQUOT";
  return new LedgerError(full ? "DISK_FULL" : code, `cannot ${what} ${path}: ${name || error}`, {
    cause: error,
    details: { path, errno: name },
  });
}
