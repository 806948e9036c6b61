/** What the store's tests share: a store on a memory disk, a sorted-map model, random keys and values. */
import {
  type Clock,
  type Disk,
  MemoryDisk,
  nodeClock,
  nodeTimers,
  type Random,
  readFile,
  type SeededRandom,
} from "@authledger/io";
import { compareBytes, toHex, utf8 } from "@authledger/types";
import { expect } from "vitest";
import { checkStore, PageStore, type StoreOptions, type Table } from "../src/index.js";
import type { TableView } from "../src/pins.js";

export const PATH = "/data/state.db";
export const INCARNATION: Uint8Array = new Uint8Array(16).fill(7);

export function applied(index: number): {
  index: number;
  term: number;
  configIndex: number;
  leaderTimeMs: number;
  digest: Uint8Array;
} {
  return { index, term: 1, configIndex: 0, leaderTimeMs: index, digest: new Uint8Array(32) };
}

export function openStore(
  disk: Disk,
  random: Random,
  pageBytes: number,
  cachePages = 256,
  more: Partial<StoreOptions> & { readonly clock?: Clock } = {},
): Promise<PageStore> {
  const { clock = nodeClock, ...options } = more;
  return PageStore.open(
    {
      path: PATH,
      pageBytes,
      cacheBytes: cachePages * pageBytes,
      groupId: 1,
      incarnation: INCARNATION,
      ...options,
    },
    { disk, clock, timers: nodeTimers, random },
  );
}

/** A clock that moves only when it is told to. */
export class ManualClock implements Clock {
  ms = 1_000;
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

/** The store's file, as it is. */
export function fileBytes(disk: Disk): Promise<Uint8Array> {
  return readFile(disk, PATH);
}

/** A number as a key of three bytes. */
export function numberKey(n: number): Uint8Array {
  return Uint8Array.of(n >> 16, n >> 8, n);
}

export function textKey(text: string): Uint8Array {
  return utf8(text);
}

export async function newDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory("/data");
  await disk.syncDirectory("/");
  return disk;
}

/** Keys and values as text of hex digits and values, in order. */
export class Model {
  readonly entries: Map<string, Uint8Array>;

  constructor(entries: Iterable<readonly [string, Uint8Array]> = []) {
    this.entries = new Map(entries);
  }

  copy(): Model {
    return new Model(this.entries);
  }

  sorted(): [string, Uint8Array][] {
    return [...this.entries].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

/** Everything in a table equals the model, both ways. */
export function expectEqual(table: Table | TableView, model: Model): void {
  const expected = model.sorted();
  expect(table.count).toBe(expected.length);
  const cursor = table.cursor();
  let i = 0;
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    const [key, value] = expected[i++]!;
    if (toHex(cursor.key) !== key || compareBytes(cursor.value, value) !== 0) {
      throw new Error(`entry ${i - 1} is ${toHex(cursor.key)}, expected ${key}`);
    }
  }
  expect(i).toBe(expected.length);
  const back = table.cursor();
  for (let ok = back.last(); ok; ok = back.previous()) {
    i--;
    if (toHex(back.key) !== expected[i]![0]) throw new Error("backwards the order differs");
  }
  expect(i).toBe(0);
}

/** Keys that share prefixes, of very different lengths. */
export function randomKey(random: SeededRandom, space: number): Uint8Array {
  const n = random.int(space);
  const style = n % 4;
  const tail = Uint8Array.of(n >> 16, n >> 8, n);
  if (style === 0) return tail;
  if (style === 1) return concat(new Uint8Array(30).fill(0x41), tail);
  if (style === 2) return concat(Uint8Array.of(n * 37, n * 101), tail, new Uint8Array(n % 40));
  return concat(new Uint8Array(60).fill(0x42), tail);
}

function randomValue(random: SeededRandom, pageBytes: number): Uint8Array {
  const length = random.chance(0.05) ? random.int(pageBytes * 4) : random.int(pageBytes / 8);
  return random.bytes(length);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** One random change of a table and its model. */
export function randomChange(
  table: Table,
  model: Model,
  random: SeededRandom,
  options: { readonly space: number; readonly pageBytes: number; readonly deletes: number },
): void {
  const key = randomKey(random, options.space);
  const hex = toHex(key);
  const kind = random.int(100);
  if (kind < 1) {
    const end = randomKey(random, options.space);
    const [from, to] = compareBytes(key, end) < 0 ? [key, end] : [end, key];
    let removed = 0;
    for (const entry of [...model.entries.keys()]) {
      if (entry >= toHex(from) && entry < toHex(to)) {
        model.entries.delete(entry);
        removed++;
      }
    }
    expect(table.deleteRange(from, to)).toBe(removed);
  } else if (kind < options.deletes) {
    expect(table.delete(key)).toBe(model.entries.delete(hex));
  } else {
    const value = randomValue(random, options.pageBytes);
    expect(table.put(key, value)).toBe(model.entries.has(hex));
    model.entries.set(hex, value);
  }
}

export async function expectSound(disk: Disk): Promise<void> {
  const report = await checkStore(disk, PATH);
  expect(report.problems).toEqual([]);
}
