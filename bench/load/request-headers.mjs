/**
 * The HPACK encoder of the player: header blocks of gRPC requests, which differ in nothing but their path.
 *
 * The first request with a path puts its fields into the peer's dynamic table; later ones are about eight
 * octets of indices, kept ready. Nothing is ever evicted: a path for which the table has no room is sent as a
 * literal each time. A peer whose table is smaller than the default gets literals only.
 */
import { HEADER_TABLE_BYTES } from "./hpack-decoder.mjs";
import { headerField, STATIC_TABLE } from "./hpack-tables.mjs";

/** Any index with the right name does; the last one is as good as the first. @type {Map<string, number>} */
const STATIC_NAMES = new Map(STATIC_TABLE.map(({ name }, i) => [name, i + 1]));
const METHOD_POST = 0x83;
const SCHEME_HTTP = 0x86;
const TABLE_SIZE_ZERO = 0x20;

export class RequestHeaders {
  /** Fields of the dynamic table, oldest first. @type {string[]} */
  #inserted = [];
  #insertedBytes = 0;
  #indexing = true;
  #announceZero = false;
  /** Blocks of indices only. @type {Map<string, Buffer>} */
  #ready = new Map();
  #fixed;

  /**
   * @param {string} authority
   * @param {Readonly<Record<string, string>>} metadata lower-case names
   */
  constructor(authority, metadata = {}) {
    /** @type {[string, string][]} */
    this.#fixed = [
      [":authority", authority],
      ["te", "trailers"],
      ["content-type", "application/grpc"],
      ["user-agent", "authledger-player"],
      ...Object.entries(metadata),
    ];
  }

  /**
   * The peer announced the size of its table. It must be told that a smaller one is used (RFC 7541, 4.2).
   *
   * @param {number} bytes
   */
  tableSize(bytes) {
    if (bytes >= HEADER_TABLE_BYTES || !this.#indexing) return;
    this.#indexing = false;
    this.#announceZero = true;
    this.#ready.clear();
    this.#inserted.length = 0;
  }

  /**
   * The header block of the next request of the connection.
   *
   * @param {string} path
   * @returns {Buffer}
   */
  block(path) {
    const ready = this.#ready.get(path);
    if (ready !== undefined) return ready;
    const before = this.#inserted.length;
    const octets = [];
    if (this.#announceZero) octets.push(TABLE_SIZE_ZERO);
    this.#announceZero = false;
    octets.push(METHOD_POST, SCHEME_HTTP);
    // Pseudo-header fields come before all others (RFC 9113, 8.3).
    this.#field(octets, ":path", path);
    for (const [name, value] of this.#fixed) this.#field(octets, name, value);
    if (this.#inserted.length !== before) this.#ready.clear();
    else if (this.#indexing && this.#inserted.includes(`:path ${path}`)) {
      this.#ready.set(path, Buffer.from(octets));
    }
    return Buffer.from(octets);
  }

  /**
   * @param {number[]} octets
   * @param {string} name
   * @param {string} value
   */
  #field(octets, name, value) {
    const position = this.#inserted.indexOf(`${name} ${value}`);
    if (position >= 0) {
      integer(octets, 0x80, 7, STATIC_TABLE.length + this.#inserted.length - position);
      return;
    }
    const { size } = headerField(name, value);
    const insert = this.#indexing && this.#insertedBytes + size <= HEADER_TABLE_BYTES;
    integer(octets, insert ? 0x40 : 0, insert ? 6 : 4, STATIC_NAMES.get(name) ?? 0);
    if (!STATIC_NAMES.has(name)) string(octets, name);
    string(octets, value);
    if (!insert) return;
    this.#inserted.push(`${name} ${value}`);
    this.#insertedBytes += size;
  }
}

/**
 * @param {number[]} octets
 * @param {number} pattern
 * @param {number} prefixBits
 * @param {number} value
 */
function integer(octets, pattern, prefixBits, value) {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    octets.push(pattern | value);
    return;
  }
  octets.push(pattern | mask);
  let rest = value - mask;
  for (; rest >= 128; rest >>= 7) octets.push((rest & 0x7f) | 0x80);
  octets.push(rest);
}

/**
 * @param {number[]} octets
 * @param {string} text
 */
function string(octets, text) {
  const bytes = Buffer.from(text, "latin1");
  integer(octets, 0, 7, bytes.length);
  for (const octet of bytes) octets.push(octet);
}
