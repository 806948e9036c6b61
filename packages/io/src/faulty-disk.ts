/**
 * Any disk with faults put between it and its user. A plan looks at every operation, in order, and may let it
 * fail or damage what a read returns. The crash tests also use the plan as their place to stand: it is
 * called before each write and sync, which is when they fork the disk below.
 *
 * A sync that fails takes the unsynced writes with it, as the page cache of Linux does: they stay readable
 * and are gone after the next crash, and later syncs succeed (Rebello et al., ATC'20).
 */
import { LedgerError } from "@authledger/types";
import type { Disk, DiskFile, OpenOptions } from "./disk.js";
import { MemoryFile } from "./memory-disk.js";

export type DiskOperationKind =
  | "open"
  | "read"
  | "write"
  | "sync"
  | "truncate"
  | "rename"
  | "remove"
  | "sync-directory"
  | "exists"
  | "list"
  | "make-directory";

/** One operation about to happen. */
export interface DiskOperation {
  readonly kind: DiskOperationKind;
  readonly path: string;
  /** How many operations came before it on this disk. */
  readonly number: number;
  /** For reads, writes and truncates; else 0. */
  readonly position: number;
  readonly length: number;
}

export type DiskFault =
  /** The call fails: EIO, or ENOSPC for writes. A failing write may have written its first bytes. */
  | { readonly kind: "fail"; readonly full?: boolean; readonly writtenBytes?: number }
  /** A read returns bytes with one flipped bit. */
  | { readonly kind: "flip"; readonly bit: number }
  /** A read or write goes to another position (misdirected). */
  | { readonly kind: "misdirect"; readonly position: number }
  /** A write is acknowledged and never happens (phantom). */
  | { readonly kind: "phantom" };

export type FaultPlan = (operation: DiskOperation) => DiskFault | undefined;

export class FaultyDisk implements Disk {
  readonly #below: Disk;
  #plan: FaultPlan;
  #count = 0;

  constructor(below: Disk, plan: FaultPlan) {
    this.#below = below;
    this.#plan = plan;
  }

  set plan(plan: FaultPlan) {
    this.#plan = plan;
  }

  /** Operations seen so far. */
  get operations(): number {
    return this.#count;
  }

  async open(path: string, options?: OpenOptions): Promise<DiskFile> {
    this.refuse("open", path, options?.create ? "IO_WRITE_FAILED" : "IO_READ_FAILED");
    return new FaultyFile(this, await this.#below.open(path, options));
  }

  async exists(path: string): Promise<boolean> {
    this.refuse("exists", path, "IO_READ_FAILED");
    return this.#below.exists(path);
  }

  async list(directory: string): Promise<string[]> {
    this.refuse("list", directory, "IO_READ_FAILED");
    return this.#below.list(directory);
  }

  async makeDirectory(directory: string): Promise<void> {
    this.refuse("make-directory", directory, "IO_WRITE_FAILED");
    await this.#below.makeDirectory(directory);
  }

  async rename(from: string, to: string): Promise<void> {
    this.refuse("rename", from, "IO_WRITE_FAILED");
    await this.#below.rename(from, to);
  }

  async remove(path: string): Promise<void> {
    this.refuse("remove", path, "IO_WRITE_FAILED");
    await this.#below.remove(path);
  }

  async syncDirectory(directory: string): Promise<void> {
    this.refuse("sync-directory", directory, "SYNC_FAILED");
    await this.#below.syncDirectory(directory);
  }

  /** Asks the plan about an operation. */
  consult(kind: DiskOperationKind, path: string, position = 0, length = 0): DiskFault | undefined {
    return this.#plan({ kind, path, number: this.#count++, position, length });
  }

  /** Asks the plan and fails when it says so. */
  refuse(
    kind: DiskOperationKind,
    path: string,
    code: "IO_READ_FAILED" | "IO_WRITE_FAILED" | "SYNC_FAILED",
  ): void {
    const fault = this.consult(kind, path);
    if (fault?.kind === "fail") throw injected(fault, code, `${kind} ${path}`);
  }
}

class FaultyFile implements DiskFile {
  readonly #disk: FaultyDisk;
  readonly #file: DiskFile;

  constructor(disk: FaultyDisk, file: DiskFile) {
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
    const fault = this.#disk.consult("read", this.path, position, into.length);
    if (fault?.kind === "fail") throw injected(fault, "IO_READ_FAILED", `read ${this.path}`);
    const from = fault?.kind === "misdirect" ? fault.position : position;
    const length = this.#file.readSync(into, from);
    if (fault?.kind === "flip" && length > 0) {
      const bit = fault.bit % (length * 8);
      into[bit >> 3]! ^= 1 << (bit & 7);
    }
    return length;
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const fault = this.#disk.consult("write", this.path, position, length);
    switch (fault?.kind) {
      case "fail":
        await this.#file.write(firstBytes(parts, fault.writtenBytes ?? 0), position);
        throw injected(fault, "IO_WRITE_FAILED", `write ${this.path}`);
      case "phantom":
        return;
      case "misdirect":
        return this.#file.write(parts, fault.position);
      default:
        return this.#file.write(parts, position);
    }
  }

  async datasync(): Promise<void> {
    const fault = this.#disk.consult("sync", this.path);
    if (fault?.kind === "fail") {
      if (this.#file instanceof MemoryFile) this.#file.forgetUnsynced();
      throw injected(fault, "SYNC_FAILED", `sync ${this.path}`);
    }
    await this.#file.datasync();
  }

  async truncate(length: number): Promise<void> {
    const fault = this.#disk.consult("truncate", this.path, length);
    if (fault?.kind === "fail") throw injected(fault, "IO_WRITE_FAILED", `truncate ${this.path}`);
    await this.#file.truncate(length);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function firstBytes(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  let rest = count;
  const out: Uint8Array[] = [];
  for (const part of parts) {
    if (rest <= 0) break;
    out.push(part.subarray(0, rest));
    rest -= part.length;
  }
  return out;
}

function injected(
  fault: { readonly full?: boolean },
  code: "IO_READ_FAILED" | "IO_WRITE_FAILED" | "SYNC_FAILED",
  what: string,
): LedgerError {
  const errno = fault.full ? "ENOSPC" : "EIO";
  return new LedgerError(fault.full ? "DISK_FULL" : code, `cannot ${what}: ${errno}`, {
    details: { errno, injected: true },
  });
}
