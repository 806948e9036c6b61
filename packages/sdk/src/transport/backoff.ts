/** How long to wait before the next attempt: each pause twice the one before, shortened at random. */

export interface Backoff {
  /** Of the first pause at most, in milliseconds. */
  readonly firstMs: number;
  /** Of any pause at most. */
  readonly maxMs: number;
}

/**
 * Full jitter, so that clients that failed together do not come back together; and not before the server wants to be
 * asked again.
 * @param attempt the one that failed, from 1
 * @param chance at least 0, below 1
 */
export function backoffMs(
  attempt: number,
  { firstMs, maxMs }: Backoff,
  chance: number,
  retryAfterMs = 0,
): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 10));
  return retryAfterMs + chance * ceiling;
}
