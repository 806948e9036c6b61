/**
 * A disk in memory that loses what a real one may lose.
 *
 * It keeps what a process sees (the page cache) apart from what has reached the platter. `crash` makes the
 * disk a machine finds after a power cut: of every write since the last sync each piece is kept, lost (with
 * or without the size that it gave the file) or torn, independently and in any order; of names changed since
 * the last directory sync a prefix is kept (simulation.md, "Disk model"; Pillai et al., OSDI'14; Rebello et
 * al., ATC'20).
 *
 *   INV-DISK-1  What a successful sync covered is on every disk that `crash` returns.
 *   INV-DISK-2  `fork` and `crash` never change this disk, nor do writes here change what they returned.
 */
import { LedgerError } from "@authledger/types";
import { type Disk, type DiskFile, directoryOf, type OpenOptions } from "./disk.js";
import { FileContent } from "./file-content.js";
import type { SeededRandom } from "./seeded-random.js";

/** What a crash does with the pieces of unsynced writes and with unsynced names. */
export interface CrashOptions {
  /** Each piece is kept, lost or torn by chance; or all are lost; or all are kept. Default "random". */
  readonly unsynced?: "random" | "lost" | "kept";
  /** Size of a piece: 512 (sectors) or 4096 (pages). Default 512. */
  readonly pieceBytes?: number;
}

type Change =
  | { readonly kind: "write"; readonly position: number; readonly data: Uint8Array }
  | { readonly kind: "truncate"; readonly length: number };

class Inode {
  current: FileContent = new FileContent();
  durable: FileContent = new FileContent();
  /** Changes since the last sync, oldest first; none of them is ever changed, so forks share them. */
  pending: Change[] = [];

  fork(): Inode {
    const copy = new Inode();
    copy.current = this.current.fork();
    copy.durable = this.durable.fork();
    copy.pending = this.pending.slice();
    return copy;
  }
}

/** A name that changed since the last sync of its directory. */
interface NameChange {
  readonly path: string;
  readonly before: Inode | undefined;
  readonly after: Inode | undefined;
}

/** Names that a journal changes together: both of a rename, else one. */
type NameChanges = readonly NameChange[];

export class MemoryDisk implements Disk {
  #names = new Map<string, Inode>();
  #nameChanges: NameChanges[] = [];
  /** Largest sum of file sizes; growing beyond it fails with DISK_FULL. Default: no limit. */
  capacityBytes: number = Number.POSITIVE_INFINITY;

  /** The same disk, unsynced state included, sharing nothing that changes. */
  fork(): MemoryDisk {
    const copy = new MemoryDisk();
    copy.capacityBytes = this.capacityBytes;
    const inodes = new Map<Inode, Inode>();
    const forked = (inode: Inode): Inode => {
      const known = inodes.get(inode) ?? inode.fork();
      inodes.set(inode, known);
      return known;
    };
    for (const [path, inode] of this.#names) copy.#names.set(path, forked(inode));
    copy.#nameChanges = this.#nameChanges.map((together) =>
      together.map(({ path, before, after }) => ({
        path,
        before: before && forked(before),
        after: after && forked(after),
      })),
    );
    return copy;
  }

