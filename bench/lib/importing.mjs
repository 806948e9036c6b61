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
