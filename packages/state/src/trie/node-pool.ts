/**
 * The branches of all open tries that are in memory, as flat arrays.
 *
 * A branch's hash input (tag, bit, prefix, left and right hash; 115 bytes, commitment.md tag 0x12) lies ready
 * in one slab, so hashing a branch copies nothing, and a child's hash is written straight into its parent's
 * input. Nodes are numbers; no object per node exists, and the garbage collector sees a handful of arrays.
 *
 *   INV-POOL-1  A node's bit and prefix do not change while it lives; only its sides do.
 *   INV-POOL-2  A free node is on the free list and nowhere else.
 */
import { copyPrefix, firstDifferentBit, PATH_BYTES } from "@authledger/proof";
import { assert, HASH_BYTES, type Hasher } from "@authledger/types";

/** No node: the side is not loaded, or holds too few leaves to have stored branches. */
export const NO_NODE = -1;

const STRIDE = 128;
const PREIMAGE_BYTES = 115;
const WORD_BYTES = 4;
const PREIMAGE_WORDS = Math.ceil(PREIMAGE_BYTES / WORD_BYTES);
const TAG_BRANCH = 0x12;
const PREFIX_AT = 3;
const LEFT_AT = PREFIX_AT + PATH_BYTES;
const RIGHT_AT = LEFT_AT + HASH_BYTES;
const INITIAL_NODES = 1024;

const DIRTY = 1;
const STORED = 2;
const FREE = 4;

export class NodePool {
  readonly #hasher: Hasher;
  #slab = new Uint8Array(INITIAL_NODES * STRIDE);
  #words = new Uint32Array(this.#slab.buffer);
  readonly #preimageWords = new Uint32Array(PREIMAGE_WORDS);
  readonly #preimage = new Uint8Array(this.#preimageWords.buffer, 0, PREIMAGE_BYTES);
  #counts = new Uint32Array(INITIAL_NODES * 2);
  #children = new Int32Array(INITIAL_NODES * 2);
  #vaults = new Uint32Array(INITIAL_NODES);
  #heights = new Float64Array(INITIAL_NODES);
  #flags = new Uint8Array(INITIAL_NODES);
  #freeHead = NO_NODE;
  #used = 0;
  #live = 0;
  #dirty = 0;

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  /** Nodes in memory. */
  get live(): number {
    return this.#live;
  }

  /** Nodes that are dirty. */
  get dirty(): number {
    return this.#dirty;
  }

  /** Bytes held, for the memory budget. */
  get bytes(): number {
    return this.#flags.length * (STRIDE + 8 + 8 + 4 + 8 + 1);
  }

  /** One past the largest node number in use. */
  get end(): number {
    return this.#used;
  }

