/** A disk whose syncs of the log, or of other files, wait at a gate while it is shut. */
import { type Disk, type DiskFile, MemoryDisk } from "@authledger/io";

export class GateDisk implements Disk {
  readonly below: Disk;
  readonly #holds: (path: string) => boolean;
  #open = true;
  #waiting: (() => void)[] = [];

  constructor(
    below: Disk = new MemoryDisk(),
    holds: (path: string) => boolean = (path) => path.endsWith(".seg"),
  ) {
    this.below = below;
    this.#holds = holds;
  }

  /** Syncs that wait. */
  get held(): number {
    return this.#waiting.length;
  }

  shut(): void {
    this.#open = false;
  }

  /** Lets everybody through, from now on. */
  release(): void {
    this.#open = true;
    for (const pass of this.#waiting.splice(0)) pass();
  }

  /** Lets through who waits now; the gate stays shut. */
  pass(): void {
    for (const pass of this.#waiting.splice(0)) pass();
  }

  async open(...args: Parameters<Disk["open"]>): Promise<DiskFile> {
    const file = await this.below.open(...args);
    const isHeld = this.#holds(file.path);
    return {
      path: file.path,
      size: () => file.size(),
      readSync: (into, position) => file.readSync(into, position),
      write: (parts, position) => file.write(parts, position),
      truncate: (length) => file.truncate(length),
      close: () => file.close(),
      datasync: async () => {
        if (isHeld && !this.#open) await new Promise<void>((pass) => this.#waiting.push(pass));
        await file.datasync();
      },
    };
  }

  exists = (path: string): Promise<boolean> => this.below.exists(path);
  list = (path: string): Promise<string[]> => this.below.list(path);
  makeDirectory = (path: string): Promise<void> => this.below.makeDirectory(path);
  rename = (from: string, to: string): Promise<void> => this.below.rename(from, to);
  remove = (path: string): Promise<void> => this.below.remove(path);
  syncDirectory = (path: string): Promise<void> => this.below.syncDirectory(path);
}
