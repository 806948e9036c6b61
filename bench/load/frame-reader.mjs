/**
 * Cuts the bytes of a connection into HTTP/2 frames and joins header blocks that go on in CONTINUATION frames.
 * What a frame means is the connection's business.
 */
import { Flag, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameType } from "./http2-frames.mjs";

/** A header block that goes on and on is an attack (CONTINUATION flood), not an answer. */
const HEADER_BLOCK_BYTES_MAX = 65_536;

/** The peer broke RFC 9113. */
export class ProtocolError extends Error {}

/**
 * @typedef {{
 *   headerBlock(streamId: number, endStream: boolean, buffer: Buffer, from: number, to: number): void,
 *   data(streamId: number, endStream: boolean, buffer: Buffer, from: number, to: number, flowBytes: number): void,
 *   control(type: number, flags: number, streamId: number, payload: Buffer): void,
 * }} FrameEvents `buffer` and `payload` are valid only until the call returns
 */

export class FrameReader {
  #events;
  /** Start of a frame whose rest has not arrived. @type {Buffer | undefined} */
  #carry;
  /** @type {{ streamId: number, endStream: boolean, parts: Buffer[], bytes: number } | undefined} */
  #block;

  /** @param {FrameEvents} events */
  constructor(events) {
    this.#events = events;
  }

  /**
   * Takes what was read; keeps nothing of `chunk` itself.
   *
   * @param {Buffer} chunk
   */
  push(chunk) {
    const buffer = this.#carry === undefined ? chunk : Buffer.concat([this.#carry, chunk]);
    this.#carry = undefined;
    let at = 0;
    while (buffer.length - at >= FRAME_HEADER_BYTES) {
      const length = buffer.readUIntBE(at, 3);
      if (length > FRAME_BYTES_MAX) throw new ProtocolError(`frame of ${length} bytes`);
      const end = at + FRAME_HEADER_BYTES + length;
      if (end > buffer.length) break;
      const streamId = buffer.readUInt32BE(at + 5) & 0x7fff_ffff;
      this.#frame(buffer[at + 3], buffer[at + 4], streamId, buffer, at + FRAME_HEADER_BYTES, end);
      at = end;
    }
    if (at < buffer.length) this.#carry = Buffer.from(buffer.subarray(at));
  }

  /**
   * @param {number} type
   * @param {number} flags
   * @param {number} streamId
   * @param {Buffer} buffer
   * @param {number} from
   * @param {number} to
   */
  #frame(type, flags, streamId, buffer, from, to) {
    if (this.#block !== undefined && type !== FrameType.continuation) {
      throw new ProtocolError("a frame inside a header block");
    }
    switch (type) {
      case FrameType.data:
        return this.#data(flags, streamId, buffer, from, to);
      case FrameType.headers:
        return this.#headers(flags, streamId, buffer, from, to);
      case FrameType.continuation:
        return this.#continuation(flags, streamId, buffer, from, to);
      default:
        return this.#events.control(type, flags, streamId, buffer.subarray(from, to));
    }
  }

  /**
   * @param {number} flags
   * @param {number} streamId
   * @param {Buffer} buffer
   * @param {number} from
   * @param {number} to
   */
  #data(flags, streamId, buffer, from, to) {
    const padding = paddingOf(flags, buffer, from, to);
    const start = flags & Flag.padded ? from + 1 : from;
    const endStream = (flags & Flag.endStream) !== 0;
    // Padding counts for flow control (RFC 9113, 6.1).
    this.#events.data(streamId, endStream, buffer, start, to - padding, to - from);
  }

  /**
   * @param {number} flags
   * @param {number} streamId
   * @param {Buffer} buffer
   * @param {number} from
   * @param {number} to
   */
  #headers(flags, streamId, buffer, from, to) {
    const padding = paddingOf(flags, buffer, from, to);
    const start = from + (flags & Flag.padded ? 1 : 0) + (flags & Flag.priority ? 5 : 0);
    const end = to - padding;
    if (start > end) throw new ProtocolError("HEADERS frame too short");
    const endStream = (flags & Flag.endStream) !== 0;
    if (flags & Flag.endHeaders) {
      this.#events.headerBlock(streamId, endStream, buffer, start, end);
      return;
    }
    const part = Buffer.from(buffer.subarray(start, end));
    this.#block = { streamId, endStream, parts: [part], bytes: part.length };
  }

  /**
   * @param {number} flags
   * @param {number} streamId
   * @param {Buffer} buffer
   * @param {number} from
   * @param {number} to
   */
  #continuation(flags, streamId, buffer, from, to) {
    const block = this.#block;
    if (block === undefined || block.streamId !== streamId) {
      throw new ProtocolError("CONTINUATION of nothing");
    }
    block.parts.push(Buffer.from(buffer.subarray(from, to)));
    block.bytes += to - from;
    if (block.bytes > HEADER_BLOCK_BYTES_MAX) throw new ProtocolError("header block too long");
    if ((flags & Flag.endHeaders) === 0) return;
    this.#block = undefined;
    const whole = Buffer.concat(block.parts);
    this.#events.headerBlock(streamId, block.endStream, whole, 0, whole.length);
  }
}

/**
 * @param {number} flags
 * @param {Buffer} buffer
 * @param {number} from
 * @param {number} to
 */
function paddingOf(flags, buffer, from, to) {
  if ((flags & Flag.padded) === 0) return 0;
  if (from === to || buffer[from] > to - from - 1) throw new ProtocolError("padding too long");
  return buffer[from];
}