  /** A new branch at `bit` above everything that shares the first `bit` bits of `path`. Sides are set later. */
  allocate(vault: number, bit: number, path: Uint8Array, pathOffset: number): number {
    const node = this.#take();
    const at = node * STRIDE;
    this.#slab[at] = TAG_BRANCH;
    this.#slab[at + 1] = bit >> 8;
    this.#slab[at + 2] = bit & 0xff;
    copyPrefix(path, bit, this.#slab, pathOffset, at + PREFIX_AT);
    this.#vaults[node] = vault;
    this.#heights[node] = 0;
    this.#children[node * 2] = NO_NODE;
    this.#children[node * 2 + 1] = NO_NODE;
    this.#flags[node] = 0;
    this.#live++;
    return node;
  }

  release(node: number): void {
    assert((this.#flags[node]! & FREE) === 0, "INV-POOL-2: a node is freed once", { node });
    if (this.isDirty(node)) this.#dirty--;
    this.#flags[node] = FREE;
    this.#children[node * 2] = this.#freeHead;
    this.#freeHead = node;
    this.#live--;
  }

  bit(node: number): number {
    const at = node * STRIDE;
    return (this.#slab[at + 1]! << 8) | this.#slab[at + 2]!;
  }

  vault(node: number): number {
    return this.#vaults[node]!;
  }

  /** Leaves below the node. */
  count(node: number): number {
    return this.#counts[node * 2]! + this.#counts[node * 2 + 1]!;
  }

  sideCount(node: number, side: number): number {
    return this.#counts[node * 2 + side]!;
  }

  child(node: number, side: number): number {
    return this.#children[node * 2 + side]!;
  }

  setChild(node: number, side: number, child: number): void {
    this.#children[node * 2 + side] = child;
  }

  setSide(node: number, side: number, count: number, hash: Uint8Array, child: number): void {
    this.#counts[node * 2 + side] = count;
    this.#children[node * 2 + side] = child;
    this.#slab.set(hash, node * STRIDE + (side === 0 ? LEFT_AT : RIGHT_AT));
  }

  /** Height of the block that last changed something below. */
  height(node: number): number {
    return this.#heights[node]!;
  }

  setHeight(node: number, height: number): void {
    this.#heights[node] = height;
  }

  /** View of the prefix, 48 bytes with zeros from `bit` on; valid until the next allocation. */
  prefix(node: number): Uint8Array {
    const at = node * STRIDE + PREFIX_AT;
    return this.#slab.subarray(at, at + PATH_BYTES);
  }

  /** View of a side's hash; valid until the next allocation. */
  sideHash(node: number, side: number): Uint8Array {
    const at = node * STRIDE + (side === 0 ? LEFT_AT : RIGHT_AT);
    return this.#slab.subarray(at, at + HASH_BYTES);
  }

  /** Writes the hashes of both sides, left first, to `out` at `at`. */
  copyHashes(node: number, out: Uint8Array, at: number): void {
    const from = node * STRIDE + LEFT_AT;
    for (let i = 0; i < 2 * HASH_BYTES; i++) out[at + i] = this.#slab[from + i]!;
  }

  /** The first bit in which the node's prefix, zeros behind it, and a path differ; 384 when none does. */
  firstDifferentBit(node: number, paths: Uint8Array, offset: number): number {
    return firstDifferentBit(this.#slab, paths, node * STRIDE + PREFIX_AT, offset);
  }

  /** Writes the branch's hash to `out[0, 32)`. Its input is copied by words: a view of the slab costs more. */
  hashInto(node: number, out: Uint8Array): void {
    const at = node * STRIDE;
    const words = this.#words;
    const first = at / WORD_BYTES;
    for (let i = 0; i < PREIMAGE_WORDS; i++) this.#preimageWords[i] = words[first + i]!;
    this.#hasher.sha256Into(this.#preimage, out, 0);
  }

  isFree(node: number): boolean {
    return (this.#flags[node]! & FREE) !== 0;
  }

  isDirty(node: number): boolean {
    return (this.#flags[node]! & DIRTY) !== 0;
  }

  /** A row of this branch is in the page store. */
  isStored(node: number): boolean {
    return (this.#flags[node]! & STORED) !== 0;
  }

  markDirty(node: number): void {
    if (this.isDirty(node)) return;
    this.#flags[node]! |= DIRTY;
    this.#dirty++;
  }

  /** Marks the node as equal to its row. */
  markStored(node: number): void {
    if (this.isDirty(node)) this.#dirty--;
    this.#flags[node] = STORED;
  }

  #take(): number {
    const free = this.#freeHead;
    if (free !== NO_NODE) {
      this.#freeHead = this.#children[free * 2]!;
      return free;
    }
    if (this.#used === this.#flags.length) this.#grow();
    return this.#used++;
  }

  #grow(): void {
    const nodes = this.#flags.length * 2;
    this.#slab = grown(this.#slab, new Uint8Array(nodes * STRIDE));
    this.#words = new Uint32Array(this.#slab.buffer);
    this.#counts = grown(this.#counts, new Uint32Array(nodes * 2));
    this.#children = grown(this.#children, new Int32Array(nodes * 2));
    this.#vaults = grown(this.#vaults, new Uint32Array(nodes));
    this.#heights = grown(this.#heights, new Float64Array(nodes));
    this.#flags = grown(this.#flags, new Uint8Array(nodes));
  }
}

function grown<A extends Uint8Array | Uint32Array | Int32Array | Float64Array>(
  old: A,
  bigger: A,
): A {
  bigger.set(old as never);
  return bigger;
}
