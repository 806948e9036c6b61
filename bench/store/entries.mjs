/**
 * What the databases hold: rows like those of the `leaf` table (packages/state/src/trie/leaf-row.ts), 52-byte keys,
 * a vault's number and a hashed path, and 90-byte values, a hash and a record. Row i follows from i alone.
 */
import { createHash } from "node:crypto";
import { randomNumbers } from "../lib/tuples.mjs";

export const KEY_BYTES = 52;
export const VALUE_BYTES = 90;
/** Rows with hashed paths belong to this vault, those of sequential writes to the next one. */
const VAULT = 7;
const POOL_BYTES = 2 ** 20;

/** Bytes without a pattern that values are cut from: a database that compresses gains nothing. */
const pool = Buffer.alloc(POOL_BYTES);
{
  const random = randomNumbers(90);
  for (let at = 0; at < POOL_BYTES; at += 4) pool.writeUInt32LE(random(2 ** 32), at);
}

/** @typedef {{ readonly keys: readonly Buffer[], readonly values: readonly Buffer[] }} Entries */

/** Key of row i, in hashed order. @param {number} i */
export function hashedKey(i) {
  const key = Buffer.allocUnsafeSlow(KEY_BYTES);
  key.writeUInt32BE(VAULT, 0);
  createHash("sha384").update(String(i)).digest().copy(key, 4);
  return key;
}

/** Key of the i-th row behind all others. @param {number} i */
export function sequentialKey(i) {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeUInt32BE(VAULT + 1, 0);
  key.writeUIntBE(i, 4, 6);
  pool.copy(key, 10, (i * 42) % (POOL_BYTES - 42));
  return key;
}

/** Value number `version` of row i. @param {number} i @param {number} version */
export function rowValue(i, version) {
  const value = Buffer.allocUnsafeSlow(VALUE_BYTES);
  const from = (Math.imul(i + 1, 2_654_435_761) + version * 7_919) >>> 0;
  pool.copy(value, 0, from % (POOL_BYTES - VALUE_BYTES));
  value.writeUInt32LE(i, 0);
  value.writeUInt32LE(version, 4);
  return value;
}

/**
 * Rows [from, to) as they are loaded: in no order.
 *
 * @param {number} from
 * @param {number} to
 * @returns {Entries}
 */
export function loadedEntries(from, to) {
  const numbers = Array.from({ length: to - from }, (_, k) => from + k);
  return { keys: numbers.map(hashedKey), values: numbers.map((i) => rowValue(i, 0)) };
}

/**
 * Batches of random writes: every other one to a row that is there, the others new. Those of different rounds and
 * sizes write different new rows.
 *
 * @param {{ rows: number, round: number, batches: number, size: number, firstNew: number }} options
 * @returns {Entries[]}
 */
export function randomBatches({ rows, round, batches, size, firstNew }) {
  const random = randomNumbers(size * 1_000 + round);
  return Array.from({ length: batches }, (_, batch) => {
    const numbers = Array.from({ length: size }, (_, k) =>
      k % 2 === 0 ? random(rows) : firstNew + batch * size + k,
    );
    return {
      keys: numbers.map(hashedKey),
      values: numbers.map((i) => rowValue(i, round + 1)),
    };
  });
}

/**
 * Batches of new rows at the end.
 *
 * @param {{ round: number, batches: number, size: number, first: number }} options
 * @returns {Entries[]}
 */
export function sequentialBatches({ round, batches, size, first }) {
  return Array.from({ length: batches }, (_, batch) => {
    const numbers = Array.from({ length: size }, (_, k) => first + batch * size + k);
    return {
      keys: numbers.map(sequentialKey),
      values: numbers.map((i) => rowValue(i, round + 1)),
    };
  });
}
