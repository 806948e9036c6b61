/**
 * Request bodies that flow control holds back: windows of the connection and of each stream, bodies that do
 * not fit them yet.
 *
 * Nearly all requests fit at once and never come here; the connection asks `takeWhole` first.
 */

import { ProtocolError } from "./frame-reader.mjs";
import { WINDOW_DEFAULT, WINDOW_MAX } from "./http2-frames.mjs";

/** @typedef {{ readonly streamId: number, readonly body: Buffer, sent: number, window: number }} HeldBody */

export class RequestQueue {
  #connectionWindow = WINDOW_DEFAULT;
  #streamWindow = WINDOW_DEFAULT;
  /** @type {Map<number, HeldBody>} */
  #held = new Map();

  /**
   * Takes the window for a whole body, when it fits and nothing waits before it.
   *
   * @param {number} bytes
   */
  takeWhole(bytes) {
    if (this.#held.size > 0 || bytes > this.#streamWindow || bytes > this.#connectionWindow) {
      return false;
    }
    this.#connectionWindow -= bytes;
    return true;
  }

  /**
   * @param {number} streamId
   * @param {Buffer} body
   */
  hold(streamId, body) {
    this.#held.set(streamId, { streamId, body, sent: 0, window: this.#streamWindow });
  }

  /** Forgets a body; true when it had not been sent whole. @param {number} streamId */
  drop(streamId) {
    return this.#held.delete(streamId);
  }

  /**
   * @param {number} streamId 0 = the connection
   * @param {number} increment
   */
  windowUpdate(streamId, increment) {
    if (streamId === 0) {
      this.#connectionWindow += increment;
      if (this.#connectionWindow > WINDOW_MAX) throw new ProtocolError("window too large");
      return;
    }
    const held = this.#held.get(streamId);
    if (held !== undefined) held.window += increment;
  }

  /**
   * SETTINGS_INITIAL_WINDOW_SIZE changed, also for open streams (RFC 9113, 6.9.2).
   *
   * @param {number} bytes
   */
  initialWindow(bytes) {
    if (bytes > WINDOW_MAX) throw new ProtocolError("initial window too large");
    for (const held of this.#held.values()) held.window += bytes - this.#streamWindow;
    this.#streamWindow = bytes;
  }

  /**
   * Sends what the windows allow, oldest request first.
   *
   * @param {number} frameBytesMax
   * @param {(streamId: number, part: Buffer, last: boolean) => void} send
   */
  drain(frameBytesMax, send) {
    for (const held of this.#held.values()) {
      while (held.sent < held.body.length) {
        const left = held.body.length - held.sent;
        const bytes = Math.min(left, frameBytesMax, held.window, this.#connectionWindow);
        if (bytes <= 0) break;
        const part = held.body.subarray(held.sent, held.sent + bytes);
        held.sent += bytes;
        held.window -= bytes;
        this.#connectionWindow -= bytes;
        send(held.streamId, part, bytes === left);
      }
      if (held.sent === held.body.length) this.#held.delete(held.streamId);
      if (this.#connectionWindow <= 0) return;
    }
  }
}
