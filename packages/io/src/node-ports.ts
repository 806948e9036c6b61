/** Clock, randomness and timers of this machine. */
import { randomFillSync } from "node:crypto";
import type { Clock, Random, Timers } from "./ports.js";

export const nodeClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** Asking the system costs as much for 16 bytes as for thousands: small requests are served from what was asked for before. */
const RANDOM_BYTES = 4_096;
const SMALL_BYTES_MAX = 64;
const pool = new Uint8Array(RANDOM_BYTES);
let taken = RANDOM_BYTES;

export const nodeRandom: Random = {
  bytes(length) {
    if (length > SMALL_BYTES_MAX) return randomFillSync(new Uint8Array(length));
    if (taken + length > RANDOM_BYTES) {
      randomFillSync(pool);
      taken = 0;
    }
    const bytes = pool.slice(taken, taken + length);
    // Among them are secrets: they are kept nowhere else.
    pool.fill(0, taken, taken + length);
    taken += length;
    return bytes;
  },
};

export const nodeTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  yield: () => new Promise((resolve) => setImmediate(resolve)),
};
