/**
 * What waits to be sent to one peer, in three lanes: Raft first, then the cluster's other services, chunks of snapshots
 * last. What does not fit its lane is dropped and counted: whoever sent it repeats it.
 *
 *   INV-PEER-4  A lane holds at most its bytes and its frames; a frame leaves after those of the lanes before its own that
 *               wait, and a batch holds at most one chunk, so that a heartbeat waits for one chunk at most.
 */
import { FrameKind, type PeerFrame } from "@authledger/engine";
import { frameBytes } from "./frame-batch.js";
import {
  BATCH_BYTES,
  BATCH_FRAMES_MAX,
  CHUNK_LANE,
  type LaneLimit,
  RAFT_LANE,
  SERVICE_LANE,
} from "./peer-limits.js";

/** First in, first out, without moving what waits. */
class Lane {
  readonly #limit: LaneLimit;
  #frames: PeerFrame[] = [];
  #head = 0;
  bytes = 0;

  constructor(limit: LaneLimit) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#frames.length - this.#head;
  }

  push(frame: PeerFrame, bytes: number): boolean {
    if (this.bytes + bytes > this.#limit.bytes || this.length >= this.#limit.frames) return false;
    this.#frames.push(frame);
    this.bytes += bytes;
    return true;
  }

  shift(): PeerFrame {
    const frame = this.#frames[this.#head++]!;
    this.bytes -= frameBytes(frame);
    if (this.#head === this.#frames.length) {
      this.#frames = [];
      this.#head = 0;
    } else if (this.#head > 1_024) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
    return frame;
  }

  clear(): void {
    this.#frames = [];
    this.#head = 0;
    this.bytes = 0;
  }
}

export class SendQueue {
  readonly #raft = new Lane(RAFT_LANE);
  readonly #service = new Lane(SERVICE_LANE);
  readonly #chunks = new Lane(CHUNK_LANE);

  get bytes(): number {
    return this.#raft.bytes + this.#service.bytes + this.#chunks.bytes;
  }

  get frames(): number {
    return this.#raft.length + this.#service.length + this.#chunks.length;
  }

  /** False when its lane is full. */
  push(frame: PeerFrame): boolean {
    return this.#laneOf(frame.kind).push(frame, frameBytes(frame));
  }

  /** The frames of the next batch, in the order in which they leave; none when nothing waits. */
  take(): PeerFrame[] {
    const batch: PeerFrame[] = [];
    const room = this.#move(this.#raft, batch, BATCH_BYTES, BATCH_FRAMES_MAX);
    const left = this.#move(this.#service, batch, room, BATCH_FRAMES_MAX);
    this.#move(this.#chunks, batch, left, 1);
    return batch;
  }

  clear(): void {
    this.#raft.clear();
    this.#service.clear();
    this.#chunks.clear();
  }

  /** Moves frames while there is room, the last one beyond it; tells what room is left. */
  #move(lane: Lane, batch: PeerFrame[], room: number, framesMax: number): number {
    let left = room;
    for (let n = 0; n < framesMax && left > 0 && lane.length > 0; n++) {
      const before = lane.bytes;
      batch.push(lane.shift());
      left -= before - lane.bytes;
    }
    return left;
  }

  #laneOf(kind: FrameKind): Lane {
    // Traces reach the others before the entries that they tell of.
    if (kind === FrameKind.raft || kind === FrameKind.trace) return this.#raft;
    return kind === FrameKind.snapshotChunk ? this.#chunks : this.#service;
  }
}
