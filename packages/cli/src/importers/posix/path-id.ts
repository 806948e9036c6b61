/**
 * Names of the machine as ids of the ledger (architecture.md, "Grammar").
 *
 *   INV-POSIX-1  Different paths have different ids, and different accounts too (for shortened ids: as long as
 *                64 bits of SHA-256 differ).
 *
 * Names are bytes on Unix; here they travel as "latin1" strings, one character per byte, which also sort as
 * their bytes do. What the grammar has no place for becomes %XX: control characters, white space, "#", ":", a
 * leading "*", and "%" itself, so that decoding gives the bytes back. A name that is not UTF-8 has all its
 * bytes from 0x80 on encoded; printable UTF-8 stays readable.
 *
 * An id over 200 bytes becomes its first 160 bytes, "~", and 16 hex digits of its SHA-256. Somebody could give
 * a short name that very form and so borrow the id of another file; a short id that looks shortened therefore
 * has its "~" encoded.
 */
import { hash } from "node:crypto";
import { decodeUtf8, measurePrintable } from "@authledger/types";

/** Longer ids are shortened, in bytes. */
const ID_BYTES_MAX = 200;
const SHORTENED_PREFIX_BYTES = 160;
const SHORTENED_HASH_DIGITS = 16;
/** Most file names: printable ASCII but "#", "%" and ":". */
const PLAIN = /^[!"$&-9;-~]*$/;
const LOOKS_SHORTENED = /~([0-9a-f]{16})$/;

/** Percent-encodes one name of a path, without its slashes. Injective, and never empty for a name that is not. */
export function encodeName(name: string): string {
  if (PLAIN.test(name)) return name;
  const bytes = Buffer.from(name, "latin1");
  const text = decodeUtf8(bytes);
  let out = "";
  for (const character of text ?? name)
    out += fits(character, text) ? character : percent(character, text);
  return out;
}

/** Can the character stand in an id? Of a name that is not UTF-8 only ASCII can. */
function fits(character: string, text: string | undefined): boolean {
  if (PLAIN.test(character)) return true;
  const isSpecial = character === "#" || character === ":" || character === "%";
  return text !== undefined && !isSpecial && measurePrintable(character).ok;
}

function percent(character: string, text: string | undefined): string {
  const bytes = Buffer.from(character, text === undefined ? "latin1" : "utf8");
  let out = "";
  for (const byte of bytes) out += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return out;
}

/**
 * Percent-encodes the name of a user or a group. Names without an account are shown as `uid-4711`; an account
 * that really has such a name gets its hyphen encoded, so that it cannot pass for the number.
 */
export function encodeAccountName(name: string): string {
  if (/^[ug]id-[0-9]+$/.test(name)) return name.replace("-", "%2D");
  const encoded = encodeName(name);
  return encoded.startsWith("*") ? `%2A${encoded.slice(1)}` : encoded;
}

/** The encoded path or name as an id of at most 200 bytes. */
export function shortenId(encoded: string): string {
  if (encoded.length * 3 < SHORTENED_PREFIX_BYTES) return encoded;
  const bytes = Buffer.from(encoded, "utf8");
  if (bytes.length > ID_BYTES_MAX) {
    const digits = hash("sha256", bytes, "hex").slice(0, SHORTENED_HASH_DIGITS);
    return `${bytes.toString("utf8", 0, characterStart(bytes, SHORTENED_PREFIX_BYTES))}~${digits}`;
  }
  return encoded.replace(LOOKS_SHORTENED, "%7E$1");
}

/** The start of the character of UTF-8 that the byte at `at` belongs to: a character is not cut in two. */
function characterStart(bytes: Uint8Array, at: number): number {
  let start = at;
  while ((bytes[start]! & 0xc0) === 0x80) start -= 1;
  return start;
}
