// @ts-check
/** Changes of inputs: bits, bytes, numbers of every width, pieces moved, doubled, cut, and taken from other inputs. */
import { Buffer } from "node:buffer";

const BYTES = [0, 1, 2, 7, 8, 0x0a, 0x20, 0x7f, 0x80, 0xfe, 0xff];
const NUMBERS = [
  0,
  1,
  2,
  127,
  128,
  255,
  256,
  32767,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];

/**
 * @param {Uint8Array} input
 * @param {import("./random.mjs").Random} random
 * @param {{ readonly others: readonly Uint8Array[], readonly maxBytes: number, readonly words: readonly Uint8Array[] }} from
 * @returns {Uint8Array}
 */
export function mutate(input, random, { others, maxBytes, words }) {
  /** @type {Buffer} */
  let bytes = Buffer.from(input);
  for (let times = 1 << random.int(4); times > 0; times--) {
    bytes = change(bytes, random, others, words);
  }
  return bytes.length > maxBytes ? bytes.subarray(0, maxBytes) : bytes;
}

/**
 * @param {Buffer} bytes
 * @param {import("./random.mjs").Random} random
 * @param {readonly Uint8Array[]} others
 * @param {readonly Uint8Array[]} words
 * @returns {Buffer}
 */
function change(bytes, random, others, words) {
  const { length } = bytes;
  const at = random.int(length + 1);
  const run = 1 + random.int(random.int(4) === 0 ? 256 : 16);
  if (length === 0) return insert(bytes, 0, Buffer.from([random.int(256)]));
  switch (random.int(11)) {
    case 0:
      return set(bytes, at % length, bytes[at % length] ^ (1 << random.int(8)));
    case 1:
      return set(bytes, at % length, random.pick(BYTES));
    case 2:
      return set(bytes, at % length, random.int(256));
    case 3:
      return set(bytes, at % length, bytes[at % length] + random.int(33) - 16);
    case 4:
      return number(bytes, at, random);
    case 5:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(length, at + run))]);
    case 6:
      return insert(bytes, random.int(length + 1), bytes.subarray(at, at + run));
    case 7: {
      const from = Buffer.from(bytes.subarray(at, at + run));
      from.copy(bytes, random.int(length));
      return bytes;
    }
    case 8:
      return words.length === 0 ? bytes : insert(bytes, at, Buffer.from(random.pick(words)));
    case 9: {
      const other = random.pick(others);
      const start = random.int(other.length + 1);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(start)]);
    }
    default:
      return bytes.subarray(0, at);
  }
}

/**
 * @param {Buffer} bytes
 * @param {number} at
 * @param {number} value
 */
function set(bytes, at, value) {
  bytes[at] = value;
  return bytes;
}

/**
 * @param {Buffer} bytes
 * @param {number} at
 * @param {Uint8Array} piece
 */
function insert(bytes, at, piece) {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}

/**
 * A telling number, in both byte orders.
 *
 * @param {Buffer} bytes
 * @param {number} at
 * @param {import("./random.mjs").Random} random
 */
function number(bytes, at, random) {
  const width = random.pick([2, 4, 8]);
  if (bytes.length < width) return bytes;
  const place = at % (bytes.length - width + 1);
  const value = BigInt(random.pick([...NUMBERS, bytes.length, bytes.length - at]));
  const piece = Buffer.alloc(8);
  piece.writeBigUInt64BE(BigInt.asUintN(64, random.int(4) === 0 ? -value : value));
  const digits = piece.subarray(8 - width);
  if (random.int(3) === 0) digits.reverse();
  digits.copy(bytes, place);
  return bytes;
}
