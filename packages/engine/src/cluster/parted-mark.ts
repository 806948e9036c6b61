/**
 * Remembers on the disk that this replica's state is wrong, until it was replaced or found to be right. A fence in memory
 * alone would end with the process: what starts over the same state would serve and sign it until it was compared
 * again (docs/adr/0011-a-difference-stops-its-vault.md).
 */
import { type Disk, joinPath, readFile, replaceFile } from "@authledger/io";
import { LedgerError, utf8 } from "@authledger/types";

/** In the directory of the group: the entry at which the state was seen to be wrong, in decimal digits. */
const PARTED_FILE = "PARTED";

export class PartedMark {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #onFailed: (error: LedgerError) => void;
  #work: Promise<void> = Promise.resolve();

  /** @param onFailed the disk did not take it: the fence will not outlive the process */
  constructor(disk: Disk, directory: string, onFailed: (error: LedgerError) => void) {
    this.#disk = disk;
    this.#directory = directory;
    this.#onFailed = onFailed;
  }

  /** The entry that a process before this one left; undefined where nothing was wrong. What cannot be read is entry 0. */
  async load(): Promise<number | undefined> {
    if (!(await this.#disk.exists(this.#path))) return undefined;
    const text = new TextDecoder().decode(await readFile(this.#disk, this.#path));
    return /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
  }

  note(index: number): void {
    this.#after(() => replaceFile(this.#disk, this.#path, utf8(String(index))));
  }

  clear(): void {
    this.#after(async () => {
      await this.#disk.remove(this.#path);
      await this.#disk.syncDirectory(this.#directory);
    });
  }

  /** Resolves when everything asked for is on the disk, or has failed. */
  idle(): Promise<void> {
    return this.#work;
  }

  get #path(): string {
    return joinPath(this.#directory, PARTED_FILE);
  }

  #after(next: () => Promise<void>): void {
    this.#work = this.#work
      .then(next)
      .catch((error: unknown) => this.#onFailed(LedgerError.from(error)));
  }
}
