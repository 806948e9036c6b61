/** Writes the made-up tuples to a node, several transactions of 1,000 in flight, and keeps when each was acknowledged. */
import { allGood, play } from "../load/player.mjs";
import { importProblem, importRequest, TRANSACTION_OPERATIONS } from "./requests.mjs";

/** Transactions in flight: enough that the node has the next one when a sync ends. */
const IN_FLIGHT = 4;
const STALL_MS = 60_000;

/** @typedef {import("./requests.mjs").VaultName} VaultName */
/**
 * @typedef {import("../load/player.mjs").PlayResult & {
 *   readonly startedAt: number,
 *   readonly acknowledged: readonly { readonly atMs: number, readonly tuples: number }[],
 *   readonly transactions: ReadonlySet<number>,
 * }} ImportResult `acknowledged`: after each transaction the time since the start and the tuples until then; `transactions`: the numbers of those that were acknowledged
 */

/**
 * Creates the tuples [from, to), which must be whole transactions.
 *
 * @param {{ host: string, port: number }} node
 * @param {VaultName} vault
 * @param {number} from
 * @param {number} to
 * @param {{ onProgress?: (tuples: number) => void }} [options]
 * @returns {Promise<ImportResult>} which may have failures
 */
export async function importTuples(node, vault, from, to, { onProgress } = {}) {
  const size = TRANSACTION_OPERATIONS;
  if ((to - from) % size !== 0) throw new RangeError(`not whole transactions of ${size}`);
  const startedAt = performance.now();
  /** @type {{ atMs: number, tuples: number }[]} */
  const acknowledged = [];
  /** @type {Set<number>} */
  const transactions = new Set();
  const result = await play({
    host: node.host,
    port: node.port,
    requests: (i) => importRequest(vault, from + i * size, from + (i + 1) * size),
    calls: (to - from) / size,
    inFlight: IN_FLIGHT,
    stallMs: STALL_MS,
    check: (message, i) => {
      const problem = importProblem(message, size);
      if (problem !== undefined) return problem;
      transactions.add(i);
      const tuples = transactions.size * size;
      acknowledged.push({ atMs: performance.now() - startedAt, tuples });
      onProgress?.(tuples);
      return undefined;
    },
  });
  return { ...result, startedAt, acknowledged, transactions };
}

/** Attempts of an import that follows the leader: each ends with the leadership, or with a connection. */
const ATTEMPTS_MAX = 50;
const REST_MS = 200;

/**
 * Creates the tuples [from, to), which must be whole transactions, at whoever leads: what a leader did not acknowledge is sent
 * to the next one, under the same idempotency keys.
 *
 * @param {{ leader(): Promise<{ host: string, port: number }> }} cluster
 * @param {VaultName} vault
 * @param {number} from
 * @param {number} to
 * @returns {Promise<{ readonly attempts: number, readonly reasons: Record<string, number> }>} `reasons`: why more than one was needed
 */
export async function importFollowing(cluster, vault, from, to) {
  const size = TRANSACTION_OPERATIONS;
  if ((to - from) % size !== 0) throw new RangeError(`not whole transactions of ${size}`);
  let left = Array.from({ length: (to - from) / size }, (_, i) => from + i * size);
  /** @type {Record<string, number>} */
  const reasons = {};
  for (let attempts = 1; attempts <= ATTEMPTS_MAX; attempts++) {
    const { host, port } = await cluster.leader();
    const sent = left;
    /** @type {Set<number>} */
    const done = new Set();
    const { errors } = await play({
      ...{ host, port, inFlight: IN_FLIGHT, stallMs: STALL_MS, calls: sent.length },
      requests: (i) => importRequest(vault, Number(sent[i]), Number(sent[i]) + size),
      check: (message, i) => {
        const problem = importProblem(message, size);
        if (problem === undefined) done.add(Number(sent[i]));
        return problem;
      },
    });
    for (const [why, count] of Object.entries(errors)) reasons[why] = (reasons[why] ?? 0) + count;
    left = sent.filter((first) => !done.has(first));
    if (left.length === 0) return { attempts, reasons };
    await new Promise((rest) => setTimeout(rest, REST_MS));
  }
  throw new Error(`${left.length} transactions were not taken: ${JSON.stringify(reasons)}`);
}

/**
 * Creates the tuples [0, count) to work with, or fails.
 *
 * @param {{ host: string, port: number }} node
 * @param {VaultName} vault
 * @param {number} count
 */
export async function fill(node, vault, count) {
  return allGood(await importTuples(node, vault, 0, count));
}

/**
 * Tuples a second between two counts of acknowledged tuples.
 *
 * @param {ImportResult} result
 * @param {number} from
 * @param {number} to
 */
export function rateBetween({ acknowledged }, from, to) {
  /** @param {number} tuples */
  const at = (tuples) =>
    tuples === 0 ? 0 : (acknowledged.find((point) => point.tuples >= tuples)?.atMs ?? Number.NaN);
  return ((to - from) * 1_000) / (at(to) - at(from));
}
