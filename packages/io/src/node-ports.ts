/** Clock, randomness and timers of this machine. */
import { randomBytes } from "node:crypto";
import type { Clock, Random, Timers } from "./ports.js";

export const nodeClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

export const nodeRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
};

export const nodeTimers: Timers = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  yield: () => new Promise((resolve) => setImmediate(resolve)),
};
