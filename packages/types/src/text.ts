/**
 * What the grammar means by printable: well-formed, no white space, no control characters.
 *
 * The sets are written out as code points and not asked of the engine's Unicode tables, because those change
 * between versions and replicas must agree (simulation.md).
 */

/** Unicode White_Space and the control characters C0, DEL and C1. */
export function isSpaceOrControl(c: number): boolean {
  if (c <= 0x20) return true;
  if (c < 0x7f) return false;
  if (c <= 0xa0) return true;
  if (c < 0x1680) return false;
  if (c === 0x1680 || (c >= 0x2000 && c <= 0x200a)) return true;
  return c === 0x2028 || c === 0x2029 || c === 0x202f || c === 0x205f || c === 0x3000;
}

/** What `measurePrintable` found: the UTF-8 length, or why the text is not printable. */
export type PrintableMeasure =
  | { readonly ok: true; readonly bytes: number }
  | { readonly ok: false; readonly reason: string };

/** UTF-8 length of printable text; refuses white space, control characters and lone surrogates. */
export function measurePrintable(text: string): PrintableMeasure {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (isSpaceOrControl(c)) return { ok: false, reason: `holds ${codePointName(c)} at ${i}` };
    if (c < 0x80) bytes += 1;
    else if (c < 0x800) bytes += 2;
    else if (c < 0xd800 || c > 0xdfff) bytes += 3;
    else {
      const low = c <= 0xdbff ? text.charCodeAt(i + 1) : 0;
      if (!(low >= 0xdc00 && low <= 0xdfff)) {
        return { ok: false, reason: `holds a lone surrogate at ${i}` };
      }
      bytes += 4;
      i++;
    }
  }
  return { ok: true, bytes };
}

/** `U+0020`, for messages. */
export function codePointName(c: number): string {
  return `U+${c.toString(16).toUpperCase().padStart(4, "0")}`;
}
