/**
 * A token bucket that is one number: the moment at which it is full again (the generic cell rate algorithm, ITU-T I.371
 * annex A, in its virtual scheduling form). Nothing refills it: how full it is follows from the clock when it is asked, so
 * a bucket that nobody uses costs nothing, and a changed rate holds at once.
 *
 *   INV-RATE-1  In any span of t seconds a bucket lets pass at most rate * (t + burst) and the one call that emptied it.
 *   INV-RATE-2  A call that costs more than a whole bucket passes when the bucket is full, and is paid off afterwards:
 *               a limit makes no call impossible.
 */

/** What a bucket holds: `perSecond` units come in each second, and at most `burstSeconds` of them gather. */
export interface Rate {
  /** 0 = no limit. */
  readonly perSecond: number;
  readonly burstSeconds: number;
}

/**
 * How long a call of so many units must wait, in milliseconds; 0 = it may pass. Takes nothing.
 *
 * @param fullAtMs when the bucket is full again
 */
export function waitMs(fullAtMs: number, rate: Rate, units: number, nowMs: number): number {
  if (rate.perSecond === 0 || fullAtMs <= nowMs) return 0;
  const afterMs = fullAtMs + (units * 1000) / rate.perSecond;
  return Math.max(0, Math.min(afterMs - rate.burstSeconds * 1000, fullAtMs) - nowMs);
}

/** When the bucket is full again after so many units were taken. */
export function taken(fullAtMs: number, rate: Rate, units: number, nowMs: number): number {
  if (rate.perSecond === 0) return fullAtMs;
  return Math.max(fullAtMs, nowMs) + (units * 1000) / rate.perSecond;
}
