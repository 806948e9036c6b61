/**
 * HPACK decoder (RFC 7541) for the header blocks of responses. It follows the dynamic table of the peer
 * exactly: every block of a connection has to pass through it, in order.
 */
import { HUFFMAN_LENGTHS, headerField, STATIC_TABLE } from "./hpack-tables.mjs";

/** @typedef {import("./hpack-tables.mjs").HeaderField} HeaderField */

/** SETTINGS_HEADER_TABLE_SIZE that the player leaves at its default. */
export const HEADER_TABLE_BYTES = 4096;
/** Longest integer: five continuation octets reach 2^35. */
const INTEGER_OCTETS_MAX = 5;
const END_OF_STRING = 256;

/** Thrown on any violation of RFC 7541; the connection can only be closed then (COMPRESSION_ERROR). */
export class HpackError extends Error {}

export class HpackDecoder {
  /** Newest entry last. @type {HeaderField[]} */
  #dynamic = [];
  #dynamicBytes = 0;
  #dynamicBytesMax = HEADER_TABLE_BYTES;
  /** @type {Buffer} */
  #block = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /**
   * Calls `onField` for each field of the block `buffer[from, to)`.
   *
   * @param {Buffer} buffer
   * @param {number} from
   * @param {number} to
   * @param {(field: HeaderField) => void} onField
   */
  decode(buffer, from, to, onField) {
    this.#block = buffer;
    this.#at = from;
    this.#end = to;
    while (this.#at < this.#end) {
      const first = buffer[this.#at];
      if (first >= 0x80) onField(this.#entry(this.#integer(7)));
      else if (first >= 0x40) onField(this.#insert(this.#literal(6)));
      else if (first >= 0x20) this.#resize(this.#integer(5));
      else onField(this.#literal(4));
    }
  }

  /** @param {number} index */
  #entry(index) {
    if (index === 0) throw new HpackError("index 0");
    if (index <= STATIC_TABLE.length) return STATIC_TABLE[index - 1];
    const position = this.#dynamic.length - (index - STATIC_TABLE.length);
    if (position < 0) throw new HpackError(`index ${index} is beyond the table`);
    return this.#dynamic[position];
  }

  /** @param {number} prefixBits */
  #literal(prefixBits) {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#entry(index).name;
    return headerField(name, this.#string());
  }

  /** @param {HeaderField} field */
  #insert(field) {
    this.#dynamic.push(field);
    this.#dynamicBytes += field.size;
    this.#evict();
    return field;
  }

  /** @param {number} bytes */
  #resize(bytes) {
    if (bytes > HEADER_TABLE_BYTES) throw new HpackError(`table size ${bytes} is over the limit`);
    this.#dynamicBytesMax = bytes;
    this.#evict();
  }

  #evict() {
    while (this.#dynamicBytes > this.#dynamicBytesMax) {
      const oldest = /** @type {HeaderField} */ (this.#dynamic.shift());
      this.#dynamicBytes -= oldest.size;
    }
  }

  #octet() {
    if (this.#at >= this.#end) throw new HpackError("the block ends inside a field");
    return this.#block[this.#at++];
  }

  /** @param {number} prefixBits */
  #integer(prefixBits) {
    const mask = (1 << prefixBits) - 1;
    let value = this.#octet() & mask;
    if (value < mask) return value;
    for (let i = 0, scale = 1; i < INTEGER_OCTETS_MAX; i++, scale *= 128) {
      const octet = this.#octet();
      value += (octet & 0x7f) * scale;
      if (octet < 0x80) return value;
    }
    throw new HpackError("integer too long");
  }

  #string() {
    const huffman = this.#at < this.#end && this.#block[this.#at] >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    if (start + length > this.#end) throw new HpackError("the block ends inside a string");
    this.#at += length;
    return huffman
      ? huffmanDecode(this.#block, start, this.#at)
      : this.#block.toString("latin1", start, this.#at);
  }
}

/** Codes by length: the first code, the index of its symbol, how many there are. */
const huffman = huffmanTable();

function huffmanTable() {
  const bitsMax = Math.max(...HUFFMAN_LENGTHS);
  const symbols = HUFFMAN_LENGTHS.map((_, symbol) => symbol).sort(
    (a, b) => HUFFMAN_LENGTHS[a] - HUFFMAN_LENGTHS[b] || a - b,
  );
  const firstCode = new Uint32Array(bitsMax + 1);
  const firstSymbol = new Uint32Array(bitsMax + 1);
  const count = new Uint32Array(bitsMax + 1);
  for (const bits of HUFFMAN_LENGTHS) count[bits]++;
  for (let bits = 1; bits <= bitsMax; bits++) {
    firstCode[bits] = (firstCode[bits - 1] + count[bits - 1]) * 2;
    firstSymbol[bits] = firstSymbol[bits - 1] + count[bits - 1];
  }
  return { bitsMax, symbols, firstCode, firstSymbol, count };
}

/**
 * @param {Buffer} buffer
 * @param {number} from
 * @param {number} to
 */
function huffmanDecode(buffer, from, to) {
  const { bitsMax, symbols, firstCode, firstSymbol, count } = huffman;
  const codes = [];
  let code = 0;
  let bits = 0;
  for (let at = from; at < to; at++) {
    for (let shift = 7; shift >= 0; shift--) {
      code = code * 2 + ((buffer[at] >> shift) & 1);
      bits++;
      if (bits > bitsMax) throw new HpackError("unknown Huffman code");
      const offset = code - firstCode[bits];
      if (offset < 0 || offset >= count[bits]) continue;
      const symbol = symbols[firstSymbol[bits] + offset];
      if (symbol === END_OF_STRING) throw new HpackError("end of string inside a string");
      codes.push(symbol);
      code = 0;
      bits = 0;
    }
  }
  // RFC 7541, 5.2: padding is shorter than an octet and all ones.
  if (bits > 7 || code !== 2 ** bits - 1) throw new HpackError("bad Huffman padding");
  return String.fromCharCode(...codes);
}
