// @ts-check
/** What stands in front of the calls: envelopes and errors of Connect, JSON, headers, credentials, and who vouches for whom. */
import { Buffer } from "node:buffer";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { product, same, utf8 } from "../lib/product.mjs";
import { accepts, acceptsAsync, must } from "../lib/refusal.mjs";

const { JsonCodec, decodeStrictly, read, write } = await product("proto");
const serverEnvelope = await product("server", "connect/envelope.js");
const headers = await product("server", "connect/call-headers.js");
const clientEnvelopes = await product("sdk", "connect/envelopes.js");
const { connectFailure, endFailure } = await product("sdk", "connect/connect-failure.js");
const { WireError } = await product("sdk", "transport/wire.js");
const { makeApiKey, parseApiKey } = await product("server", "authn/api-key.js");
const { decodeKeyRecord, encodeKeyRecord } = await product("server", "authn/key-record.js");
const { ForwardedIdentity } = await product("server", "authn/forwarded-identity.js");
const { JsonWebTokens } = await product("server", "authn/json-web-tokens.js");
const { formatTraceparent, parseTraceparent } = await product("server", "trace/traceparent.js");

const text = (/** @type {Uint8Array} */ input) => Buffer.from(input).toString("latin1");
const json = (/** @type {unknown} */ value) => utf8(JSON.stringify(value));
/** A stack that is full is no refusal. */
const isPlainError = (/** @type {any} */ error) =>
  error instanceof Error && !(error instanceof RangeError);
const codec = new JsonCodec();
const tuple = { resource: "document:budget", relation: "viewer", subject: "user:ada" };
const check = {
  organization: "7",
  vault: "9",
  tuple,
  consistency: { any: { maxStalenessMs: "5" } },
};
const operations = [
  { createRelationship: { tuple, expiresAtMs: "1" } },
  { setEntity: { key: "k", value: "AQI=" } },
];
const JSON_REQUESTS = [
  { codec: read.CheckRequest, json: codec.method("/authledger.v1.ReadService/Check") },
  { codec: write.WriteRequest, json: codec.method("/authledger.v1.WriteService/Write") },
];

const API_KEY = makeApiKey().text;
const record = {
  ...{ name: "ci", principal: "key:k1", kind: "key", sha256: "ab".repeat(32) },
  ...{ created_ms: 1, expires_ms: 0, creator: "root" },
};

const identity = new ForwardedIdentity(
  () => new Uint8Array(32).fill(7),
  () => 1_000,
);
const vouched = { path: "/authledger.v1.WriteService/Write", request: utf8("request") };
const VOUCHED = identity.sign({ kind: "key", name: "key:k1" }, vouched);

const TOKEN = token();

/** A token of an issuer whose keys lie in a file, and what verifies it. */
function token() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const directory = mkdtempSync(join(tmpdir(), "authledger-fuzz-jwt-"));
  const keys = join(directory, "keys.json");
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k", alg: "EdDSA" };
  writeFileSync(keys, JSON.stringify({ keys: [jwk] }));
  const issuer = { issuer: "https://issuer.example", audience: "authledger", keys };
  const verifier = new JsonWebTokens([issuer], { clockMs: () => 1_000_000 });
  verifier.close();
  rmSync(directory, { recursive: true });
  const part = (/** @type {object} */ value) =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: issuer.issuer, aud: "authledger", sub: "ada", exp: 2_000 };
  const body = `${part({ alg: "EdDSA", kid: "k" })}.${part(claims)}`;
  return {
    verifier,
    text: `${body}.${sign(null, Buffer.from(body), privateKey).toString("base64url")}`,
  };
}

/** @param {Uint8Array} input */
async function readStream(input) {
  const body = new ReadableStream({
    start(controller) {
      for (let at = 0; at < input.length; at += 7) controller.enqueue(input.subarray(at, at + 7));
      controller.close();
    },
  });
  let seen = 0;
  for await (const { flags, message } of clientEnvelopes.envelopesOf(body)) {
    must(input[seen] === flags, "the flags of an envelope are its first byte");
    seen += 5 + message.length;
    must(
      same(message) === same(input.subarray(seen - message.length, seen)),
      "a message is what its envelope held",
    );
  }
  must(seen <= input.length, "nothing is read twice");
}

