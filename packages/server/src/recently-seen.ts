/**
 * What was seen a short while ago, by its fingerprint: fixed memory, no garbage. It may forget, and two keys in four
 * thousand million are taken for each other, so it decides about what is worth keeping and about nothing else.
 */
export class RecentlySeen {
  readonly #slots: Uint32Array;

  /** @param slots a power of two */
  constructor(slots: number) {
    this.#slots = new Uint32Array(slots);
  }

  /** Notes the key. Was it there already? */
  see(key: string): boolean {
    const print = fingerprint(key);
    const slot = print & (this.#slots.length - 1);
    if (this.#slots[slot] === print) return true;
    this.#slots[slot] = print;
    return false;
  }
}

/** FNV-1a over the characters; never 0, which is an empty slot. */
function fingerprint(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0 || 1;
}
