/**
 * The disk of a simulated machine as one life of its process sees it: a MemoryDisk on which everything takes virtual time and
 * may fail. A write is in the page cache when it begins and is acknowledged when it ends; a sync makes durable what was there
 * when it began, when it ends. What a crash between the two leaves is for MemoryDisk.crash to decide.
 */
import {
  type Disk,
  type DiskFile,
  type DiskOperationKind,
  type MemoryDisk,
  MemoryFile,
  type OpenOptions,
} from "@authledger/io";
import { assert, LedgerError } from "@authledger/types";
import type { MachineLife } from "./machine-life.js";

/** What happens to one operation. */
export interface DiskFate {
  readonly delayMs: number;
  /** It fails with EIO, or ENOSPC; a failing sync takes what it should have synced with it. */
  readonly failure?: "EIO" | "ENOSPC";
  /** A write is acknowledged and goes astray: to another place of the file, or nowhere. */
  readonly astray?: Astray;
}

export interface Astray {
  /** To which page, as a share of the file in [0, 1); undefined: nowhere. */
  readonly to: number | undefined;
}

/** Pages of the store, which is where writes go astray. */
const PAGE_BYTES = 4_096;

/** Opening a file that is not there yet needs room for its name. */
export type SimulatedOperationKind = DiskOperationKind | "create";

export interface DiskWorld {
  readonly platter: MemoryDisk;
  readonly life: MachineLife;
  /** Asked when an operation begins. */
  readonly fate: (kind: SimulatedOperationKind, path: string) => DiskFate;
  /** Told when an operation has ended well, before its caller is. May end the life. */
  readonly onDone: (kind: SimulatedOperationKind, path: string) => void;
}

type FailureCode = "IO_READ_FAILED" | "IO_WRITE_FAILED" | "SYNC_FAILED";

export class SimulatedDisk implements Disk {
  readonly #world: DiskWorld;

  constructor(world: DiskWorld) {
    this.#world = world;
  }

  async open(path: string, options?: OpenOptions): Promise<DiskFile> {
    const { platter } = this.#world;
    const code = options?.create ? "IO_WRITE_FAILED" : "IO_READ_FAILED";
    const isNew = options?.create === true && !platter.holds(path);
    const kind = isNew ? "create" : "open";
    const file = await this.perform(kind, path, code, () => platter.open(path, options));
    assert(file instanceof MemoryFile, "a platter is a memory disk");
    return new SimulatedFile(this, file);
  }

  exists(path: string): Promise<boolean> {
    const { platter } = this.#world;
    return this.perform("exists", path, "IO_READ_FAILED", () => platter.exists(path));
  }

  list(directory: string): Promise<string[]> {
    const { platter } = this.#world;
    return this.perform("list", directory, "IO_READ_FAILED", () => platter.list(directory));
  }

  makeDirectory(directory: string): Promise<void> {
    const { platter } = this.#world;
    const make = (): Promise<void> => platter.makeDirectory(directory);
    return this.perform("make-directory", directory, "IO_WRITE_FAILED", make);
  }

  rename(from: string, to: string): Promise<void> {
    const { platter } = this.#world;
    return this.perform("rename", from, "IO_WRITE_FAILED", () => platter.rename(from, to));
  }

  remove(path: string): Promise<void> {
    const { platter } = this.#world;
    return this.perform("remove", path, "IO_WRITE_FAILED", () => platter.remove(path));
  }

  async syncDirectory(directory: string): Promise<void> {
    const begin = async (): Promise<() => void> =>
      this.#world.platter.beginSyncDirectory(directory);
    await this.perform("sync-directory", directory, "SYNC_FAILED", begin, (end) => end());
  }

  /**
   * Begins an operation now and ends it after its delay: `begin` touches the page cache, `end` what is behind it. An operation
   * that fails never begins.
   */
  perform<T>(
    kind: SimulatedOperationKind,
    path: string,
    code: FailureCode,
    begin: (astray: Astray | undefined) => Promise<T>,
    end: (begun: T) => void = () => undefined,
  ): Promise<T> {
    const { life, fate, onDone } = this.#world;
    // What a dead process still runs until it next waits reaches nothing.
    if (life.isOver) return new Promise(() => undefined);
    const { delayMs, failure, astray } = fate(kind, path);
    const begun = failure === undefined ? begin(astray) : undefined;
    begun?.catch(() => undefined);
    return new Promise((resolve, reject) => {
      life.after(delayMs, () => {
        if (begun === undefined) {
          const errno = failure!;
          const failed = errno === "ENOSPC" ? "DISK_FULL" : code;
          reject(
            new LedgerError(failed, `cannot ${kind} ${path}: ${errno}`, { details: { errno } }),
          );
          return;
        }
        begun.then((value) => {
          end(value);
          onDone(kind, path);
          if (!life.isOver) resolve(value);
        }, reject);
      });
    });
  }
}

class SimulatedFile implements DiskFile {
  readonly #disk: SimulatedDisk;
  readonly #file: MemoryFile;

  constructor(disk: SimulatedDisk, file: MemoryFile) {
    this.#disk = disk;
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  size(): number {
    return this.#file.size();
  }

  readSync(into: Uint8Array, position: number): number {
    return this.#file.readSync(into, position);
  }

  write(parts: readonly Uint8Array[], position: number): Promise<void> {
    const write = async (astray: Astray | undefined): Promise<void> => {
      if (astray === undefined) return this.#file.write(parts, position);
      if (astray.to === undefined) return;
      const page = Math.floor((astray.to * this.#file.size()) / PAGE_BYTES);
      await this.#file.write(parts, page * PAGE_BYTES);
    };
    return this.#disk.perform("write", this.path, "IO_WRITE_FAILED", write);
  }

  async datasync(): Promise<void> {
    const begin = async (): Promise<() => void> => this.#file.beginSync();
    try {
      await this.#disk.perform("sync", this.path, "SYNC_FAILED", begin, (end) => end());
    } catch (error) {
      // The kernel marks the pages clean: they stay readable, and no later sync writes them (Rebello et al.).
      this.#file.forgetUnsynced();
      throw error;
    }
  }

  truncate(length: number): Promise<void> {
    const cut = (): Promise<void> => this.#file.truncate(length);
    return this.#disk.perform("truncate", this.path, "IO_WRITE_FAILED", cut);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
