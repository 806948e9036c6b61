/**
 * How much of the log is kept for followers that lack it (storage.md, "Flush protocol", 7). What the page store may
 * need after a crash is always kept; beyond that, what the slowest follower needs, as long as that is not much: one
 * that is down for long is given a snapshot instead.
 *
 *   INV-REPLICA-9  The log that is kept for others is bounded by bytes and by entries, whoever is down for however
 *                  long.
 */

export interface LogRetentionLimits {
  /** Payload bytes kept behind what this node itself needs. */
  readonly bytes: number;
  /** Entries kept behind what this node itself needs. */
  readonly entries: number;
}

export const LOG_RETENTION_DEFAULTS: LogRetentionLimits = {
  bytes: 256 * 1024 * 1024,
  entries: 100_000,
};

/** The log, as far as this is concerned. */
export interface RetainedLog {
  readonly firstIndex: number;
  payloadBytes(index: number): number;
}

/**
 * The last index that may be released. `floor` is what both slots of the page store hold; `needed` are the indexes
 * that others have, or will have when what they are being given is there: they lack what follows.
 */
export function releasableIndex(
  log: RetainedLog,
  floor: number,
  needed: readonly number[],
  limits: LogRetentionLimits,
): number {
  const wanted = Math.min(floor, ...needed);
  if (wanted >= floor) return floor;
  const oldest = Math.max(wanted, log.firstIndex - 1, floor - limits.entries);
  let bytes = 0;
  for (let index = floor; index > oldest; index--) {
    bytes += log.payloadBytes(index);
    if (bytes > limits.bytes) return index;
  }
  return oldest;
}