/** @type {readonly import("./index.mjs").Target[]} */
export const frontTargets = [
  {
    name: "connect-envelope",
    maxBytes: 256,
    seeds: () => [
      serverEnvelope.envelope(utf8("message")),
      serverEnvelope.envelope(new Uint8Array(0)),
    ],
    run: (input) =>
      accepts(() => {
        const message = serverEnvelope.openEnvelope(Buffer.from(input));
        must(same(serverEnvelope.envelope(message)) === same(input), "one encoding of an envelope");
      }),
  },
  {
    name: "connect-stream",
    maxBytes: 512,
    seeds: () => [
      Buffer.concat([clientEnvelopes.envelope(utf8("a")), serverEnvelope.envelope(utf8("{}"), 2)]),
    ],
    run: (input) =>
      acceptsAsync(
        () => readStream(input),
        (error) => error instanceof WireError,
      ),
  },
  {
    name: "connect-error",
    maxBytes: 1_024,
    seeds: () => [
      json({
        code: "not_found",
        message: "m",
        details: [{ type: "authledger.v1.ErrorDetails", value: "CgFh" }],
      }),
      json({ error: { code: "unavailable" }, metadata: {} }),
    ],
    words: ["code", "details", "canceled", "null", "[", "__proto__"].map(utf8),
    run: (input) => {
      must(
        connectFailure(503, input) instanceof WireError,
        "every response is an error of the wire",
      );
      return endFailure(input) === undefined;
    },
  },
  {
    name: "json-request",
    maxBytes: 1_024,
    seeds: () => [
      json(check),
      json({ ...check, transaction: { operations } }),
      json({ organization: 7, transaction: { operations } }),
    ],
    words: ["null", "{", "[", '"\\ud800"', "1e999", "18446744073709551615", '"__proto__":'].map(
      utf8,
    ),
    run: (input) =>
      JSON_REQUESTS.map((one) =>
        accepts(() => {
          decodeStrictly(one.codec, one.json.request(input));
        }, isPlainError),
      ).includes(true),
  },
  {
    name: "call-headers",
    maxBytes: 512,
    seeds: () => [
      utf8(
        "content-type: application/json; charset=utf-8\nconnect-timeout-ms: 5\nauthorization: Bearer a\nx-bin: AQI=",
      ),
    ],
    words: ["connect-timeout-ms", "content-encoding: gzip", "-bin", "grpc-", "\n", ": "].map(utf8),
    run: (input) =>
      accepts(() => {
        const lines = text(input)
          .split("\n")
          .map((line) => line.split(": ", 2));
        const given = Object.fromEntries(
          lines.map(([name = "", value = ""]) => [name.toLowerCase(), value]),
        );
        const type = headers.contentTypeOf(given) ?? { isJson: true, isStream: false };
        headers.requireProtocol(given, type);
        must(!Number.isNaN(headers.deadlineOf(given, 1)), "a deadline is a time");
        const names = Object.keys(headers.metadataOf(given).getMap());
        must(
          !names.some((name) => /^(cookie|host|origin|connect-)/.test(name)),
          "what is of HTTP stays there",
        );
      }),
  },
  {
    name: "traceparent",
    maxBytes: 300,
    seeds: () => [
      utf8(`00-${"a1".repeat(16)}-${"b2".repeat(8)}-01`),
      utf8(`cc-${"a1".repeat(16)}-${"b2".repeat(8)}-00-more`),
    ],
    run: (input) => {
      const parent = parseTraceparent(text(input));
      if (parent === undefined) return false;
      const again = parseTraceparent(formatTraceparent(parent));
      must(JSON.stringify(again) === JSON.stringify(parent), "what is passed on is what came");
      return true;
    },
  },
  {
    name: "api-key",
    maxBytes: 128,
    seeds: () => [utf8(API_KEY)],
    run: (input) => {
      const key = parseApiKey(text(input));
      if (key === undefined || key === "mistyped") return false;
      const secret = text(input).slice(-49, -6);
      must(
        createHash("sha256").update(secret).digest().equals(key.hash),
        "the hash is that of the secret",
      );
      return true;
    },
  },
  {
    name: "key-record",
    maxBytes: 512,
    seeds: () => [encodeKeyRecord(record)],
    words: ["null", "1e999", '"root"', "expires_ms"].map(utf8),
    run: (input) => {
      const found = decodeKeyRecord(input);
      if (found === undefined) return false;
      must(["root", "key"].includes(found.kind), "a record is of a key");
      return true;
    },
  },
  {
    name: "forwarded-identity",
    maxBytes: 512,
    seeds: () => [utf8(VOUCHED)],
    run: (input) =>
      accepts(() => {
        const principal = identity.verify(text(input), vouched);
        must(principal.name === "key:k1", "only who was vouched for is believed");
      }),
  },
  {
    name: "json-web-token",
    maxBytes: 1_024,
    seeds: () => [utf8(TOKEN.text)],
    run: (input) =>
      acceptsAsync(async () => {
        const { principal } = await TOKEN.verifier.verify(text(input));
        must(principal.name === "user:ada", "only the subject that was signed is believed");
      }),
  },
];
