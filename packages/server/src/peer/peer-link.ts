/**
 * What one node has with one other: at most one established stream, and what waits to be sent on it. Without a stream
 * nothing waits: whoever sends is told at once, and repeats what matters.
 */
import type { PeerLink as LinkState, PeerFrame } from "@authledger/engine";
import type { peer } from "@authledger/proto";
import { assert, type NodeId } from "@authledger/types";
import { decodeBatch, encodeBatch } from "./frame-batch.js";
import { BEAT_MS, FRAME_BYTES_MAX, SILENT_MS, STALLED_MS } from "./peer-limits.js";
import type { PeerContent, PeerStream } from "./peer-stream.js";
import { SendQueue } from "./send-queue.js";

/** Figures of a link since the node started. */
export interface LinkCounters {
  batchesSent: number;
  framesSent: number;
  bytesSent: number;
  framesReceived: number;
  bytesReceived: number;
  /** Frames that did not fit, or that waited when the link was lost. */
  framesDropped: number;
  connects: number;
  losses: number;
}

export interface PeerLinkDeps {
  /** On the monotonic clock. */
  readonly now: () => number;
  readonly onFrame: (from: NodeId, frame: PeerFrame) => void;
  /** Frames may have been lost. */
  readonly onLoss: (link: PeerLink) => void;
  /** The stream is gone. */
  readonly onDown: (link: PeerLink) => void;
  /** The peer says why it ends the stream. */
  readonly onRefusal: (link: PeerLink, refusal: peer.PeerRefusal) => void;
}

const BEAT = encodeBatch([]);

export class PeerLink {
  readonly node: NodeId;
  readonly counters: LinkCounters = {
    batchesSent: 0,
    framesSent: 0,
    bytesSent: 0,
    framesReceived: 0,
    bytesReceived: 0,
    framesDropped: 0,
    connects: 0,
    losses: 0,
  };
  /** Why there is no stream, in words. */
  problem: string | undefined;
  readonly #deps: PeerLinkDeps;
  readonly #queue = new SendQueue();
  readonly #onFrame: (frame: PeerFrame) => void;
  #stream: PeerStream | undefined;
  #isDialed = false;
  #lastHeardMs: number | undefined;
  #connectedAtMs = 0;
  #sentAtMs = 0;
  /** A batch is on its way into HTTP/2: what comes now waits for the next one. */
  #isWriting = false;
  #hasDropped = false;
  #written: () => void = () => undefined;

