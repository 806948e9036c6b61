/** Pinned roots for as long as the process lives. */
import type { PinnedRoots } from "./pinned-roots.js";

export class MemoryRoots implements PinnedRoots {
  readonly #texts = new Map<string, string>();

  load(vault: string): Promise<string | undefined> {
    return Promise.resolve(this.#texts.get(vault));
  }

  save(vault: string, text: string): Promise<void> {
    this.#texts.set(vault, text);
    return Promise.resolve();
  }
}
