// @ts-check
/**
 * Fuzzes the targets it is told, one after another, each for some seconds: runs what is kept first, then changes of it, and
 * keeps what reaches new code. Loading the product with counters costs as much as fuzzing a target, so one worker does
 * many. The first finding of a target ends it.
 */
import { register } from "node:module";
import { setImmediate as nextTurn } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import { Coverage } from "./lib/coverage.mjs";
import { mutate } from "./lib/mutate.mjs";
import { Random } from "./lib/random.mjs";
import { SharedInput } from "./lib/shared-input.mjs";

/**
 * @typedef {object} Job
 * @property {string} target
 * @property {number} seconds
 * @property {number} seed
 * @property {readonly Uint8Array[]} kept
 * @property {SharedArrayBuffer} shared
 * @property {boolean} minimize keep only what reaches something of its own
 */

/** Inputs that are kept have at most so many bytes. */
const KEPT_BYTES_MAX = 2_048;

/** Inputs remembered in one run, beside those that were kept. */
const INPUTS_MAX = 2_000;

const coverage = new Coverage();
Object.assign(globalThis, { __fuzzHits: coverage.hits });
register("./lib/loader.mjs", import.meta.url);
const { targets } = await import("./targets/index.mjs");

/** @param {string} wanted */
function targetOf(wanted) {
  const found = targets.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`there is no target ${wanted}`);
  return found;
}

/** One target, and what was seen of it. */
class Fuzzing {
  runs = 0;
  accepted = 0;
  #job;
  #target;
  #shared;

  /** @param {Job} job */
  constructor(job) {
    this.#job = job;
    this.#target = targetOf(job.target);
    this.#shared = new SharedInput(job.shared);
    coverage.forget();
  }

  async fuzz() {
    const { seed, kept: corpus, seconds, minimize } = this.#job;
    const target = this.#target;
    const random = new Random(seed);
    const seeds = await target.seeds();
    /** @type {Uint8Array[]} */
    const inputs = [];
    for (const input of [...seeds, ...corpus].toSorted((a, b) => a.length - b.length)) {
      const isNew = await this.#run(input);
      if (isNew || !minimize) inputs.push(input);
    }
    const found = [];
    const ends = performance.now() + seconds * 1000;
    const from = { others: inputs, maxBytes: target.maxBytes, words: target.words ?? [] };
    while (performance.now() < ends) {
      // What was found last is looked at more often.
      const recent = random.int(2) === 0 ? Math.min(inputs.length, 16) : inputs.length;
      const base = inputs[inputs.length - 1 - random.int(recent)] ?? new Uint8Array(0);
      const input = Uint8Array.from(mutate(base, random, from));
      if ((await this.#run(input)) && found.length < INPUTS_MAX) {
        inputs.push(input);
        found.push(input);
      }
    }
    // What a run left for later, a rejection that nobody handles for one, is this target's and not the next one's.
    await nextTurn();
    await nextTurn();
    // Large inputs are made again by the seeds and by changes of small ones.
    const kept = (minimize ? inputs : found).filter(({ length }) => length <= KEPT_BYTES_MAX);
    return { runs: this.runs, accepted: this.accepted, reached: coverage.reached, kept };
  }

  /**
   * Runs one input. True when it reached something new.
   *
   * @param {Uint8Array} input
   */
  async #run(input) {
    this.#shared.begin(input);
    coverage.hits.fill(0);
    this.runs++;
    const pending = this.#target.run(Uint8Array.from(input));
    const accepted = pending instanceof Promise ? await pending : pending;
    if (accepted) this.accepted++;
    return coverage.take();
  }
}

parentPort?.on("message", async (/** @type {Job} */ job) => {
  try {
    parentPort?.postMessage({ kind: "done", ...(await new Fuzzing(job).fuzz()) });
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    parentPort?.postMessage({ kind: "finding", why: text });
  }
});
