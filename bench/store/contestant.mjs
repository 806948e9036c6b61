/**
 * One database as a contestant: the same loops over every adapter. What is read is summed up, and the sums of all
 * contestants must agree (store.mjs), so nobody answers without looking.
 *
 * An adapter is
 *   load(entries)          writes rows, not timed
 *   get(key)               the value, undefined when there is none
 *   getFast?(key)          the same by a faster way with conditions of its own
 *   scan(key, count)       reads keys and values of `count` rows from a key on; their checksum, or a promise of it
 *   write(entries)         durable when it returns or resolves
 *   flush?()               see ours.mjs
 *   close()
 */
import { randomNumbers } from "../lib/tuples.mjs";
import { hashedKey, loadedEntries, randomBatches, sequentialBatches } from "./entries.mjs";

const LOAD_STEP = 20_000;

/** @typedef {import("./entries.mjs").Entries} Entries */
/**
 * @typedef {{
 *   load(entries: Entries): void | Promise<void>,
 *   get(key: Buffer): Uint8Array | undefined,
 *   getFast?(key: Buffer): Uint8Array | undefined,
 *   scan(key: Buffer, count: number): number | Promise<number>,
 *   write(entries: Entries): void | Promise<void>,
 *   flush?(): Promise<void>,
 *   settle?(): Promise<void>,
 *   close(): void | Promise<void>,
 * }} Adapter
 */

/**
 * @param {string} adapterUrl
 * @param {string} directory
 * @param {number} rows
 */
export async function create(adapterUrl, directory, rows) {
  /** @type {Adapter} */
  const adapter = await (await import(adapterUrl)).open(directory);
  return {
    load: () => load(adapter, rows),
    prepare_get: (/** @type {number} */ round, /** @type {number} */ count) =>
      randomKeys(rows, round, count),
    get: (/** @type {Buffer[]} */ keys) => getAll(keys, (key) => adapter.get(key)),
    prepare_getFast: (/** @type {number} */ round, /** @type {number} */ count) =>
      randomKeys(rows, round, count),
    getFast: (/** @type {Buffer[]} */ keys) =>
      getAll(keys, (key) => (adapter.getFast ?? adapter.get)(key)),
    prepare_scan: (/** @type {number} */ round, /** @type {number} */ count) =>
      randomKeys(rows, round + 1_000, count),
    scan: (/** @type {Buffer[]} */ keys) => scanAll(adapter, keys),
    prepare_random: (/** @type {any} */ options) => ({ ...options, all: randomBatches(options) }),
    random: (/** @type {any} */ options) => writeAll(adapter, options),
    prepare_sequential: (/** @type {any} */ options) => ({
      ...options,
      all: sequentialBatches(options),
    }),
    sequential: (/** @type {any} */ options) => writeAll(adapter, options),
    settle: () => adapter.settle?.(),
    close: () => adapter.close(),
  };
}

/** @param {Adapter} adapter @param {number} rows */
async function load(adapter, rows) {
  for (let from = 0; from < rows; from += LOAD_STEP) {
    await adapter.load(loadedEntries(from, Math.min(from + LOAD_STEP, rows)));
  }
  await adapter.settle?.();
  return { operations: rows };
}

/** @param {number} rows @param {number} round @param {number} count */
function randomKeys(rows, round, count) {
  const random = randomNumbers(round + 1);
  return Array.from({ length: count }, () => hashedKey(random(rows)));
}

/**
 * @param {readonly Buffer[]} keys
 * @param {(key: Buffer) => Uint8Array | undefined} get
 */
function getAll(keys, get) {
  let sum = 0;
  for (const key of keys) {
    const value = get(key);
    if (value === undefined) throw new Error("a row is gone");
    sum += /** @type {number} */ (value[0]) + /** @type {number} */ (value[4]);
  }
  return { operations: keys.length, extra: sum };
}

/** @param {Adapter} adapter @param {readonly Buffer[]} keys */
async function scanAll(adapter, keys) {
  let sum = 0;
  for (const key of keys) {
    const part = adapter.scan(key, 1_000);
    sum += typeof part === "number" ? part : await part;
  }
  return { operations: keys.length, extra: sum };
}

/**
 * @param {Adapter} adapter
 * @param {{ all: readonly Entries[], flushEach?: boolean, flushAtEnd?: boolean }} options
 */
async function writeAll(adapter, { all, flushEach = false, flushAtEnd = false }) {
  let operations = 0;
  for (const entries of all) {
    await adapter.write(entries);
    if (flushEach) await adapter.flush?.();
    operations += entries.keys.length;
  }
  if (flushAtEnd) await adapter.flush?.();
  return { operations };
}

/**
 * What a scan adds up for each row. It looks at the end of the key and at the beginning of the value.
 *
 * @param {Uint8Array} key
 * @param {Uint8Array} value
 */
export function checksumOf(key, value) {
  return (
    /** @type {number} */ (key[key.length - 1]) + /** @type {number} */ (value[0]) + value.length
  );
}
