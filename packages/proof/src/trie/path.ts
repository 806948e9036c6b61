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
/** Partitions remembered at most; bulk writes repeat the same resources and subjects. */
const CACHED_PARTITIONS_MAX = 8_192;
/** seg1 and seg2 lie beside each other, as they do in a path. */
const CACHED_BYTES = SEG1_BYTES + SEG2_BYTES;

/** Remembers of each partition its seg1, and seg2 of the group that was asked last. */
export class PathHasher {
  readonly #hasher: Hasher;
  readonly #salt: Uint8Array;
  readonly #input = new ByteWriter(512);
  readonly #digest = new Uint8Array(HASH_BYTES);
  /** By kind and partition: where in the two arrays its segments and its group are. */
  readonly #places = new Map<Kind, Map<string, number>>();
  #segments = new Uint8Array(16 * CACHED_BYTES);
  readonly #groups: (string | undefined)[] = [];

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
    copy(this.#digest, 0, SEG3_BYTES, out, offset + CACHED_BYTES);
  }

  /** The bits that all items of a partition (and group) share, with zeros behind them. */
  listPrefix(kind: Kind, partition: string, group?: string): Uint8Array {
    const out = new Uint8Array(PATH_BYTES);
    if (group !== undefined) this.#prefixInto(kind, partition, group, out, 0);
    else {
      const place = this.#place(kind, partition);
      copy(this.#segments, place * CACHED_BYTES, SEG1_BYTES, out, 0);
    }
    return out;
  }

  #prefixInto(kind: Kind, partition: string, group: string, out: Uint8Array, offset: number): void {
    const place = this.#place(kind, partition);
    const at = place * CACHED_BYTES;
    if (this.#groups[place] !== group) {
      const input = this.#start(0x02).u8(kind).lp16(partition).lp16(group);
      this.#hasher.sha256Into(input.view(), this.#digest, 0);
      copy(this.#digest, 0, SEG2_BYTES, this.#segments, at + SEG1_BYTES);
      this.#groups[place] = group;
    }
    copy(this.#segments, at, CACHED_BYTES, out, offset);
  }

  /** Where the segments of a partition are; its seg1 is there. */
  #place(kind: Kind, partition: string): number {
    let places = this.#places.get(kind);
    const known = places?.get(partition);
    if (known !== undefined) return known;
    if (this.#groups.length >= CACHED_PARTITIONS_MAX) this.#forget();
    const input = this.#start(0x01).u8(kind).lp16(partition);
    this.#hasher.sha256Into(input.view(), this.#digest, 0);
    const place = this.#groups.push(undefined) - 1;
    if (place * CACHED_BYTES === this.#segments.length) this.#grow();
    copy(this.#digest, 0, SEG1_BYTES, this.#segments, place * CACHED_BYTES);
    places = this.#places.get(kind) ?? new Map<string, number>();
    this.#places.set(kind, places.set(partition, place));
    return place;
  }

  #grow(): void {
    const larger = new Uint8Array(this.#segments.length * 2);
    larger.set(this.#segments);
    this.#segments = larger;
  }

  #forget(): void {
    this.#places.clear();
    this.#groups.length = 0;
  }

  #start(level: number): ByteWriter {
    this.#input.clear();
    return this.#input.u8(Tag.pathSegment).bytes(this.#salt).u8(level);
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

/** The path right behind one, where an interval begins that leaves it out; undefined behind the last. */
export function pathBehind(path: Uint8Array): Uint8Array | undefined {
  const behind = path.slice();
  for (let i = behind.length - 1; i >= 0; i--) {
    behind[i] = (behind[i]! + 1) & 0xff;
    if (behind[i] !== 0) return behind;
  }
  return undefined;
}

/** The first `bits` bits of a path with zeros behind them. */
export function prefixOf(path: Uint8Array, bits: number): Uint8Array {
  const out = new Uint8Array(PATH_BYTES);
  copyPrefix(path, bits, out);
  return out;
}

function copy(
  from: Uint8Array,
  fromOffset: number,
  length: number,
  to: Uint8Array,
  offset: number,
): void {
  for (let i = 0; i < length; i++) to[offset + i] = from[fromOffset + i]!;
}
