/**
 * A second reader of the file, written from docs/format/page-store.md and nothing else: it shares no code with
 * the store, so what it reads shows that the document is true and enough. It checks every checksum on its way.
 */
const decoder = new TextDecoder();

const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

const u64 = (n: bigint): bigint => BigInt.asUintN(64, n);
const rotl = (n: bigint, by: bigint): bigint => u64((n << by) | (n >> (64n - by)));
const round = (lane: bigint, input: bigint): bigint => u64(rotl(u64(lane + input * P2), 31n) * P1);

/** xxh64 with seed 0, from its specification (Collet, "xxHash fast digest algorithm", 0.1.1). */
export function xxh64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let hash = P5;
  if (bytes.length >= 32) {
    const lanes = [u64(P1 + P2), P2, 0n, u64(-P1)];
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i]!, view.getBigUint64(at + 8 * i, true));
    }
    hash = [1n, 7n, 12n, 18n].reduce((sum, by, i) => sum + rotl(lanes[i]!, by), 0n);
    for (const lane of lanes) hash = u64((u64(hash) ^ round(0n, lane)) * P1 + P4);
  }
  hash = u64(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    hash = u64(rotl(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4);
  }
  for (; at + 4 <= bytes.length; at += 4) {
    hash = u64(rotl(hash ^ u64(BigInt(view.getUint32(at, true)) * P1), 23n) * P2 + P3);
  }
  for (; at < bytes.length; at++) hash = u64(rotl(hash ^ u64(BigInt(bytes[at]!) * P5), 11n) * P1);
  hash = u64((hash ^ (hash >> 33n)) * P2);
  hash = u64((hash ^ (hash >> 29n)) * P3);
  return hash ^ (hash >> 32n);
}

interface ReadTable {
  readonly id: number;
  readonly levels: number;
  readonly entries: readonly (readonly [key: string, value: Uint8Array])[];
}

export interface ReadGeneration {
  readonly txid: number;
  readonly appliedIndex: number;
  readonly highWater: number;
  readonly tables: ReadonlyMap<string, ReadTable>;
  /** First page, pages, generation that let them go. */
  readonly free: readonly (readonly [number, number, number])[];
}

/** A page of a tree, for those who look at its inside. */
export interface SeenPage {
  readonly page: number;
  readonly table: string;
  readonly level: number;
  readonly isRoot: boolean;
  readonly txid: number;
  /** Of the page above; of the superblock for a root. */
  readonly parentTxid: number;
  readonly lower: number;
  readonly upper: number;
  readonly garbage: number;
  readonly prefixBytes: number;
  /** Where the keys of the page may lie, as hex: [from, to); undefined without a bound. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly cells: readonly {
    readonly key: string;
    readonly at: number;
    readonly bytes: number;
    /** Length of the value, and whether it lies in the leaf. */
    readonly value?: { readonly bytes: number; readonly inline: boolean };
  }[];
}

interface Reference {
  readonly page: number;
  readonly pages: number;
  readonly sum: bigint;
}

interface ReadValue {
  readonly bytes: number;
  readonly inline: boolean;
}

/** Where a page is expected. */
interface Place {
  readonly name: string;
  readonly id: number;
  readonly level: number;
  readonly isRoot: boolean;
  /** Generation of the page above. */
  readonly txid: number;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Bytes at a place of the file, with little-endian integers. */
class Bytes {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** An unsigned integer of 1 to 6 bytes. */
  int(at: number, length: number): number {
    let value = 0;
    for (let i = length - 1; i >= 0; i--) value = value * 256 + this.bytes[at + i]!;
    return value;
  }

  u64(at: number): number {
    return Number(this.sum(at));
  }

  sum(at: number): bigint {
    return this.#view.getBigUint64(at, true);
  }

  slice(at: number, length: number): Uint8Array {
    return this.bytes.slice(at, at + length);
  }

  /** The 24 bytes of a pointer; undefined when there is none. */
  pointer(at: number): Reference | undefined {
    if (this.int(at + 16, 1) === 0) return undefined;
    return { page: this.int(at, 6), pages: this.int(at + 6, 2), sum: this.sum(at + 8) };
  }
}

/** Both generations of a file, the newest first; `see` is shown the pages of all trees. */
export function readStore(
  from: Uint8Array,
  see?: (page: SeenPage, txid: number) => void,
): ReadGeneration[] {
  const file = Uint8Array.from(from); // slices of a Buffer would be views
  const found = new Map<number, ReadGeneration>();
  for (const pageBytes of [512, 1024, 2048, 4096, 8192, 16_384, 32_768]) {
    for (let page = 0; page < 4; page++) {
      const block = new Bytes(file.subarray(page * pageBytes, page * pageBytes + 512));
      const isWhole = block.bytes.length === 512;
      if (!isWhole || block.sum(504) !== xxh64(block.bytes.subarray(0, 504))) continue;
      if (block.int(12, 4) !== pageBytes || block.u64(64) % 2 !== page >> 1) continue;
      const txid = block.u64(64);
      if (found.has(txid)) continue;
      const reader = new FileReader(file, pageBytes, (seen) => see?.(seen, txid));
      found.set(txid, reader.generation(block));
    }
  }
  return [...found.values()].sort((a, b) => b.txid - a.txid);
}

class FileReader {
  readonly #file: Uint8Array;
  readonly #pageBytes: number;
  readonly #see: (page: SeenPage) => void;

