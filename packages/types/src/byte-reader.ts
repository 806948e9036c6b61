/**
 * Reads what `ByteWriter` writes, from bytes that nobody vouches for: every step is bounds-checked and fails
 * with CODEC_DECODE, naming the field and its offset (L-27, L-28). It never reads past the end and never
 * allocates by a length it has not checked.
 */
import { decodeUtf8 } from "./bytes.js";
import { LedgerError } from "./ledger-error.js";

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #at = 0;

  /** `what` names the thing being read, for messages. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get offset(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(field: string): number {
    return this.#bytes[this.#advance(1, field)]!;
  }

  u16(field: string): number {
    return this.#view.getUint16(this.#advance(2, field));
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#advance(4, field));
  }

  u64(field: string): bigint {
    return this.#view.getBigUint64(this.#advance(8, field));
  }

  /** A u64 that must be at most 2^53 - 1. */
  safeU64(field: string): number {
    const at = this.#advance(8, field);
    const high = this.#view.getUint32(at);
    if (high > 0x1f_ffff) throw this.error(field, at, "is larger than 2^53 - 1");
    return high * 0x1_0000_0000 + this.#view.getUint32(at + 4);
  }

  varint(field: string): number {
    let value = 0;
    let scale = 1;
    const start = this.#at;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8(field);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (i > 0 && byte === 0) throw this.error(field, start, "is not the shortest form");
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw this.error(field, start, "is larger than 2^53 - 1");
  }

  /** A view of the next `length` bytes. */
  bytes(length: number, field: string): Uint8Array {
    const at = this.#advance(length, field);
    return this.#bytes.subarray(at, at + length);
  }

  /** u16 length, then well-formed UTF-8. */
  lp16(field: string): string {
    const length = this.u16(field);
    return this.#text(this.bytes(length, field), field);
  }

  /** u32 length, then a view of that many bytes. */
  lp32(field: string): Uint8Array {
    const length = this.u32(field);
    return this.bytes(length, field);
  }

  /** Fails unless everything has been read. */
  end(): void {
    if (this.remaining !== 0) {
      throw this.error("end", this.#at, `has ${this.remaining} bytes left over`);
    }
  }

  error(field: string, at: number, why: string): LedgerError {
    const message = `${this.#what}: ${field} at byte ${at} ${why}`;
    return new LedgerError("CODEC_DECODE", message, { details: { field, offset: at } });
  }

  #text(bytes: Uint8Array, field: string): string {
    const text = decodeUtf8(bytes);
    if (text !== undefined) return text;
    throw this.error(field, this.#at - bytes.length, "is not well-formed UTF-8");
  }

  /** A length that a caller got by subtracting what it read may be negative: refused, never a step back. */
  #advance(length: number, field: string): number {
    const at = this.#at;
    if (!(length >= 0 && length <= this.#bytes.length - at)) {
      throw this.error(field, at, `needs ${length} bytes, ${this.#bytes.length - at} are left`);
    }
    this.#at = at + length;
    return at;
  }
}
