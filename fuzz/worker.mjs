// @ts-check
/**
 * Fuzzes one target for some seconds: runs what is kept first, then changes of it, and keeps what reaches new code.
 * The first finding ends it.
 */
import { register } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
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

const job = /** @type {Job} */ (workerData);
const coverage = new Coverage();
Object.assign(globalThis, { __fuzzHits: coverage.hits });
register("./lib/loader.mjs", import.meta.url);
const { targets } = await import("./targets/index.mjs");
const target = targetOf(job.target);
const shared = new SharedInput(job.shared);
const counts = { runs: 0, accepted: 0 };

/** @param {string} wanted */
function targetOf(wanted) {
  const found = targets.find(({ name }) => name === wanted);
  if (found === undefined) throw new Error(`there is no target ${wanted}`);
  return found;
}

/**
 * Runs one input. True when it reached something new.
 *
 * @param {Uint8Array} input
 */
async function run(input) {
  shared.begin(input);
  coverage.hits.fill(0);
  counts.runs++;
  const pending = target.run(Uint8Array.from(input));
  const accepted = pending instanceof Promise ? await pending : pending;
  if (accepted) counts.accepted++;
  return coverage.take();
}

async function fuzz() {
  const random = new Random(job.seed);
  const seeds = await target.seeds();
  /** @type {Uint8Array[]} */
  const inputs = [];
  for (const input of [...seeds, ...job.kept].toSorted((a, b) => a.length - b.length)) {
    const isNew = await run(input);
    if (isNew || !job.minimize) inputs.push(input);
  }
  const found = [];
  const ends = performance.now() + job.seconds * 1000;
  const from = { others: inputs, maxBytes: target.maxBytes, words: target.words ?? [] };
  while (performance.now() < ends) {
    // What was found last is looked at more often.
    const recent = random.int(2) === 0 ? Math.min(inputs.length, 16) : inputs.length;
    const base = inputs[inputs.length - 1 - random.int(recent)] ?? new Uint8Array(0);
    const input = Uint8Array.from(mutate(base, random, from));
    if ((await run(input)) && found.length < INPUTS_MAX) {
      inputs.push(input);
      found.push(input);
    }
  }
  // Large inputs are made again by the seeds and by changes of small ones.
  const kept = (job.minimize ? inputs : found).filter(({ length }) => length <= KEPT_BYTES_MAX);
  return { ...counts, reached: coverage.reached, kept };
}

try {
  parentPort?.postMessage({ kind: "done", ...(await fuzz()) });
} catch (error) {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  parentPort?.postMessage({ kind: "finding", why: text, ...counts });
}
