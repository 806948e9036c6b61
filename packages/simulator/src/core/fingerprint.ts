/** A number for a text, so that a search over millions of states remembers each in eight bytes. */

/** 53 bits: among millions of states two different ones are all but never taken for one. */
export type Fingerprint = number;

/** Two FNV-like walks over the text at once, with the finalizer of MurmurHash3. */
export function fingerprintOf(text: string): Fingerprint {
  let high = 0x1b873593;
  let low = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x01000193);
    high = Math.imul(high ^ code, 0x5bd1e995);
  }
  low = finish(low ^ (high >>> 15));
  high = finish(high ^ low);
  return (high & 0x1f_ffff) * 0x1_0000_0000 + low;
}

function finish(x: number): number {
  let h = x ^ (x >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
