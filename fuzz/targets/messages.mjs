// @ts-check
/** What a node is sent: requests of every method, tokens, and what a client is answered beside its message. */
import { product, same, utf8 } from "../lib/product.mjs";
import { accepts, must } from "../lib/refusal.mjs";

const proto = await product("proto");
const tokens = await product("server", "tokens.js");
const convert = await product("server", "convert-request.js");
const grpcError = await product("sdk", "transport/wire-failure.js");

/** What the wire reader throws for bytes that are no message; the frame of every call turns it into MALFORMED_MESSAGE. */
const isWireError = (/** @type {any} */ error) => error instanceof Error && !("facts" in error);

/** Every message of the API that a client sends. */
const requests = [
  ...[proto.read, proto.write, proto.admin, proto.authorization],
  ...[proto.model, proto.cluster, proto.iam],
].flatMap((file) =>
  Object.entries(file)
    .filter(([name, codec]) => name.endsWith("Request") && typeof codec === "object")
    .map(([name, codec]) => ({ name, codec })),
);
const example = {
  organization: 7n,
  vault: 9n,
  key: "config:limits",
  keys: ["a", "b:c"],
  tuple: { resource: "document:budget", relation: "viewer", subject: "user:alice" },
  tuples: [{ resource: "document:budget", relation: "viewer", subject: "group:eng#member" }],
  consistency: { requirement: { $case: "any", value: { maxStalenessMs: 5n } } },
  prove: { trustedSize: 3n, configHash: new Uint8Array(32) },
  name: "acme",
  height: 5n,
  pageSize: 10,
  pageToken: new Uint8Array([1, 2, 3]),
  transaction: {
    clientId: "c",
    idempotencyKey: "k",
    reason: "why",
    operations: [
      {
        operation: {
          $case: "createRelationship",
          value: {
            tuple: { resource: "document:budget", relation: "viewer", subject: "user:*" },
            expiresAtMs: 1n,
          },
        },
      },
      {
        operation: {
          $case: "setEntity",
          value: {
            key: "k:1",
            value: utf8("v"),
            condition: { condition: { $case: "versionEquals", value: 3n } },
          },
        },
      },
    ],
  },
};
const pageTokens = new tokens.PageTokens({
  shared: () => new Uint8Array(32).fill(7),
  own: new Uint8Array(32).fill(8),
  unshared: () => {
    throw new Error("the shared key is here");
  },
});
const QUERY = "7/9/list";

/** The converters of the front, over whatever a message holds. @param {any} message */
function convertAll(message) {
  const name = { organization: 7n, vault: 9n };
  accepts(() => message.tuple && convert.tupleOf(message.tuple));
  accepts(() => convert.consistencyOf(message.consistency, name, 1));
  accepts(() => convert.proveOf(message.prove));
  accepts(() => message.transaction && convert.transactionOf(message.transaction));
  for (const transaction of message.transactions ?? []) {
    accepts(() => convert.transactionOf(transaction));
  }
}

/** @type {readonly import("./index.mjs").Target[]} */
export const messageTargets = [
  {
    name: "requests",
    maxBytes: 4_096,
    /** The first byte tells which message it is. */
    seeds: () => requests.map(({ codec }, at) => Buffer.concat([Buffer.of(at), encoded(codec)])),
    run: (input) => {
      const { codec } = /** @type {any} */ (requests[(input[0] ?? 0) % requests.length]);
      return accepts(() => {
        const message = proto.decodeStrictly(codec, input.subarray(1));
        convertAll(message);
        const again = proto.decodeStrictly(codec, codec.encode(message).finish());
        must(
          same(codec.encode(again).finish()) === same(codec.encode(message).finish()),
          "what was decoded is encoded and decoded to the same",
        );
      }, isWireError);
    },
  },
  {
    name: "consistency-token",
    maxBytes: 128,
    seeds: () => [
      tokens.encodeConsistencyToken({ organization: 7n, vault: 9n, height: 3, index: 5 }),
    ],
    run: (input) =>
      accepts(() => {
        const point = tokens.decodeConsistencyToken(input);
        must(
          same(tokens.encodeConsistencyToken(point)) === same(input),
          "a consistency token has one encoding",
        );
      }),
  },
  {
    name: "page-token",
    maxBytes: 256,
    seeds: () => [pageTokens.encode(QUERY, new Uint8Array(48).fill(1)), new Uint8Array(0)],
    run: (input) =>
      accepts(() => {
        const position = pageTokens.decode(QUERY, input);
        must(
          position === undefined || same(pageTokens.encode(QUERY, position)) === same(input),
          "only tokens that this node made are taken",
        );
      }),
  },
  {
    name: "error-details",
    maxBytes: 2_048,
    seeds: () => [statusBytes()],
    run: (input) =>
      accepts(() => {
        const details = proto.decodeErrorDetails(input);
        if (details !== undefined) grpcError.refusalOf(details);
      }, isWireError),
  },
];

/** @param {any} codec */
function encoded(codec) {
  return Buffer.from(codec.encode(codec.fromPartial(example)).finish());
}

function statusBytes() {
  const details = proto.errors.ErrorDetails.fromPartial({
    code: "LIMIT_EXCEEDED",
    number: 3001,
    message: "too long",
    context: { field: "key", limit: "900" },
    retryable: true,
    retryAfterMs: 5n,
  });
  const violations = [{ field: "key", description: "too long" }];
  return proto.encodeRpcStatus({ code: 3, message: "too long", details, violations });
}
