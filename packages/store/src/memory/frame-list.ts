/** A list of frames from which any one is removed at once; a frame is in at most one list at a time. */
import { assert } from "@authledger/types";
import type { PageCache } from "./page-cache.js";

export class FrameList {
  readonly #cache: PageCache;
  #frames: number[] = [];

  constructor(cache: PageCache) {
    this.#cache = cache;
  }

  get count(): number {
    return this.#frames.length;
  }

  at(index: number): number {
    return this.#frames[index]!;
  }

  add(frame: number): void {
    this.#cache.position[frame] = this.#frames.length;
    this.#frames.push(frame);
  }

  remove(frame: number): void {
    const at = this.#cache.position[frame]!;
    assert(this.#frames[at] === frame, "a frame is in the list that it is removed from", { frame });
    const last = this.#frames.pop()!;
    if (last === frame) return;
    this.#frames[at] = last;
    this.#cache.position[last] = at;
  }

  /** Takes all frames out. */
  takeAll(): number[] {
    const all = this.#frames;
    this.#frames = [];
    return all;
  }
}
