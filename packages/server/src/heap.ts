/**
 * How V8 manages the heap of a node.
 *
 * V8 counts which allocations survive, and lets code allocate those at once in the old generation. When the machine
 * is busy for a moment, calls in flight survive a collection or two; from then on parts of every call are born old,
 * hold the rest of the call over the next collection, and so confirm the decision: all objects of all calls are
 * copied twice and left to the mark-compactor. Without it, checks at 64 in flight spend 2 instead of 11 % of their
 * time in collections, and a node uses 40 us of CPU a check where it used 52 to 60 (AMD EPYC, 2 cores, Node 20.20,
 * 2026-11; `node bench/run.mjs check`).
 */
import { setFlagsFromString } from "node:v8";

/** For the whole process, and to be called before it is busy; the yardstick of benchmarks calls it as well. */
export function keepCallsYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}
