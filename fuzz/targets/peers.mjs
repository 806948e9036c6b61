// @ts-check
/** What nodes of a cluster say to each other. */
import { product, same } from "../lib/product.mjs";
import { accepts, must } from "../lib/refusal.mjs";

const raft = await product("raft");
const proto = await product("proto");
const batches = await product("server", "peer/frame-batch.js");
const handshake = await product("server", "peer/handshake.js");
const sealing = await product("engine", "cluster/sealed-secret.js");

/** What the wire reader throws for bytes that are no message: the library ends the stream then. */
const isWireError = (/** @type {any} */ error) => error instanceof Error && !("facts" in error);

const HEADER = { from: 1n, to: 2n, term: 7 };
const MEMBERSHIP = {
  voters: [1n, 2n],
  learners: [3n],
  outgoing: [],
  learnersNext: [],
  autoLeave: true,
};
const MESSAGES = [
  {
    ...{ type: "append", index: 5, logTerm: 6, commit: 4 },
    entries: [
      { index: 6, term: 6, payload: new Uint8Array([0, 1, 2]) },
      { index: 7, term: 7, payload: new Uint8Array(0) },
    ],
  },
  { type: "append-response", index: 7, reject: true, hint: 5, logTerm: 6, isRecovering: false },
  { type: "heartbeat", commit: 300, round: 9 },
  { type: "heartbeat-response", round: 9 },
  { type: "vote", index: 7, logTerm: 7, isTransfer: true },
  { type: "pre-vote-response", reject: true, commit: 6, commitTerm: 6 },
  { type: "snapshot", snapshot: { index: 90, term: 7, membership: MEMBERSHIP } },
  { type: "timeout-now", index: 7, logTerm: 7 },
  { type: "transfer", target: 3n },
  { type: "read", context: 12, isRecovering: true },
  { type: "read-response", context: 12, index: 90, reject: false },
].map((body) => ({ ...HEADER, ...body }));

const MEMBER = {
  ...{ nodeId: 1n, incarnation: new Uint8Array(16).fill(3), name: "n1" },
  ...{ peerAddress: "127.0.0.1:7401", clientAddress: "127.0.0.1:7400" },
  ...{ cosignKey: new Uint8Array(32), sealKey: new Uint8Array(32) },
};
const HELLO = handshake.encodeHello(
  handshake.helloTo({ member: MEMBER, clusterId: "0123456789abcdef" }, MEMBER),
);
const CLUSTER_SEALING = { clusterId: "c", recipient: 1n, purpose: "log seed" };
const sealingKey = new sealing.SealingKey(new Uint8Array(32).fill(4));

/** @type {readonly import("./index.mjs").Target[]} */
export const peerTargets = [
  {
    name: "raft-message",
    maxBytes: 1_024,
    seeds: () => MESSAGES.map((message) => raft.encodeMessage(message)),
    run: (input) =>
      accepts(() => {
        const message = raft.decodeMessage(input);
        must(same(raft.encodeMessage(message)) === same(input), "a message has one encoding");
      }),
  },
  {
    name: "peer-frames",
    maxBytes: 1_024,
    seeds: () => [framesOf([1, 2, 7]), framesOf([]), framesOf([1])],
    run: (input) =>
      accepts(() => {
        /** @type {any[]} */
        const frames = [];
        batches.decodeBatch(input, (/** @type {any} */ frame) => frames.push(frame));
        const again = proto.peer.ConnectRequest.decode(batches.encodeBatch(frames)).content.value;
        /** @type {any[]} */
        const found = [];
        batches.decodeBatch(Uint8Array.from(again), (/** @type {any} */ frame) =>
          found.push(frame),
        );
        must(
          found.length === frames.length &&
            found.every(({ payload }, i) => same(payload) === same(frames[i].payload)),
          "frames that were taken come out again",
        );
      }),
  },
  {
    name: "peer-hello",
    maxBytes: 1_024,
    seeds: () => [
      Buffer.from(
        proto.peer.ConnectRequest.encode({ content: { $case: "hello", value: HELLO } }).finish(),
      ),
      Buffer.from(
        proto.peer.ConnectRequest.encode({
          content: { $case: "refusal", value: handshake.encodeRefusal("removed") },
        }).finish(),
      ),
    ],
    run: (input) =>
      accepts(() => {
        const { content } = proto.peer.ConnectRequest.decode(input);
        if (content?.$case === "refusal") handshake.decodeRefusal(content.value);
        if (content?.$case !== "hello") return;
        const hello = handshake.decodeHello(content.value);
        handshake.judge(hello, {
          own: { member: MEMBER, clusterId: "c" },
          joining: undefined,
          dialed: undefined,
          memberOf: () => undefined,
          isRemoved: () => false,
          isNamed: () => true,
        });
        const again = handshake.decodeHello(handshake.encodeHello(hello));
        must(again.member.name === hello.member.name, "a hello that was taken comes out again");
      }, isWireError),
  },
  {
    name: "sealed-secret",
    maxBytes: 256,
    seeds: () => [
      sealing.sealSecret(new Uint8Array(32), sealingKey.publicKey, CLUSTER_SEALING, {
        bytes: (/** @type {number} */ n) => new Uint8Array(n).fill(6),
      }),
    ],
    run: (input) =>
      accepts(() => {
        const secret = sealingKey.open(input, CLUSTER_SEALING);
        must(same(secret) === same(new Uint8Array(32)), "only what was sealed opens");
      }),
  },
];

/** The frames of a batch, without the message around them. @param {readonly number[]} kinds */
function framesOf(kinds) {
  const frames = kinds.map((kind) => ({ kind, group: 1, payload: new Uint8Array(kind * 20) }));
  const { content } = proto.peer.ConnectRequest.decode(batches.encodeBatch(frames));
  return Uint8Array.from(content.value);
}
