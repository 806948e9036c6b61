/**
 * Paths: where a key's leaf is in the trie.
 *
 *     path48 = seg1[0..16) || seg2[0..8) || seg3[0..24)
 *     seg1 = H(0x10 || salt || 0x01 || kind || lp16(partition))
 *     seg2 = H(0x10 || salt || 0x02 || kind || lp16(partition) || lp16(group))
 *     seg3 = H(0x10 || salt || 0x03 || K)
 *
 * Bit i of a path is bit (7 - i mod 8) of byte i div 8. The first byte is the bucket.
 */
import { ByteWriter, HASH_BYTES, type Hasher } from "@authledger/types";
import { Tag } from "../tags.js";
import type { Kind, LedgerKey } from "./key.js";
import { writeKey } from "./key.js";

export const PATH_BYTES = 48;
export const PATH_BITS = 384;
/** All items of a partition share so many bits; all of a group in it share GROUP_BITS. */
export const PARTITION_BITS = 128;
export const GROUP_BITS = 192;

const SEG1_BYTES = 16;
const SEG2_BYTES = 8;
const SEG3_BYTES = 24;
/** Segments remembered at most; bulk writes repeat the same resources and subjects. */
const CACHED_SEGMENTS_MAX = 8_192;

export class PathHasher {
  readonly #hasher: Hasher;
  readonly #salt: Uint8Array;
  readonly #input = new ByteWriter(512);
  readonly #digest = new Uint8Array(HASH_BYTES);
  readonly #segments = new Map<string, Uint8Array>();

  constructor(hasher: Hasher, salt: Uint8Array) {
    this.#hasher = hasher;
    this.#salt = salt;
  }

  path(key: LedgerKey): Uint8Array {
    const out = new Uint8Array(PATH_BYTES);
    this.pathInto(key, out, 0);
    return out;
  }

  /** Writes the path of a key to `out[offset, offset + 48)`. */
  pathInto(key: LedgerKey, out: Uint8Array, offset: number): void {
    this.#prefixInto(key.kind, key.partition, key.group, out, offset);
    const input = this.#start(0x03);
    writeKey(input, key);
    this.#hasher.sha256Into(input.view(), this.#digest, 0);
    copy(this.#digest, SEG3_BYTES, out, offset + SEG1_BYTES + SEG2_BYTES);
  }

  /** The bits that all items of a partition (and group) share, with zeros behind them. */
  listPrefix(kind: Kind, partition: string, group?: string): Uint8Array {
    const out = new Uint8Array(PATH_BYTES);
    if (group === undefined) copy(this.#seg1(kind, partition), SEG1_BYTES, out, 0);
    else this.#prefixInto(kind, partition, group, out, 0);
    return out;
  }

  #prefixInto(kind: Kind, partition: string, group: string, out: Uint8Array, offset: number): void {
    // seg1 and seg2 of a (partition, group) lie in the cache as one run of 24 bytes.
    const id = `${kind}${partition.length}:${partition}${group}`;
    let both = this.#segments.get(id);
    if (both === undefined) {
      both = new Uint8Array(SEG1_BYTES + SEG2_BYTES);
      both.set(this.#seg1(kind, partition));
      const input = this.#start(0x02).u8(kind).lp16(partition).lp16(group);
      this.#hasher.sha256Into(input.view(), this.#digest, 0);
      copy(this.#digest, SEG2_BYTES, both, SEG1_BYTES);
      this.#remember(id, both);
    }
    copy(both, SEG1_BYTES + SEG2_BYTES, out, offset);
  }

  #seg1(kind: Kind, partition: string): Uint8Array {
    const id = `${kind}/${partition}`;
    let segment = this.#segments.get(id);
    if (segment === undefined) {
      const input = this.#start(0x01).u8(kind).lp16(partition);
      this.#hasher.sha256Into(input.view(), this.#digest, 0);
      segment = this.#digest.slice(0, SEG1_BYTES);
      this.#remember(id, segment);
    }
    return segment;
  }

  #start(level: number): ByteWriter {
    this.#input.clear();
    return this.#input.u8(Tag.pathSegment).bytes(this.#salt).u8(level);
  }

  #remember(id: string, segment: Uint8Array): void {
    if (this.#segments.size >= CACHED_SEGMENTS_MAX) this.#segments.clear();
    this.#segments.set(id, segment);
  }
}

/** Bit `bit` of the path at `offset`. */
export function bitAt(path: Uint8Array, bit: number, offset = 0): number {
  return (path[offset + (bit >> 3)]! >> (7 - (bit & 7))) & 1;
}

/** The first bit in which two paths differ; 384 when they are equal. */
export function firstDifferentBit(a: Uint8Array, b: Uint8Array, aOffset = 0, bOffset = 0): number {
  for (let i = 0; i < PATH_BYTES; i++) {
    const difference = a[aOffset + i]! ^ b[bOffset + i]!;
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24;
  }
  return PATH_BITS;
}

/** Writes the first `bits` bits of a path to `out[outOffset, outOffset + 48)`, zeros behind them. */
export function copyPrefix(
  path: Uint8Array,
  bits: number,
  out: Uint8Array,
  pathOffset = 0,
  outOffset = 0,
): void {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) out[outOffset + i] = path[pathOffset + i]!;
  out.fill(0, outOffset + whole, outOffset + PATH_BYTES);
  const rest = bits & 7;
  if (rest !== 0) out[outOffset + whole] = path[pathOffset + whole]! & (0xff << (8 - rest));
}

/** The first `bits` bits of a path with zeros behind them. */
export function prefixOf(path: Uint8Array, bits: number): Uint8Array {
  const out = new Uint8Array(PATH_BYTES);
  copyPrefix(path, bits, out);
  return out;
}

function copy(from: Uint8Array, length: number, to: Uint8Array, offset: number): void {
  for (let i = 0; i < length; i++) to[offset + i] = from[i]!;
}
