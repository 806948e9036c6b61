/**
 * A leader whose clock is far from the clocks of its peers does not stamp (architecture.md, "Time"): block times only go
 * forward, so a clock that is ahead would carry all of them there for good.
 *
 * Each node tells its wall clock to the others once a second, and to a member that it has just met before anything else;
 * the way takes milliseconds, the limit is seconds. What was told is carried on by the monotonic clock of this node, and every
 * entry asks before it is stamped: neither a node that has just been elected nor one whose clock jumps stamps one entry with it.
 */
import type { Clock } from "@authledger/io";
import { ByteReader, ByteWriter, LedgerError, type NodeId } from "@authledger/types";
import { CLOCK_FRESH_MS, CLOCK_SKEW_MAX_MS } from "./cluster-limits.js";

interface Told {
  /** The peer's clock less the monotonic clock of this node. */
  readonly offsetMs: number;
  /** On the monotonic clock. */
  readonly atMs: number;
}

/** What the peers have told lately, as every entry needs it. */
interface Middle {
  /** The offset in the middle; of two in the middle both. */
  readonly low: number;
  readonly high: number;
  /** Until none of it is too old. */
  readonly untilMs: number;
}

export class ClockGuard {
  readonly #clock: Clock;
  readonly #told = new Map<NodeId, Told>();
  /** Undefined: to be worked out; "none": nobody has told lately. */
  #middle: Middle | "none" | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is told to the peers. */
  frame(): Uint8Array {
    return new ByteWriter(8).u64(Math.max(0, Math.floor(this.#clock.nowMs()))).finish();
  }

  /** @throws LedgerError CODEC_DECODE */
  heard(from: NodeId, frame: Uint8Array): void {
    const reader = new ByteReader(frame, "clock frame");
    const theirs = reader.safeU64("time");
    reader.end();
    const atMs = this.#clock.monotonicMs();
    this.#told.set(from, { offsetMs: theirs - atMs, atMs });
    this.#middle = undefined;
  }

  forget(isMember: (node: NodeId) => boolean): void {
    for (const node of [...this.#told.keys()]) if (!isMember(node)) this.#told.delete(node);
    this.#middle = undefined;
  }

  /** By how much this clock is ahead of the median of the peers' clocks; undefined when nobody has told lately. */
  get aheadMs(): number | undefined {
    return this.#aheadMs(this.#clock.nowMs());
  }

  /** Why this node must not stamp, if it must not. */
  get problem(): LedgerError | undefined {
    return this.problemOf(this.#clock.nowMs());
  }

  /** The same for a time that this node has just read from its clock. */
  problemOf(nowMs: number): LedgerError | undefined {
    const ahead = this.#aheadMs(nowMs);
    if (ahead === undefined || Math.abs(ahead) <= CLOCK_SKEW_MAX_MS) return undefined;
    const aheadMs = Math.round(ahead);
    const where = aheadMs > 0 ? `${aheadMs} ms ahead of` : `${-aheadMs} ms behind`;
    const message = `the clock of the leader is ${where} the clocks of its peers`;
    return new LedgerError("CLOCK_SKEW", message, { details: { aheadMs }, retryAfterMs: 1_000 });
  }

  #aheadMs(nowMs: number): number | undefined {
    const monotonicMs = this.#clock.monotonicMs();
    let middle = this.#middle;
    if (middle === undefined || (middle !== "none" && monotonicMs > middle.untilMs)) {
      middle = this.#middleAt(monotonicMs);
      this.#middle = middle;
    }
    if (middle === "none") return undefined;
    const own = nowMs - monotonicMs;
    const [low, high] = [own - middle.high, own - middle.low];
    // Of two in the middle the one that this clock is nearer to: one wrong peer must not stop a leader.
    return Math.abs(low) < Math.abs(high) ? low : high;
  }

  #middleAt(monotonicMs: number): Middle | "none" {
    const since = monotonicMs - CLOCK_FRESH_MS;
    const fresh = [...this.#told.values()].filter(({ atMs }) => atMs >= since);
    if (fresh.length === 0) return "none";
    const sorted = fresh.map(({ offsetMs }) => offsetMs).sort((a, b) => a - b);
    return {
      low: sorted[(sorted.length - 1) >> 1]!,
      high: sorted[sorted.length >> 1]!,
      untilMs: Math.min(...fresh.map(({ atMs }) => atMs)) + CLOCK_FRESH_MS,
    };
  }
}
