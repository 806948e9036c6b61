/**
 * Appends integers and strings to a growing buffer. Big-endian, as everything that is hashed, sorted or sent
 * (commitment.md); the page store and the log use layouts with their own byte order. A value that does not
 * fit is refused with CODEC_ENCODE and leaves nothing behind.
 */
import { LedgerError } from "./ledger-error.js";

const encoder = new TextEncoder();

/** What a writer that is used again keeps at most, unless it was made larger. */
const KEPT_BYTES_MAX = 64 * 1024;

export class ByteWriter {
  readonly #capacity: number;
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  #written: Uint8Array | undefined;

  constructor(capacity = 256) {
    this.#capacity = capacity;
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** Forgets what was written and keeps the buffer, unless something large made it grow. */
  clear(): this {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX && this.#bytes.length > this.#capacity) {
      this.#replace(new Uint8Array(this.#capacity));
    }
    return this;
  }

  /**
   * A view of what was written, valid until the next write or clear. The last one is given out again for the same
   * length: who hashes many alike through one writer makes no garbage.
   */
  view(): Uint8Array {
    if (this.#written?.length !== this.#length)
      this.#written = this.#bytes.subarray(0, this.#length);
    return this.#written;
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  u8(value: number): this {
    checked(value, 0xff, "u8");
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#view.setUint16(this.#length, checked(value, 0xffff, "u16"));
    this.#length += 2;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#view.setUint32(this.#length, checked(value, 0xffff_ffff, "u32"));
    this.#length += 4;
    return this;
  }

  /** A number is at most 2^53 - 1; a bigint may use all 64 bits. */
  u64(value: number | bigint): this {
    this.#reserve(8);
    if (typeof value === "number") {
      checked(value, Number.MAX_SAFE_INTEGER, "u64");
      this.#view.setUint32(this.#length, Math.floor(value / 0x1_0000_0000));
      this.#view.setUint32(this.#length + 4, value >>> 0);
    } else {
      if (value < 0n || value >> 64n !== 0n) throw tooLarge(value, "u64");
      this.#view.setBigUint64(this.#length, value);
    }
    this.#length += 8;
    return this;
  }

  /** Unsigned LEB128, at most 2^53 - 1. */
  varint(value: number): this {
    checked(value, Number.MAX_SAFE_INTEGER, "varint");
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  bytes(data: Uint8Array): this {
    this.#reserve(data.length);
    this.#bytes.set(data, this.#length);
    this.#length += data.length;
    return this;
  }

  /** UTF-8 without a length. */
  utf8(text: string): this {
    this.#reserve(text.length * 3);
    this.#writeText(text);
    return this;
  }

  /** u16 length, then UTF-8. */
  lp16(text: string): this {
    this.#reserve(2 + text.length * 3);
    const at = this.#length;
    this.#length += 2;
    const written = this.#writeText(text);
    if (written > 0xffff) {
      this.#length = at;
      throw tooLarge(written, "length of a string");
    }
    this.#view.setUint16(at, written);
    return this;
  }

  /** u32 length, then the bytes. */
  lp32(data: Uint8Array): this {
    return this.u32(data.length).bytes(data);
  }

  /** Short ASCII by hand: encodeInto costs more than the copy for the strings of tuples. */
  #writeText(text: string): number {
    const start = this.#length;
    const bytes = this.#bytes;
    const n = text.length;
    let i = 0;
    if (n <= 48) {
      for (; i < n; i++) {
        const c = text.charCodeAt(i);
        if (c > 0x7f) break;
        bytes[start + i] = c;
      }
    }
    if (i < n) i += encoder.encodeInto(text.slice(i), bytes.subarray(start + i)).written;
    this.#length = start + i;
    return i;
  }

  #reserve(extra: number): void {
    const needed = this.#length + extra;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#replace(grown);
  }

  #replace(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#written = undefined;
  }
}

function checked(value: number, max: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw tooLarge(value, what);
}

function tooLarge(value: number | bigint, what: string): LedgerError {
  return new LedgerError("CODEC_ENCODE", `${value} does not fit ${what}`);
}
