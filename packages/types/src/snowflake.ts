/**
 * Snowflake ids: 42 bits of milliseconds since 2024-01-01 UTC (about 139 years), 22 bits of sequence (L-8).
 * Pure: the clock is a function given by the caller.
 *
 *   INV-ID-1  The ids of one generator are strictly ascending, whatever its clock does (L-9, L-10).
 *
 * When a millisecond's 4,194,304 ids are used up, or the clock goes back, the generator counts on from its
 * own last time, and refuses only when it would run more than 10 s ahead of the clock.
 */
import { LedgerError } from "./ledger-error.js";

/** 2024-01-01T00:00:00Z in milliseconds since 1970. */
export const SNOWFLAKE_EPOCH_MS = 1_704_067_200_000;
const SEQUENCE_BITS = 22n;
const SEQUENCE_MAX = 2 ** 22 - 1;
const TIMESTAMP_MAX = 2 ** 42 - 1;
const AHEAD_MS_MAX = 10_000;

/** Milliseconds since 1970 at which the id was made. */
export function extractTimestamp(id: bigint): number {
  return Number(id >> SEQUENCE_BITS) + SNOWFLAKE_EPOCH_MS;
}

/** The id's number within its millisecond. */
export function extractSequence(id: bigint): number {
  return Number(id & BigInt(SEQUENCE_MAX));
}

export class SnowflakeGenerator {
  readonly #nowMs: () => number;
  #timestamp: number;
  #sequence: number;

  /** `last`: the newest id known to exist; the first new one is larger. */
  constructor(nowMs: () => number, last = 0n) {
    this.#nowMs = nowMs;
    this.#timestamp = Number(last >> SEQUENCE_BITS);
    this.#sequence = extractSequence(last);
  }

  /** @throws LedgerError SYSTEM_CLOCK when the clock is more than 10 s behind the newest id. */
  next(): bigint {
    const now = this.#nowMs() - SNOWFLAKE_EPOCH_MS;
    let timestamp = this.#timestamp;
    let sequence = this.#sequence + 1;
    if (now > timestamp) [timestamp, sequence] = [now, 0];
    else if (sequence > SEQUENCE_MAX) [timestamp, sequence] = [timestamp + 1, 0];
    if (timestamp - now > AHEAD_MS_MAX || timestamp > TIMESTAMP_MAX) {
      const message = `the clock is ${timestamp - now} ms behind the newest id`;
      throw new LedgerError("SYSTEM_CLOCK", message, { details: { behindMs: timestamp - now } });
    }
    this.#timestamp = timestamp;
    this.#sequence = sequence;
    return (BigInt(timestamp) << SEQUENCE_BITS) | BigInt(sequence);
  }
}
