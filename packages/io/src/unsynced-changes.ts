/**
 * Whether a file has changes that no sync has covered.
 *
 *   INV-IO-1  A sync covers what had ended when it began, and nothing else: what ends while it runs needs another one.
 *             What is found in a file that is opened may never have been synced.
 */
export class UnsyncedChanges {
  #ended = 1;
  #covered = 0;

  get isNone(): boolean {
    return this.#covered === this.#ended;
  }

  /** A write or truncation has ended, well or not. */
  note(): void {
    this.#ended++;
  }

  /** A sync begins; what it returns is for `synced`, when it has ended well. */
  begin(): number {
    return this.#ended;
  }

  synced(begun: number): void {
    this.#covered = Math.max(this.#covered, begun);
  }
}
