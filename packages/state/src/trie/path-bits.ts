/** Bits of 48-byte paths. Bit i is bit (7 - i mod 8) of byte i div 8 (commitment.md, "State"). */

/** Bytes and bits of a path. */
export const PATH_BYTES = 48;
export const PATH_BITS = 384;

export function bitAt(paths: Uint8Array, offset: number, bit: number): number {
  return (paths[offset + (bit >> 3)]! >> (7 - (bit & 7))) & 1;
}

/** The first bit at or after `from` in which two paths differ; 384 when they are equal. `from` is rounded down to its byte. */
export function firstDifferentBit(
  a: Uint8Array,
  aOffset: number,
  b: Uint8Array,
  bOffset: number,
  from = 0,
): number {
  for (let i = from >> 3; i < PATH_BYTES; i++) {
    const difference = a[aOffset + i]! ^ b[bOffset + i]!;
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24;
  }
  return PATH_BITS;
}

/** Writes the first `bits` bits of a path to `out`, with zeros behind them up to 48 bytes. */
export function copyPrefix(
  path: Uint8Array,
  pathOffset: number,
  bits: number,
  out: Uint8Array,
  outOffset: number,
): void {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) out[outOffset + i] = path[pathOffset + i]!;
  out.fill(0, outOffset + whole, outOffset + PATH_BYTES);
  const rest = bits & 7;
  if (rest !== 0) out[outOffset + whole] = path[pathOffset + whole]! & (0xff << (8 - rest));
}
