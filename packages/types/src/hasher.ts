/**
 * SHA-256 behind one interface, so that the server can use node:crypto (0.3 us for 115 bytes when the digest
 * is written in place) and a browser @noble/hashes, with the same code above them.
 */
export interface Hasher {
  /** SHA-256 of `data` as a new array of 32 bytes. */
  sha256(data: Uint8Array): Uint8Array;
  /** Writes SHA-256 of `data` to `out[offset, offset + 32)`. `out` may overlap `data`. */
  sha256Into(data: Uint8Array, out: Uint8Array, offset: number): void;
}

/** Bytes of a SHA-256 digest. */
export const HASH_BYTES = 32;
