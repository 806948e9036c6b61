/**
 * The frames of a snapshot (docs/format/snapshot.md): sections of a stream, each with a check that also covers
 * everything before it.
 *
 *     stream = "ALSNAP1\n" || frame*          frame = u8 type || u32 length || payload || check8
 *     chain  = SHA-256(chain before || type || payload), at first SHA-256(magic); check8 = its first 8 bytes
 *
 *   INV-SNAP-1  A frame that was changed, moved, doubled or left out is found at the next check, and the error
 *               says at which byte of the stream the frame begins.
 */
import { assert, equalBytes, type Hasher, LedgerError } from "@authledger/types";
import { readU32, writeU32 } from "../tables.js";

/** Also the version of the format: another one has another magic. */
export const SNAPSHOT_MAGIC: Uint8Array = new TextEncoder().encode("ALSNAP1\n");
const FAMILY_BYTES = 6;

export const FrameType = {
  group: 1,
  organization: 2,
  vault: 3,
  blocks: 4,
  buckets: 5,
  records: 6,
  clients: 7,
  vaultEnd: 8,
  end: 9,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** A frame is closed when it has so many bytes; one record, block or row more may be in it. */
export const FRAME_BYTES: number = 64 * 1024;
/** One block of an entry (4 MiB) with its header, or a record with a value of 1 MiB, and room. */
const FRAME_BYTES_MAX: number = 8 * 1024 * 1024;
const HEAD_BYTES = 5;
const CHECK_BYTES = 8;

export interface Frame {
  /** A FrameType, or one of another kind of stream. */
  readonly type: number;
  /** A copy of its own. */
  readonly payload: Uint8Array;
  /** Where it begins in the stream. */
  readonly offset: number;
  /** The chain over everything before it, 32 bytes. */
  readonly chain: Uint8Array;
}

/** Both ends keep one: what was seen so far as one hash. */
class FrameChain {
  readonly #hasher: Hasher;
  #hash: Uint8Array;

  constructor(hasher: Hasher, magic: Uint8Array) {
    this.#hasher = hasher;
    this.#hash = hasher.sha256(magic);
  }

  get hash(): Uint8Array {
    return this.#hash;
  }

  /** The check behind a frame. */
  next(type: number, payload: Uint8Array): Uint8Array {
    const input = new Uint8Array(this.#hash.length + 1 + payload.length);
    input.set(this.#hash);
    input[this.#hash.length] = type;
    input.set(payload, this.#hash.length + 1);
    this.#hash = this.#hasher.sha256(input);
    return this.#hash.subarray(0, CHECK_BYTES);
  }
}

export class FrameWriter {
  readonly #chain: FrameChain;

  /** The stream begins with `magic`, which the caller writes. */
  constructor(hasher: Hasher, magic: Uint8Array = SNAPSHOT_MAGIC) {
    this.#chain = new FrameChain(hasher, magic);
  }

  /** The chain over everything written so far, 32 bytes. */
  get chain(): Uint8Array {
    return this.#chain.hash;
  }

  /** The bytes of the next frame. */
  frame(type: number, payload: Uint8Array): Uint8Array {
    assert(payload.length <= FRAME_BYTES_MAX, "a frame fits its limit", { type });
    const out = new Uint8Array(HEAD_BYTES + payload.length + CHECK_BYTES);
    out[0] = type;
    writeU32(out, 1, payload.length);
    out.set(payload, HEAD_BYTES);
    out.set(this.#chain.next(type, payload), HEAD_BYTES + payload.length);
    return out;
  }
}

/** Cuts a stream into frames, whatever the pieces are that it comes in; holds one frame and one piece. */
export class FrameReader {
  readonly #chain: FrameChain;
  readonly #magic: Uint8Array;
  #parts: Uint8Array[] = [];
  #length = 0;
  #offset = 0;
  #hasMagic = false;

  constructor(hasher: Hasher, magic: Uint8Array = SNAPSHOT_MAGIC) {
    this.#chain = new FrameChain(hasher, magic);
    this.#magic = magic;
  }

  /** Bytes of the stream in frames that were read. */
  get offset(): number {
    return this.#offset;
  }

  /** The frames that this piece completes. @throws LedgerError SNAPSHOT_CORRUPT, FORMAT_NEWER */
  *push(piece: Uint8Array): Generator<Frame> {
    this.#parts.push(piece);
    this.#length += piece.length;
    if (!this.#hasMagic && !this.#readMagic()) return;
    while (this.#length >= HEAD_BYTES) {
      const head = this.#peek(HEAD_BYTES);
      const length = readU32(head, 1);
      if (length > FRAME_BYTES_MAX) {
        throw corruptAt(
          this.#offset,
          `a frame of ${length} bytes; the limit is ${FRAME_BYTES_MAX}`,
        );
      }
      if (this.#length < HEAD_BYTES + length + CHECK_BYTES) return;
      yield this.#frame(head[0]!, length);
    }
  }

  /** The stream has ended. @throws LedgerError SNAPSHOT_CORRUPT when it ends within a frame */
  end(): void {
    if (this.#length === 0 && this.#hasMagic) return;
    throw corruptAt(this.#offset, `the stream ends within a frame, ${this.#length} bytes into it`);
  }

  #frame(type: number, length: number): Frame {
    const offset = this.#offset;
    const chain = this.#chain.hash;
    const bytes = this.#take(HEAD_BYTES + length + CHECK_BYTES);
    const payload = bytes.subarray(HEAD_BYTES, HEAD_BYTES + length);
    if (!equalBytes(this.#chain.next(type, payload), bytes.subarray(HEAD_BYTES + length))) {
      throw corruptAt(offset, "the check of a frame does not match: a byte up to here was changed");
    }
    return { type, payload, offset, chain };
  }

  #readMagic(): boolean {
    if (this.#length < this.#magic.length) return false;
    const found = this.#take(this.#magic.length);
    this.#hasMagic = equalBytes(found, this.#magic);
    if (this.#hasMagic) return true;
    if (equalBytes(found.subarray(0, FAMILY_BYTES), this.#magic.subarray(0, FAMILY_BYTES))) {
      const format = String.fromCharCode(found[FAMILY_BYTES]!);
      throw new LedgerError("FORMAT_NEWER", `the snapshot is of format "${format}", not 1`);
    }
    throw corruptAt(0, "the stream does not begin as a snapshot does");
  }

  #peek(length: number): Uint8Array {
    if (this.#parts[0]!.length < length) this.#join();
    return this.#parts[0]!.subarray(0, length);
  }

  #take(length: number): Uint8Array {
    if (this.#parts[0]!.length < length) this.#join();
    const first = this.#parts[0]!;
    // Not `slice`: that of a Buffer is a view, and would keep what it came in alive.
    const taken = new Uint8Array(first.subarray(0, length));
    if (first.length === length) this.#parts.shift();
    else this.#parts[0] = first.subarray(length);
    this.#length -= length;
    this.#offset += length;
    return taken;
  }

  #join(): void {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    this.#parts = [all];
  }
}

/** Where in a snapshot something is wrong, as far as it is known. */
export interface SnapshotPlace {
  readonly organization?: string;
  readonly vault?: string;
  readonly bucket?: number;
  readonly path?: string;
  readonly height?: number;
}

/** The error for a frame at an offset. */
export function corruptAt(offset: number, why: string, place: SnapshotPlace = {}): LedgerError {
  const { organization, vault, bucket, path, height } = place;
  const parts = [
    vault === undefined ? "" : `vault ${organization}/${vault}`,
    height === undefined ? "" : `height ${height}`,
    bucket === undefined ? "" : `bucket ${bucket}`,
    path === undefined ? "" : `path ${path}`,
  ].filter((part) => part !== "");
  const where = parts.length === 0 ? "" : `, ${parts.join(", ")}`;
  const message = `the snapshot is damaged at byte ${offset}${where}: ${why}`;
  return new LedgerError("SNAPSHOT_CORRUPT", message, { details: { offset, ...place } });
}