  constructor(node: NodeId, deps: PeerLinkDeps) {
    this.node = node;
    this.#deps = deps;
    this.#onFrame = (frame) => {
      this.counters.framesReceived++;
      deps.onFrame(node, frame);
    };
  }

  get isConnected(): boolean {
    return this.#stream !== undefined;
  }

  /** Which side dialed the stream that there is. */
  get isDialed(): boolean {
    return this.#isDialed;
  }

  /** When the stream that there is, or was last, began. */
  get connectedAtMs(): number {
    return this.#connectedAtMs;
  }

  /** When the peer was last known to be there; undefined without a stream. */
  get aliveAtMs(): number | undefined {
    return this.#stream === undefined ? undefined : this.#lastHeardMs;
  }

  get state(): LinkState {
    return {
      isConnected: this.isConnected,
      lastHeardMs: this.#lastHeardMs,
      queuedBytes: this.#queue.bytes,
      problem: this.problem,
    };
  }

  /** Takes a stream whose handshake is done; one that was there before ends, and what waited for it is lost. */
  attach(stream: PeerStream, isDialed: boolean): void {
    const former = this.#stream;
    this.#stream = stream;
    if (former !== undefined) {
      former.abort();
      this.#dropQueue();
      this.#deps.onLoss(this);
    }
    this.#isDialed = isDialed;
    this.#connectedAtMs = this.#deps.now();
    this.#lastHeardMs = this.#connectedAtMs;
    this.#sentAtMs = this.#connectedAtMs;
    this.#isWriting = false;
    this.#written = () => {
      if (this.#stream !== stream) return;
      this.#isWriting = false;
      this.flush();
    };
    this.problem = undefined;
    this.counters.connects++;
    stream.listen({
      onContent: (content) => this.#onContent(content),
      onClosed: (why) => this.#lost(why),
    });
  }

  /** Ends the stream, if there is one. */
  detach(why: string): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#lost(why);
    stream.abort();
  }

  /** Tells the peer why the stream ends, and ends it. */
  refuse(refusal: peer.PeerRefusal): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.say({ $case: "refusal", value: refusal });
    stream.end();
    this.#lost(refusal.message);
  }

  get isIdle(): boolean {
    return this.#stream === undefined || (!this.#isWriting && this.#queue.frames === 0);
  }

  /** False when it was dropped. It leaves with `flush`. */
  send(frame: PeerFrame): boolean {
    assert(frame.payload.length <= FRAME_BYTES_MAX, "a frame fits a message", {
      bytes: frame.payload.length,
    });
    if (this.#stream !== undefined && this.#queue.push(frame)) return true;
    this.counters.framesDropped++;
    this.#hasDropped ||= this.#stream !== undefined;
    return false;
  }

  /** Everything that waits leaves in one batch, unless one is still on its way. */
  flush(): void {
    if (this.#hasDropped) {
      this.#hasDropped = false;
      this.#deps.onLoss(this);
    }
    if (this.#isWriting || this.#stream === undefined || this.#queue.frames === 0) return;
    const frames = this.#queue.take();
    this.counters.framesSent += frames.length;
    this.#write(encodeBatch(frames));
  }

  /** Shows that this node is there, and finds out whether the peer is. */
  check(nowMs: number): void {
    if (this.#stream === undefined) return;
    const heardAtMs = this.aliveAtMs ?? nowMs;
    if (nowMs - heardAtMs > SILENT_MS) {
      this.detach(`nothing was heard of it for ${SILENT_MS} ms`);
    } else if (this.#isWriting) {
      if (nowMs - this.#sentAtMs > STALLED_MS) this.detach("it does not read what it is sent");
    } else if (nowMs - this.#sentAtMs >= BEAT_MS) {
      this.#write(BEAT);
    }
  }

  #write(batch: Buffer): void {
    this.#isWriting = true;
    this.#sentAtMs = this.#deps.now();
    this.counters.batchesSent++;
    this.counters.bytesSent += batch.length;
    this.#stream?.write(batch, this.#written);
  }

  #onContent(content: PeerContent): void {
    this.#lastHeardMs = this.#deps.now();
    if (content.$case === "refusal") {
      this.#deps.onRefusal(this, content.value);
      return;
    }
    if (content.$case === "hello") {
      this.detach("it said hello twice");
      return;
    }
    this.counters.bytesReceived += content.value.length;
    if (content.value.length > 0) this.#receive(content.value);
  }

  /** Frames are given out as plain arrays: a Buffer's `slice` would be a view. */
  #receive({ buffer, byteOffset, length }: Uint8Array): void {
    try {
      decodeBatch(new Uint8Array(buffer, byteOffset, length), this.#onFrame);
    } catch (error) {
      if (!isUndecodable(error)) throw error;
      this.detach(`it sent what cannot be read: ${error.message}`);
    }
  }

  #lost(why: string): void {
    this.#stream = undefined;
    this.problem = why;
    this.#dropQueue();
    this.#deps.onDown(this);
  }

  #dropQueue(): void {
    this.counters.losses++;
    this.counters.framesDropped += this.#queue.frames;
    this.#queue.clear();
    this.#hasDropped = false;
  }
}

function isUndecodable(error: unknown): error is Error {
  return error instanceof Error && "code" in error && error.code === "CODEC_DECODE";
}