  constructor(file: Uint8Array, pageBytes: number, see: (page: SeenPage) => void) {
    this.#file = file;
    this.#pageBytes = pageBytes;
    this.#see = see;
  }

  generation(block: Bytes): ReadGeneration {
    const tables = new Map<string, ReadTable>();
    for (const record of this.#chain(block, 96, 3, 80)) {
      const name = decoder.decode(record.slice(16, record.int(3, 1)));
      const levels = record.int(2, 1);
      const entries: [string, Uint8Array][] = [];
      const id = record.int(0, 2);
      const root = { page: record.u64(56), pages: 1, sum: record.sum(64) };
      const [from, to] = [undefined, undefined];
      const place = { name, id, level: levels - 1, isRoot: true, txid: block.u64(64), from, to };
      if (levels > 0) this.#tree(root, place, entries);
      if (entries.length !== record.u64(8)) throw new Error(`table ${name} has another count`);
      tables.set(name, { id, levels, entries });
    }
    const free = this.#chain(block, 120, 4, 16).map(
      (record) => [record.int(0, 6), record.int(6, 4), record.int(10, 6)] as const,
    );
    return {
      txid: block.u64(64),
      appliedIndex: block.u64(72),
      highWater: block.u64(144),
      tables,
      free,
    };
  }

  #page({ page, sum }: Reference): Bytes {
    const at = page * this.#pageBytes;
    const bytes = this.#file.subarray(at, at + this.#pageBytes);
    if (xxh64(bytes) !== sum) throw new Error(`page ${page}: wrong checksum`);
    const read = new Bytes(bytes);
    if (read.int(4, 6) !== page) throw new Error(`page ${page}: another page`);
    return read;
  }

  #chain(block: Bytes, at: number, type: number, recordBytes: number): Bytes[] {
    const records: Bytes[] = [];
    const first = block.u64(at);
    let next: Reference | undefined =
      first === 0 ? undefined : { page: first, pages: 1, sum: block.sum(at + 8) };
    while (next !== undefined) {
      const page = this.#page(next);
      if (page.int(0, 1) !== type) throw new Error(`page ${next.page}: another type`);
      for (let i = 0; i < page.int(2, 2); i++) {
        records.push(new Bytes(page.slice(64 + i * recordBytes, recordBytes)));
      }
      next = page.pointer(40);
    }
    return records;
  }

  #tree(to: Reference, place: Place, entries: [string, Uint8Array][]): void {
    const { level } = place;
    const page = this.#page(to);
    if (page.int(1, 1) !== level || page.int(36, 2) !== place.id || to.pages !== 1) {
      throw new Error(`page ${to.page}: another level or table`);
    }
    const cells: { key: string; at: number; bytes: number; value?: ReadValue }[] = [];
    for (let i = 0; i < page.int(2, 2); i++) {
      const { key, at, rest } = this.#cell(page, i, level > 0 && i === 0);
      if (level > 0) cells.push({ key, at, bytes: rest + 24 });
      else {
        const { content, inline } = this.#payload(page, at + rest);
        entries.push([key, content]);
        const value = { bytes: content.length, inline };
        cells.push({ key, at, bytes: rest + (inline ? 2 + content.length : 30), value });
      }
    }
    this.#see({
      ...{ page: to.page, table: place.name, level, isRoot: place.isRoot, cells },
      ...{ txid: page.u64(12), parentTxid: place.txid, prefixBytes: page.int(10, 2) },
      ...{ lower: page.int(20, 2), upper: page.int(22, 2), garbage: page.int(38, 2) },
      ...{ from: place.from, to: place.to },
    });
    const below = { ...place, level: level - 1, isRoot: false, txid: page.u64(12) };
    for (const [i, { key, at, bytes }] of level > 0 ? cells.entries() : []) {
      const from = i === 0 ? place.from : key;
      const until = cells[i + 1]?.key ?? place.to;
      this.#tree(page.pointer(at + bytes - 24)!, { ...below, from, to: until }, entries);
    }
  }

  /** The key of a cell, where the cell is, and how much of the key lies in it. */
  #cell(page: Bytes, index: number, isFirstOfBranch: boolean) {
    const prefixBytes = page.int(10, 2);
    const prefix = page.slice(this.#pageBytes - prefixBytes, prefixBytes);
    const slot = 40 + 8 * index;
    const suffixBytes = page.int(slot + 6, 2);
    const at = page.int(slot + 4, 2);
    if (isFirstOfBranch) {
      if (page.int(slot, 4) !== 0 || suffixBytes !== 0)
        throw new Error("the first child has a key");
      return { key: "", at, rest: 0 };
    }
    const rest = Math.max(0, suffixBytes - 4);
    const head = page.slice(slot, 4).reverse().subarray(0, Math.min(4, suffixBytes));
    return { key: Buffer.concat([prefix, head, page.slice(at, rest)]).toString("hex"), at, rest };
  }

  #payload(page: Bytes, at: number): { content: Uint8Array; inline: boolean } {
    const length = page.int(at, 2);
    if (length < 0x8000) return { content: page.slice(at + 2, length), inline: true };
    const { page: first, pages, sum } = page.pointer(at + 2)!;
    const bytes = page.int(at + 26, 4);
    const value = this.#file.slice(first * this.#pageBytes, first * this.#pageBytes + bytes);
    if (pages !== Math.ceil(bytes / this.#pageBytes))
      throw new Error(`page ${first}: wrong extent`);
    if (xxh64(value) !== sum) throw new Error(`page ${first}: wrong checksum of a value`);
    return { content: value, inline: false };
  }
}
