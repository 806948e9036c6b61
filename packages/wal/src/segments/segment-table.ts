/** The segments of the log in order, the newest of which is being written, and the batch on its way there. */
import { assert } from "@authledger/types";
import type { Segment } from "./segment.js";

/** A batch that is being written and synced. */
export interface InFlight {
  readonly segment: Segment;
  readonly start: number;
  readonly buffer: Uint8Array;
}

export class SegmentTable {
  readonly #bySeq = new Map<number, Segment>();
  #active: Segment | undefined;
  inFlight: InFlight | undefined;

  /** The segment that takes the next batch. */
  get active(): Segment {
    assert(this.#active !== undefined, "an open log has an active segment");
    return this.#active;
  }

  get count(): number {
    return this.#bySeq.size;
  }

  /** Bytes of all segment files. */
  get bytes(): number {
    let sum = 0;
    for (const segment of this.#bySeq.values()) sum += segment.header.segmentBytes;
    return sum;
  }

  get(seq: number): Segment {
    const segment = this.#bySeq.get(seq);
    assert(segment !== undefined, "INV-WAL-6: a segment with a live entry is in the log", { seq });
    return segment;
  }

  /** Adds the newest segment. */
  add(segment: Segment): void {
    assert(segment.seq > (this.#active?.seq ?? 0), "segments ascend");
    this.#bySeq.set(segment.seq, segment);
    this.#active = segment;
  }

  remove(segment: Segment): void {
    assert(segment !== this.#active, "the active segment stays");
    this.#bySeq.delete(segment.seq);
  }

  /** Oldest first. */
  all(): Segment[] {
    return [...this.#bySeq.values()];
  }
}