  /** The disk as it is found after losing power now. */
  crash(random: SeededRandom, options: CrashOptions = {}): MemoryDisk {
    const { unsynced = "random", pieceBytes = 512 } = options;
    const after = this.fork();
    after.#revertNames(random, unsynced);
    for (const inode of new Set(after.#names.values())) {
      settle(inode, random, unsynced, pieceBytes);
    }
    return after;
  }

  /** Damages bytes under the feet of everybody: `xor` is applied at `position`, on the platter too. */
  corrupt(path: string, position: number, xor: Uint8Array): void {
    const inode = this.#find(path, "damage");
    for (const content of [inode.current, inode.durable]) {
      const bytes = new Uint8Array(xor.length);
      const length = content.read(bytes, position);
      content.write(
        bytes.subarray(0, length).map((byte, i) => byte ^ xor[i]!),
        position,
      );
    }
  }

  async open(path: string, options: OpenOptions = {}): Promise<DiskFile> {
    let inode = this.#names.get(path);
    if (inode !== undefined && options.create && options.exclusive) {
      throw new LedgerError("IO_WRITE_FAILED", `cannot open ${path}: EEXIST`);
    }
    if (inode === undefined) {
      if (!options.create) throw new LedgerError("IO_READ_FAILED", `cannot open ${path}: ENOENT`);
      inode = new Inode();
      this.#setNames([path, inode]);
    }
    return new MemoryFile(path, inode, () => this.#usedBytes(), this);
  }

  async exists(path: string): Promise<boolean> {
    const prefix = `${path}/`;
    return this.#names.has(path) || [...this.#names.keys()].some((name) => name.startsWith(prefix));
  }

  /** As `exists`, of a file, for who cannot wait. */
  holds(path: string): boolean {
    return this.#names.has(path);
  }

  async list(directory: string): Promise<string[]> {
    const prefix = directory.endsWith("/") ? directory : `${directory}/`;
    const names = new Set<string>();
    for (const path of this.#names.keys()) {
      if (path.startsWith(prefix)) names.add(path.slice(prefix.length).split("/")[0]!);
    }
    return [...names].sort();
  }

  async makeDirectory(_directory: string): Promise<void> {
    // Directories exist as soon as a file is in them.
  }

  async rename(from: string, to: string): Promise<void> {
    const inode = this.#find(from, "rename");
    this.#setNames([to, inode], [from, undefined]);
  }

  async remove(path: string): Promise<void> {
    if (this.#names.has(path)) this.#setNames([path, undefined]);
  }

  async syncDirectory(directory: string): Promise<void> {
    this.beginSyncDirectory(directory)();
  }

  /** As `MemoryFile.beginSync`, for the names of a directory. */
  beginSyncDirectory(directory: string): () => void {
    const covered = new Set(this.#nameChanges.flat());
    return () => {
      this.#nameChanges = this.#nameChanges
        .map((together) =>
          together.filter(
            (change) => !covered.has(change) || directoryOf(change.path) !== directory,
          ),
        )
        .filter((together) => together.length > 0);
    };
  }

  #setNames(...names: readonly (readonly [string, Inode | undefined])[]): void {
    const together = names.map(([path, after]) => ({ path, before: this.#names.get(path), after }));
    this.#nameChanges.push(together);
    for (const [path, inode] of names) this.#setName(path, inode);
  }

  #setName(path: string, inode: Inode | undefined): void {
    if (inode === undefined) this.#names.delete(path);
    else this.#names.set(path, inode);
  }

  #find(path: string, what: string): Inode {
    const inode = this.#names.get(path);
    if (inode !== undefined) return inode;
    throw new LedgerError("IO_WRITE_FAILED", `cannot ${what} ${path}: ENOENT`);
  }

  #usedBytes(): number {
    let sum = 0;
    for (const inode of this.#names.values()) sum += inode.current.size;
    return sum;
  }

  /** Takes unsynced names back, newest first; a journal keeps a prefix of them, in order. */
  #revertNames(random: SeededRandom, unsynced: "random" | "lost" | "kept"): void {
    const changes = this.#nameChanges;
    const kept =
      unsynced === "kept"
        ? changes.length
        : unsynced === "lost"
          ? 0
          : random.int(changes.length + 1);
    for (let i = changes.length - 1; i >= kept; i--) {
      for (const { path, before } of changes[i]!) this.#setName(path, before);
    }
    this.#nameChanges = [];
  }
}

export class MemoryFile implements DiskFile {
  readonly path: string;
  readonly #inode: Inode;
  readonly #used: () => number;
  readonly #disk: MemoryDisk;

  constructor(path: string, inode: Inode, used: () => number, disk: MemoryDisk) {
    this.path = path;
    this.#inode = inode;
    this.#used = used;
    this.#disk = disk;
  }

  size(): number {
    return this.#inode.current.size;
  }

  readSync(into: Uint8Array, position: number): number {
    return this.#inode.current.read(into, position);
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    let at = position;
    for (const part of parts) {
      this.#checkRoom(at + part.length);
      this.#inode.current.write(part, at);
      this.#inode.pending.push({ kind: "write", position: at, data: part.slice() });
      at += part.length;
    }
  }

  async datasync(): Promise<void> {
    this.beginSync()();
  }

  /**
   * A sync that takes its time: what was written until now is durable when the returned function is called, and what is
   * written meanwhile is not.
   */
  beginSync(): () => void {
    const inode = this.#inode;
    const covered = new Set(inode.pending);
    return () => {
      const left = [];
      for (const change of inode.pending) {
        if (covered.has(change)) apply(inode.durable, change);
        else left.push(change);
      }
      inode.pending = left;
    };
  }

  async truncate(length: number): Promise<void> {
    this.#checkRoom(length);
    this.#inode.current.truncate(length);
    this.#inode.pending.push({ kind: "truncate", length });
  }

  /** The next crash loses what the page cache holds of this file: what a failed sync leaves behind. */
  forgetUnsynced(): void {
    this.#inode.pending = [];
  }

  async close(): Promise<void> {
    // Nothing is buffered here; closing is not syncing.
  }

  #checkRoom(end: number): void {
    const growth = end - this.#inode.current.size;
    if (growth <= 0 || this.#used() + growth <= this.#disk.capacityBytes) return;
    throw new LedgerError("DISK_FULL", `cannot write ${this.path}: ENOSPC`);
  }
}

function apply(content: FileContent, change: Change): void {
  if (change.kind === "truncate") content.truncate(change.length);
  else content.write(change.data, change.position);
}

/** Decides the fate of a file's unsynced changes; afterwards cache and platter agree. */
function settle(
  inode: Inode,
  random: SeededRandom,
  unsynced: "random" | "lost" | "kept",
  pieceBytes: number,
): void {
  if (unsynced === "kept") for (const change of inode.pending) apply(inode.durable, change);
  if (unsynced === "random") {
    const pieces = inode.pending.flatMap((change) => cut(change, pieceBytes));
    for (const piece of random.shuffle(pieces)) {
      const fate = random.int(8);
      if (fate === 0) continue;
      if (fate === 1) growOnly(inode.durable, piece);
      else apply(inode.durable, fate <= 3 ? tear(piece, random) : piece);
    }
  }
  inode.pending = [];
  inode.current = inode.durable.fork();
}

function cut(change: Change, pieceBytes: number): Change[] {
  if (change.kind === "truncate") return [change];
  const pieces: Change[] = [];
  for (let at = 0; at < change.data.length; ) {
    const position = change.position + at;
    const length = Math.min(pieceBytes - (position % pieceBytes), change.data.length - at);
    pieces.push({ kind: "write", position, data: change.data.subarray(at, at + length) });
    at += length;
  }
  return pieces;
}

/** The file system kept the new size and lost the bytes, which read as zeros (Pillai et al.). */
function growOnly(content: FileContent, change: Change): void {
  if (change.kind === "truncate") return;
  const end = change.position + change.data.length;
  if (end > content.size) content.truncate(end);
}

function tear(change: Change, random: SeededRandom): Change {
  if (change.kind === "truncate") return change;
  return { ...change, data: change.data.subarray(0, random.int(change.data.length + 1)) };
}
