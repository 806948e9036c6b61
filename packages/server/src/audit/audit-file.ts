/**
 * The audit log as a file of the node: JSON lines, synced, rotated by size and count (L-164). It has every refused call,
 * which the ledger has in summaries only, and what could not be written to the ledger.
 *
 *   INV-TRAIL-3  Lines are written in their order, and a line that was acknowledged is on the disk, on a line of its own; lines that
 *                wait take at most WAITING_BYTES_MAX.
 *   INV-TRAIL-5  A file that was put aside is removed only where all numbers are taken and a full file takes its place: a disk that
 *                fails in between costs the lines that come meanwhile, and none that was written.
 */
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { AuditRecord } from "./audit-record.js";

/** While the disk is slow. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const NEWLINE = 0x0a;

export interface AuditFileOptions {
  readonly path: string;
  /** A file that is larger is put aside as `<path>.1`, and `.1` as `.2`. */
  readonly bytesMax: number;
  /** Files put aside that are kept. */
  readonly filesMax: number;
}

export class AuditFile {
  readonly #options: AuditFileOptions;
  #handle: FileHandle | undefined;
  #bytes = 0;
  /** A write failed: nobody knows where the file ends. */
  #isUnsure = false;
  /** The file ends within a line, as a process that was killed or a full disk leaves it. */
  #isTorn = false;
  #waiting: string[] = [];
  #waitingBytes = 0;
  #running: Promise<void> | undefined;
  /** Lines that are not in the file: too many waited, or the disk failed. */
  lost = 0;
  /** What the disk said last, if it failed. */
  problem: Error | undefined;

  constructor(options: AuditFileOptions) {
    this.#options = options;
  }

  /** @throws the system's error when the file cannot be had */
  async open(): Promise<void> {
    const { path } = this.#options;
    await mkdir(dirname(path), { recursive: true });
    this.#handle = await open(path, "a+", 0o600);
    await this.#findEnd(this.#handle);
  }

  add(record: AuditRecord): void {
    const { timeMs, ...rest } = record;
    const line = `${JSON.stringify({ time: new Date(timeMs).toISOString(), ...rest })}\n`;
    if (this.#waitingBytes + line.length > WAITING_BYTES_MAX) {
      this.lost++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += line.length;
    this.#running ??= this.#run();
  }

  /** Resolves when everything added so far is on the disk, or lost. */
  async flush(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** One sync for all lines that have come meanwhile. */
  async #run(): Promise<void> {
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      try {
        await this.#write(lines.join(""));
        this.problem = undefined;
      } catch (error) {
        this.lost += lines.length;
        this.problem = error as Error;
      }
    }
    this.#running = undefined;
  }

  async #write(text: string): Promise<void> {
    if (this.#bytes >= this.#options.bytesMax) await this.#rotate();
    if (this.#handle === undefined) await this.open();
    else if (this.#isUnsure) await this.#findEnd(this.#handle);
    const bytes = Buffer.from(this.#isTorn ? `\n${text}` : text);
    this.#isUnsure = true;
    await this.#handle!.appendFile(bytes);
    await this.#handle!.datasync();
    this.#isUnsure = false;
    this.#isTorn = false;
    this.#bytes += bytes.length;
  }

  async #findEnd(handle: FileHandle): Promise<void> {
    const { size } = await handle.stat();
    const last = size === 0 ? undefined : await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    this.#bytes = size;
    this.#isTorn = last !== undefined && last.buffer[0] !== NEWLINE;
    this.#isUnsure = false;
  }

  /** Each step may fail, and all of it is begun anew then: what was moved makes room that is not made again. */
  async #rotate(): Promise<void> {
    const { path, filesMax } = this.#options;
    await this.#handle?.close();
    this.#handle = undefined;
    let free = 1;
    while (free < filesMax && (await exists(`${path}.${free}`))) free++;
    if (await exists(path)) {
      for (let i = free; i > 1; i--) await rename(`${path}.${i - 1}`, `${path}.${i}`);
      if (filesMax > 0) await rename(path, `${path}.1`);
      else await rm(path);
    }
    // The file that is opened next is another one, also where that fails now.
    this.#bytes = 0;
    await this.open();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
