/**
 * The audit log as a file of the node: JSON lines, synced, rotated by size and count (L-164). It has every refused call,
 * which the ledger has in summaries only, and what could not be written to the ledger.
 *
 *   INV-TRAIL-3  Lines are written in their order, and a line that was acknowledged is on the disk; lines that wait take at
 *                most WAITING_BYTES_MAX.
 */
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { AuditRecord } from "./audit-record.js";

/** While the disk is slow. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

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
    this.#handle = await open(path, "a", 0o600);
    this.#bytes = (await this.#handle.stat()).size;
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
    const bytes = Buffer.from(text);
    await this.#handle!.appendFile(bytes);
    await this.#handle!.datasync();
    this.#bytes += bytes.length;
  }

  async #rotate(): Promise<void> {
    const { path, filesMax } = this.#options;
    await this.#handle?.close();
    this.#handle = undefined;
    await rm(`${path}.${filesMax}`, { force: true });
    for (let i = filesMax - 1; i > 0; i--) {
      if (await exists(`${path}.${i}`)) await rename(`${path}.${i}`, `${path}.${i + 1}`);
    }
    if (filesMax > 0) await rename(path, `${path}.1`);
    else await rm(path);
    await this.open();
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
