/**
 * The fixed tables of HPACK (RFC 7541): the static table of Appendix A and the Huffman code of Appendix B.
 *
 * The Huffman code is canonical (codes of one length follow each other in the order of the symbols, shorter
 * codes come first), so its lengths are all that has to be written down; the tests check that they fill the
 * code space exactly.
 */

/** @typedef {{ readonly name: string, readonly value: string, readonly size: number }} HeaderField */

/** RFC 7541, 4.1: an entry counts 32 octets more than its name and value. */
const ENTRY_OVERHEAD = 32;

/**
 * @param {string} name
 * @param {string} value
 * @returns {HeaderField}
 */
export function headerField(name, value) {
  return { name, value, size: ENTRY_OVERHEAD + name.length + value.length };
}

const STATIC = `
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`;

/** Entry i of the static table is at i - 1. */
export const STATIC_TABLE = STATIC.trim()
  .split("\n")
  .map((line) => {
    const space = line.indexOf(" ");
    return space < 0
      ? headerField(line, "")
      : headerField(line.slice(0, space), line.slice(space + 1));
  });

/** Code length in bits of each octet, then of the end-of-string symbol. */
export const HUFFMAN_LENGTHS = [
  // 0x00
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28,
  // 0x20
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6,
  12, 10,
  // 0x40
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14,
  6,
  // 0x60
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28,
  // 0x80
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23,
  23, 21, 22, 23, 22, 23, 23, 24,
  // 0xa0
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23,
  20, 22, 22, 22, 23, 22, 22, 23,
  // 0xc0
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
  21, 21, 26, 26, 28, 27, 27, 27,
  // 0xe0
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27,
  27, 28, 27, 27, 27, 27, 27, 26,
  // end of string
  30,
];
