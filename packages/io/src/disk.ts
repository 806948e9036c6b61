/**
 * The disk as the storage layers see it.
 *
 * Contract (storage.md, "Facts to design against")
 *   - A write is durable only after a `datasync` of its file that began after the write completed succeeded.
 *   - A created, renamed or removed name is durable only after `syncDirectory`.
 *   - Nothing above 512 bytes is atomic, and a file may have grown without the bytes that made it grow. A
 *     failed sync is final: retrying it proves nothing.
 *   - All failures are LedgerErrors: DISK_FULL, IO_READ_FAILED, IO_WRITE_FAILED, SYNC_FAILED.
 *
 * Reads are synchronous (1 us from the page cache of the system), writes and syncs asynchronous, so that a
 * stuck disk never stops the event loop on a write.
 */

export interface Disk {
  /** Opens a file for reading and writing. Without `create` a missing file fails with IO_READ_FAILED. */
  open(path: string, options?: OpenOptions): Promise<DiskFile>;
  /** @throws LedgerError IO_READ_FAILED when that cannot be told: then it may well be there */
  exists(path: string): Promise<boolean>;
  /** The names in a directory, sorted. A missing directory has none. */
  list(directory: string): Promise<string[]>;
  /** Creates a directory and its parents. */
  makeDirectory(directory: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; a missing one is no error. */
  remove(path: string): Promise<void>;
  /** Makes created, renamed and removed names of a directory durable. */
  syncDirectory(directory: string): Promise<void>;
}

export interface OpenOptions {
  /** Create the file when it is missing. Default false. */
  readonly create?: boolean;
  /** With `create`: fail when it is there. Default false. */
  readonly exclusive?: boolean;
  /** Permission bits of a created file. Default 0o644. */
  readonly mode?: number;
  /**
   * Nearly every write is followed by a `datasync`, as in a log: a disk may then make a write durable as part of it, and
   * have nothing left to do in `datasync`. It changes no promise. Default false.
   */
  readonly isLog?: boolean;
}

export interface DiskFile {
  readonly path: string;
  size(): number;
  /** Reads into the whole of `into`; returns fewer bytes only at the end of the file. */
  readSync(into: Uint8Array, position: number): number;
  /** Writes all parts one after the other; the parts must not change before it resolves. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>;
  /** fdatasync: content and size, not the name. */
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** Joins path parts with "/"; all paths of the ledger are made here. */
export function joinPath(...parts: readonly string[]): string {
  return parts.join("/").replaceAll(/\/{2,}/g, "/");
}

/** The directory part of a path. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? path.slice(0, slash + 1) || "." : path.slice(0, slash);
}

/** Reads a whole small file. */
export async function readFile(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path);
  try {
    const bytes = new Uint8Array(file.size());
    const length = file.readSync(bytes, 0);
    return bytes.subarray(0, length);
  } finally {
    await file.close();
  }
}

/** Replaces a small file so that a crash leaves the old or the new content: write aside, sync, rename, sync. */
export async function replaceFile(
  disk: Disk,
  path: string,
  content: Uint8Array,
  mode = 0o644,
): Promise<void> {
  const aside = `${path}.new`;
  await disk.remove(aside);
  const file = await disk.open(aside, { create: true, exclusive: true, mode });
  try {
    await file.write([content], 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(aside, path);
  await disk.syncDirectory(directoryOf(path));
}
