/**
 * Frames as the bytes of one message of the stream (docs/format/peer.md): u8 kind, varint group, varint length, payload,
 * one frame after the other.
 *
 *   INV-PEER-3  However frames are put together into batches, the same frames come out, in the same order.
 *
 * The message around them is the field `frames` of ConnectRequest and ConnectResponse; it is written here too, so that a
 * batch is one buffer that nobody copies before it goes to the wire.
 */
import { FrameKind, type PeerFrame } from "@authledger/engine";
import { ByteReader, groupId } from "@authledger/types";
import { FRAME_BYTES_MAX } from "./peer-limits.js";

/** Field 2, bytes. */
const FRAMES_TAG = 0x12;
const KINDS: ReadonlySet<number> = new Set(Object.values(FrameKind));
const GROUP_MAX = 0xffff_ffff;

/** The bytes of a message with these frames. */
export function encodeBatch(frames: readonly PeerFrame[]): Buffer {
  let length = 0;
  for (const frame of frames) length += frameBytes(frame);
  const out = Buffer.allocUnsafe(1 + varintBytes(length) + length);
  out[0] = FRAMES_TAG;
  let at = putVarint(out, 1, length);
  for (const { kind, group, payload } of frames) {
    out[at++] = kind;
    at = putVarint(out, at, group);
    at = putVarint(out, at, payload.length);
    out.set(payload, at);
    at += payload.length;
  }
  return out;
}

/** What a frame takes in a batch. */
export function frameBytes({ group, payload }: PeerFrame): number {
  return 1 + varintBytes(group) + varintBytes(payload.length) + payload.length;
}

/**
 * Gives each frame of a batch to `onFrame`; payloads are views of `batch`. Kinds that this version does not know are left
 * out: a newer peer may send them.
 * @throws LedgerError CODEC_DECODE; the frames before the fault were given
 */
export function decodeBatch(batch: Uint8Array, onFrame: (frame: PeerFrame) => void): void {
  const r = new ByteReader(batch, "batch of frames");
  while (r.remaining > 0) {
    const at = r.offset;
    const kind = r.u8("kind");
    const group = r.varint("group");
    if (group > GROUP_MAX) throw r.error("group", at, `is ${group}, which is no group`);
    const length = r.varint("length");
    if (length > FRAME_BYTES_MAX) throw r.error("length", at, `is ${length}, which is too long`);
    const payload = r.bytes(length, "payload");
    if (KINDS.has(kind)) onFrame({ kind: kind as FrameKind, group: groupId(group), payload });
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function putVarint(out: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value;
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  out[at++] = rest;
  return at;
}
