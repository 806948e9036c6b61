// @ts-check
/**
 * What one replica sends to another: parts of a snapshot and answers, digests, and the snapshot itself. Its checks are
 * no obstacle to a replica with a fault, so the frames of the stream come without them here.
 */
import { product } from "../lib/product.mjs";
import { accepts, acceptsAsync, must } from "../lib/refusal.mjs";
import { emptyStore, hasher, replicaFrames } from "../lib/small-ledger.mjs";

const frames = await product("engine", "cluster/snapshot-frames.js");
const digests = await product("engine", "cluster/digest-frames.js");
const traces = await product("engine", "cluster/trace-frames.js");
const { ReplicaLoad, verifyReplica } = await product("state");
const HEAD_BYTES = 5;
const small = await replicaFrames();

const uuid = new Uint8Array(16).fill(3);
const hash = new Uint8Array(32).fill(4);
const path = new Uint8Array(48).fill(5);
const chunk = {
  purpose: "catch-up",
  leaderTerm: 3,
  uuid,
  index: 9,
  term: 2,
  total: 100,
  offset: 90,
  chain: hash,
  data: new Uint8Array([1, 2, 3]),
};
const digestFrames = [
  { kind: "report", points: [{ index: 1, digest: hash }] },
  { kind: "heads", request: 1, applied: 2, heads: [{ vault: 1, height: 2, blockHash: hash }] },
  { kind: "parted", request: 1, applied: 2, found: { vault: 1, height: 2 } },
  { kind: "buckets", request: 1, vault: 1, height: 2 },
  { kind: "hashes", request: 1, hashes: new Uint8Array(8_192) },
  { kind: "leaves", request: 1, vault: 1, height: 2, bucket: 5, after: path },
  { kind: "records", request: 1, leaves: [{ path, hash }] },
];

/** @type {readonly import("./index.mjs").Target[]} */
export const replicaTargets = [
  {
    name: "replica-chunk",
    maxBytes: 1_024,
    seeds: () => [
      frames.encodeChunk(chunk),
      frames.encodeAck({ status: "refused", uuid, index: 1, offset: 2, reason: "because" }),
    ],
    run: (input) =>
      [
        () =>
          must(again(input, frames.decodeChunk, frames.encodeChunk), "a part is written as read"),
        () => frames.decodeAck(input),
      ]
        .map((read) => accepts(read))
        .includes(true),
  },
  {
    name: "replica-digest",
    maxBytes: 16_384,
    seeds: () => digestFrames.map((frame) => digests.encodeDigestFrame(frame)),
    run: (input) => accepts(() => digests.decodeDigestFrame(input)),
  },
  {
    name: "trace-frame",
    maxBytes: 512,
    seeds: () => [
      traces.encodeTraceFrame({
        term: 3,
        index: 300,
        parents: [{ traceId: "4b".repeat(16), spanId: "0f".repeat(8) }],
      }),
    ],
    run: (input) =>
      accepts(() =>
        must(
          again(input, traces.decodeTraceFrame, traces.encodeTraceFrame),
          "a frame is written as read",
        ),
      ),
  },
  {
    name: "replica-load",
    maxBytes: 16_384,
    seeds: () => [asInput(small.frames)],
    run: (input) =>
      acceptsAsync(async () => {
        const store = await emptyStore();
        try {
          const load = new ReplicaLoad(store, small.head);
          for (const frame of framesOf(input)) load.take(frame);
          await store.flush(load.finish(input.length));
          for (const _ of verifyReplica(store, load.start, hasher));
        } finally {
          await store.close();
        }
      }),
  },
];

/**
 * @param {Uint8Array} input
 * @param {(bytes: Uint8Array) => any} decode
 * @param {(value: any) => Uint8Array} encode
 */
function again(input, decode, encode) {
  return Buffer.from(encode(decode(input))).equals(input);
}

/** @param {readonly any[]} all */
function asInput(all) {
  const parts = all.flatMap(({ type, payload }) => {
    const head = Buffer.alloc(HEAD_BYTES);
    head[0] = type;
    head.writeUInt32BE(payload.length, 1);
    return [head, payload];
  });
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * The end of a stream says where it lies and what was before it: told as the end itself says, since an input has no
 * frames of checks.
 * @param {Uint8Array} input
 */
function* framesOf(input) {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  for (let at = 0; at + HEAD_BYTES <= input.length; ) {
    const end = Math.min(input.length, at + HEAD_BYTES + view.getUint32(at + 1));
    const payload = input.slice(at + HEAD_BYTES, end);
    const isEnd = input[at] === 3 && payload.length >= 48;
    const offset = isEnd ? Number(new DataView(payload.buffer).getBigUint64(8)) : at;
    const chain = isEnd ? payload.slice(16, 48) : new Uint8Array(32);
    yield { type: input[at], payload, offset, chain };
    at = end;
  }
}
