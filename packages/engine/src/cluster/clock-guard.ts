/**
 * A leader whose clock is far from the clocks of its peers does not stamp (architecture.md, "Time"): block times only go
 * forward, so a clock that is ahead would carry all of them there for good.
 *
 * Each node tells its wall clock to the others once a second; the way takes milliseconds, the limit is seconds.
 */
import type { Clock } from "@authledger/io";
import { ByteReader, ByteWriter, LedgerError, type NodeId } from "@authledger/types";
import { CLOCK_FRESH_MS, CLOCK_SKEW_MAX_MS } from "./cluster-limits.js";

interface Told {
  /** What the peer's clock is ahead of this one. */
  readonly aheadMs: number;
  /** On the monotonic clock. */
  readonly atMs: number;
}

export class ClockGuard {
  readonly #clock: Clock;
  readonly #told = new Map<NodeId, Told>();

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
    this.#told.set(from, {
      aheadMs: theirs - this.#clock.nowMs(),
      atMs: this.#clock.monotonicMs(),
    });
  }

  forget(isMember: (node: NodeId) => boolean): void {
    for (const node of [...this.#told.keys()]) if (!isMember(node)) this.#told.delete(node);
  }

  /** By how much this clock is ahead of the median of the peers' clocks; undefined when nobody has told lately. */
  get aheadMs(): number | undefined {
    const since = this.#clock.monotonicMs() - CLOCK_FRESH_MS;
    const ahead = [...this.#told.values()].filter(({ atMs }) => atMs >= since);
    if (ahead.length === 0) return undefined;
    const sorted = ahead.map(({ aheadMs }) => -aheadMs).sort((a, b) => a - b);
    const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!];
    // Of two in the middle the one that this clock is nearer to: one wrong peer must not stop a leader.
    return Math.abs(low) < Math.abs(high) ? low : high;
  }

  /** Why this node must not stamp, if it must not. */
  get problem(): LedgerError | undefined {
    const ahead = this.aheadMs;
    if (ahead === undefined || Math.abs(ahead) <= CLOCK_SKEW_MAX_MS) return undefined;
    const aheadMs = Math.round(ahead);
    const where = aheadMs > 0 ? `${aheadMs} ms ahead of` : `${-aheadMs} ms behind`;
    const message = `the clock of the leader is ${where} the clocks of its peers`;
    return new LedgerError("CLOCK_SKEW", message, { details: { aheadMs }, retryAfterMs: 1_000 });
  }
}
