// @ts-check
/**
 * Snapshots, as a file that somebody else may have made: the stream of frames, and what is in them. Their checks are
 * no obstacle to an attacker, so frames come without them here.
 */
import { product } from "../lib/product.mjs";
import { accepts, acceptsAsync } from "../lib/refusal.mjs";
import { authority, emptyStore, hasher, snapshotFrames } from "../lib/small-ledger.mjs";

const { FrameReader } = await product("state", "snapshot/frames.js");
const sections = await product("state", "snapshot/sections.js");
const { SnapshotInstall } = await product("state");
const HEAD_BYTES = 5;

/** @type {readonly import("./index.mjs").Target[]} */
export const snapshotTargets = [
  {
    name: "snapshot-stream",
    maxBytes: 16_384,
    seeds: async () => [(await snapshotFrames()).bytes],
    run: (input) =>
      accepts(() => {
        const reader = new FrameReader(hasher);
        const half = input.length >> 1;
        for (const piece of [input.slice(0, half), input.slice(half)]) {
          for (const _ of reader.push(piece));
        }
        reader.end();
      }),
  },
  {
    name: "snapshot-sections",
    maxBytes: 4_096,
    seeds: async () => (await snapshotFrames()).frames.map(({ payload }) => payload),
    run: (input) =>
      [
        () => sections.decodeVault(input),
        () => [...sections.readBlocks(input)],
        () => [...sections.readBuckets(input)],
        () => [...sections.readRecords(input)],
        () => [...sections.readClients(input)],
      ]
        .map((read) => accepts(read))
        .includes(true),
  },
  {
    name: "snapshot-restore",
    maxBytes: 16_384,
    seeds: async () => [asInput((await snapshotFrames()).frames)],
    run: (input) =>
      acceptsAsync(async () => {
        const store = await emptyStore();
        try {
          const install = new SnapshotInstall(store, hasher, authority, () => undefined);
          for (const frame of framesOf(input)) install.take(frame);
          await store.flush(install.finish(input.length));
        } finally {
          await store.close();
        }
      }),
  },
];

/** @param {readonly any[]} frames */
function asInput(frames) {
  const parts = frames.flatMap(({ type, payload }) => {
    const head = Buffer.alloc(HEAD_BYTES);
    head[0] = type;
    head.writeUInt32BE(payload.length, 1);
    return [head, payload];
  });
  return new Uint8Array(Buffer.concat(parts));
}

/** @param {Uint8Array} input */
function* framesOf(input) {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  for (let at = 0; at + HEAD_BYTES <= input.length; ) {
    const end = Math.min(input.length, at + HEAD_BYTES + view.getUint32(at + 1));
    yield { type: input[at], payload: input.slice(at + HEAD_BYTES, end), offset: at };
    at = end;
  }
}
