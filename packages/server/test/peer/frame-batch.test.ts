/** Frames in batches, the lanes in which they wait, and pauses between attempts. */
import { FrameKind, type PeerFrame } from "@authledger/engine";
import { peer } from "@authledger/proto";
import { groupId } from "@authledger/types";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { propertyRuns, thrownBy } from "../../../../test/support.js";
import { Backoff } from "../../src/peer/backoff.js";
import { decodeBatch, encodeBatch, frameBytes } from "../../src/peer/frame-batch.js";
import { BATCH_BYTES, CHUNK_LANE, FRAME_BYTES_MAX, RAFT_LANE } from "../../src/peer/peer-limits.js";
import { SendQueue } from "../../src/peer/send-queue.js";

const kinds = Object.values(FrameKind);
const frames = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    group: fc.oneof(fc.nat(3), fc.nat(0xffff_ffff)).map(groupId),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 20 },
);

/** As the wire gives them: the message of the stream, then its frames. */
function decoded(message: Uint8Array): PeerFrame[] {
  const { content } = peer.ConnectRequest.decode(message);
  if (content?.$case !== "frames") throw new Error("it is no batch");
  const found: PeerFrame[] = [];
  decodeBatch(Uint8Array.from(content.value), (frame) => found.push(frame));
  return found;
}

function frame(kind: FrameKind, bytes: number): PeerFrame {
  return { kind, group: groupId(1), payload: new Uint8Array(bytes) };
}

describe("a batch of frames", () => {
  it("INV-PEER-3: gives the same frames in the same order, however they are put together", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(5)), (all, sizes) => {
        const found: PeerFrame[] = [];
        const rest = [...all];
        for (const size of sizes) found.push(...decoded(encodeBatch(rest.splice(0, size))));
        found.push(...decoded(encodeBatch(rest)));
        expect(found).toEqual(all);
      }),
      propertyRuns("frames in batches", 200),
    );
  });

  it("is byte for byte what the generated code makes of the message", () => {
    fc.assert(
      fc.property(frames, (all) => {
        const batch = encodeBatch(all);
        const { content } = peer.ConnectRequest.decode(batch);
        expect(Buffer.from(peer.ConnectRequest.encode({ content }).finish())).toEqual(batch);
        expect(Buffer.from(peer.ConnectResponse.encode({ content }).finish())).toEqual(batch);
      }),
      propertyRuns("batches as protobuf", 100),
    );
  });

  it("that is cut, or names what cannot be, is refused with CODEC_DECODE after its good frames", () => {
    const inside = (...bytes: number[]): Uint8Array => Uint8Array.from([6, 1, 2, 9, 9, ...bytes]);
    for (const bad of [
      inside(1),
      inside(1, 1, 3, 0),
      inside(1, 0xff, 0xff, 0xff, 0xff, 0x10, 0),
      inside(1, 1, 0x80, 0x80, 0x80, 0x04),
      inside(1, 0x81, 0x00, 0),
    ]) {
      const found: PeerFrame[] = [];
      const error = thrownBy(() => decodeBatch(bad, (one) => found.push(one)));
      expect([error.code, found.length]).toEqual(["CODEC_DECODE", 1]);
    }
  });

  it("leaves out kinds of a newer version", () => {
    const found: PeerFrame[] = [];
    decodeBatch(Uint8Array.of(200, 1, 1, 7, 6, 1, 0), (one) => found.push(one));
    expect(found.map(({ kind }) => kind)).toEqual([6]);
  });
});

describe("INV-PEER-4: what waits for a peer", () => {
  it("leaves Raft first, chunks last and one at a time, each lane in its order", () => {
    const queue = new SendQueue();
    const chunk = frame(FrameKind.snapshotChunk, 1_000);
    for (const one of [chunk, chunk, frame(FrameKind.digest, 1), frame(FrameKind.raft, 2)]) {
      expect(queue.push(one)).toBe(true);
    }
    queue.push(frame(FrameKind.trace, 5));
    queue.push(frame(FrameKind.raft, 3));
    expect(queue.take().map(({ payload }) => payload.length)).toEqual([2, 5, 3, 1, 1_000]);
    queue.push(frame(FrameKind.raft, 4));
    expect(queue.take().map(({ payload }) => payload.length)).toEqual([4, 1_000]);
    expect([queue.take(), queue.bytes, queue.frames]).toEqual([[], 0, 0]);
  });

  it("fills a batch up to its bytes, and one frame may reach beyond", () => {
    const queue = new SendQueue();
    const half = BATCH_BYTES / 2;
    for (let i = 0; i < 5; i++) queue.push(frame(FrameKind.raft, half));
    queue.push(frame(FrameKind.snapshotChunk, 10));
    expect([1, 2, 3].map(() => queue.take().length)).toEqual([2, 2, 2]);
    queue.push(frame(FrameKind.raft, FRAME_BYTES_MAX));
    expect(queue.take().length).toBe(1);
  });

  it("is bounded lane by lane, in bytes and in frames", () => {
    const queue = new SendQueue();
    const mib = frame(FrameKind.raft, 1024 * 1024);
    let taken = 0;
    while (queue.push(mib)) taken++;
    expect(taken * frameBytes(mib)).toBeLessThanOrEqual(RAFT_LANE.bytes);
    expect((taken + 1) * frameBytes(mib)).toBeGreaterThan(RAFT_LANE.bytes);
    let chunks = 0;
    while (queue.push(frame(FrameKind.snapshotChunk, 100))) chunks++;
    expect(chunks).toBe(CHUNK_LANE.frames);
    expect(queue.push(frame(FrameKind.cosignReply, 100))).toBe(true);
    queue.clear();
    expect([queue.bytes, queue.frames, queue.push(mib)]).toEqual([0, 0, true]);
  });

  it("keeps its order through thousands of frames, while some leave and some come", () => {
    const queue = new SendQueue();
    let next = 0;
    let expected = 0;
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 300; i++) queue.push(frame(FrameKind.raft, next++ % 997));
      if (round % 3 > 0) continue;
      for (const { payload } of queue.take()) expect(payload.length).toBe(expected++ % 997);
    }
    expect(expected).toBeGreaterThan(3_000);
    expect(queue.frames).toBe(next - expected);
  });
});

describe("the pause before the next attempt", () => {
  it("doubles up to a second, half of it by chance, and begins anew after a success", () => {
    const [least, most] = [new Backoff(() => 0), new Backoff(() => 1)];
    expect([1, 2, 3, 4, 5, 6, 7].map(() => least.next())).toEqual([
      25, 50, 100, 200, 400, 500, 500,
    ]);
    expect([1, 2, 3, 4, 5, 6, 7].map(() => most.next())).toEqual([
      50, 100, 200, 400, 800, 1_000, 1_000,
    ]);
    most.reset();
    expect(most.next()).toBe(50);
  });
});
