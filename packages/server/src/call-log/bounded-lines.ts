/**
 * Lines on their way to a slow reader. A full pipe or a slow terminal must not hold the loop that everything of a node
 * runs on, so lines wait here, in bounded memory, and are left out and counted where there is no more room.
 *
 *   INV-TRACE-3  Writing a line never waits, and lines that wait take at most LINES_BYTES_MAX.
 */

/** Some thousand lines. */
export const LINES_BYTES_MAX: number = 1024 * 1024;

export class BoundedLines {
  readonly #write: (text: string) => Promise<void>;
  #waiting: string[] = [];
  /** Of those that wait and those that are being written. */
  #bytes = 0;
  #running: Promise<void> | undefined;
  /** Lines left out since the start. */
  dropped = 0;

  /** @param write takes some lines at once; the next are given when it has them. What it fails with is dropped. */
  constructor(write: (text: string) => Promise<void>) {
    this.#write = write;
  }

  readonly push = (line: string): void => {
    if (this.#bytes + line.length > LINES_BYTES_MAX) {
      this.dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#bytes += line.length;
    this.#running ??= this.#run();
  };

  /** Resolves when everything pushed so far is written. */
  async flush(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    // What is logged in one turn leaves in one write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      const text = lines.join("");
      await this.#write(text).catch(() => {
        this.dropped += lines.length;
      });
      this.#bytes -= text.length;
    }
    this.#running = undefined;
  }
}
