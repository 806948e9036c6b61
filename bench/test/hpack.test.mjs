/** HPACK against the examples of RFC 7541 and against node:http2. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HpackDecoder, HpackError } from "../load/hpack-decoder.mjs";
import { HUFFMAN_LENGTHS, STATIC_TABLE } from "../load/hpack-tables.mjs";
import { play } from "../load/player.mjs";
import { RequestHeaders } from "../load/request-headers.mjs";
import { http2Server, message, respond } from "./support.mjs";

/**
 * @param {HpackDecoder} decoder
 * @param {string | Buffer} block
 */
function decode(decoder, block) {
  const bytes = typeof block === "string" ? Buffer.from(block.replaceAll(" ", ""), "hex") : block;
  /** @type {string[]} */
  const fields = [];
  decoder.decode(bytes, 0, bytes.length, ({ name, value }) => fields.push(`${name}: ${value}`));
  return fields;
}

test("the Huffman lengths fill the code space exactly, the static table has 61 entries", () => {
  assert.equal(HUFFMAN_LENGTHS.length, 257);
  const filled = HUFFMAN_LENGTHS.reduce((sum, bits) => sum + 2 ** (30 - bits), 0);
  assert.equal(filled, 2 ** 30);
  assert.equal(STATIC_TABLE.length, 61);
  assert.equal(STATIC_TABLE[60]?.name, "www-authenticate");
});

test("requests with Huffman codes and a growing table decode as in RFC 7541, C.4", () => {
  const decoder = new HpackDecoder();
  const first = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
  assert.deepEqual(decode(decoder, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), first);
  assert.deepEqual(decode(decoder, "8286 84be 5886 a8eb 1064 9cbf"), [
    ...first,
    "cache-control: no-cache",
  ]);
  assert.deepEqual(decode(decoder, "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"), [
    ":method: GET",
    ":scheme: https",
    ":path: /index.html",
    ":authority: www.example.com",
    "custom-key: custom-value",
  ]);
});

test("a table that shrinks evicts its oldest entries", () => {
  const decoder = new HpackDecoder();
  decode(decoder, "400161 0131 400162 0132"); // a: 1, b: 2
  assert.deepEqual(decode(decoder, "be bf"), ["b: 2", "a: 1"]);
  assert.deepEqual(decode(decoder, "3f04 be"), ["b: 2"]); // 35 octets: one entry of 34
  assert.throws(() => decode(decoder, "bf"), HpackError);
});

for (const [what, block] of [
  ["index 0", "80"],
  ["an index beyond the table", "be"],
  ["a table larger than allowed", "3fe2 1f"],
  ["an endless integer", "ffff ffff ffff ffff"],
  ["a string that is cut off", "0001 6105 31"],
  ["Huffman padding of zeros", "0001 6181 18"],
  ["a Huffman string with its end marker", "0001 6184 ffff fffc"],
]) {
  test(`${what} is refused`, () => {
    assert.throws(() => decode(new HpackDecoder(), String(block)), HpackError);
  });
}

test("what the encoder writes decodes to the request, whatever was sent before", () => {
  const encoder = new RequestHeaders("localhost:1", { authorization: "Bearer x".repeat(20) });
  const decoder = new HpackDecoder();
  // More paths than the table has room for.
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 60; i++) {
      const path = `/some.package.v1.Service/Method${"x".repeat(i)}`;
      assert.deepEqual(decode(decoder, encoder.block(path)), [
        ":method: POST",
        ":scheme: http",
        `:path: ${path}`,
        ":authority: localhost:1",
        "te: trailers",
        "content-type: application/grpc",
        "user-agent: authledger-player",
        `authorization: ${"Bearer x".repeat(20)}`,
      ]);
    }
  }
});

test("a request is a few octets once its path is known, literals for a peer without a table", () => {
  const encoder = new RequestHeaders("localhost:1");
  encoder.block("/a.B/C");
  encoder.block("/a.B/C");
  assert.ok(encoder.block("/a.B/C").length <= 8);
  encoder.tableSize(0);
  const decoder = new HpackDecoder();
  const first = encoder.block("/a.B/C");
  assert.equal(first[0], 0x20);
  assert.equal(decode(decoder, first).length, 7);
  assert.equal(decode(decoder, encoder.block("/a.B/C")).length, 7);
  assert.throws(() => decode(decoder, "be"), HpackError);
});

test("every header of node:http2 arrives as it was sent", async (t) => {
  const printable = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).join("");
  const values = [printable, ...[...printable].map((character) => character.repeat(9))];
  const server = await http2Server(t, {}, (stream, body) => {
    const value = values[body.readUInt32BE(5) % values.length];
    respond(stream, message("x"), { trailers: { "grpc-status": "3", "grpc-message": value } });
  });
  const requests = values.map((_, i) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(i);
    return { path: "/a.B/C", message: bytes };
  });
  // One run each, since a run counts only so many reasons apart.
  for (let from = 0; from < requests.length; from += 40) {
    const part = requests.slice(from, from + 40);
    const { errors } = await play({ ...server, requests: part, calls: part.length, inFlight: 8 });
    const wanted = values.slice(from, from + 40).map((value) => `gRPC status 3: ${shown(value)}`);
    assert.deepEqual(new Set(Object.keys(errors)), new Set(wanted));
  }
});

/** As the player shows a grpc-message. @param {string} value */
function shown(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
