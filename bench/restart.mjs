/**
 * How long a node with a million tuples is away: from exec to the first answered Check, after a clean stop and after
 * kill -9 in the middle of an import. After each kill every transaction that was acknowledged must still be there.
 *
 *     node bench/run.mjs restart [--tuples 1000000] [--trials 5]
 */
import { read } from "../packages/proto/dist/index.js";
import { fill, importTuples } from "./lib/importing.mjs";
import { createVault, startNode } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { showSpread, spread } from "./lib/pairs.mjs";
import { number, progress } from "./lib/report.mjs";
import { batchCheckRequest, checkRequest, TRANSACTION_OPERATIONS } from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { randomNumbers, tuple } from "./lib/tuples.mjs";
import { allGood, callOnce, play } from "./load/player.mjs";

const CLEAN_SECONDS_MAX = 2;
const KILLED_SECONDS_MAX = 5;
/** What a trial begins to import before it is killed. */
const TRIAL_TUPLES = 200_000;
const KILL_AFTER_MS = { min: 500, max: 3_000 };

/** @typedef {import("./lib/node-process.mjs").NodeProcess} NodeProcess */
/** @typedef {import("./lib/requests.mjs").VaultName} VaultName */
/** @typedef {{ readonly listening: number, readonly answered: number }} Seconds since exec */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const { tuples, trials } = numbersOf(args, { tuples: 1_000_000, trials: 5 });
  const directory = scratchDirectory("restart");
  let node = await startNode(directory);
  try {
    const vault = await createVault(node);
    progress(`importing ${number(tuples)} tuples ...`);
    await fill(node, vault, tuples);
    /** @type {Seconds[]} */
    const clean = [];
    for (let i = 0; i < trials; i++) {
      await node.stop();
      node = await startNode(directory);
      clean.push(await firstAnswer(node, vault));
      progress(`clean stop ${i + 1}: ${clean.at(-1)?.answered.toFixed(2)} s`);
    }
    /** @type {(Seconds & { readonly acknowledged: number })[]} */
    const killed = [];
    const random = randomNumbers(2);
    for (let i = 0; i < trials; i++) {
      const from = tuples + i * TRIAL_TUPLES;
      const transactions = await killWhileImporting(node, vault, from, random);
      node = await startNode(directory);
      const seconds = await firstAnswer(node, vault);
      await nothingLost(node, vault, from, transactions);
      killed.push({ ...seconds, acknowledged: transactions.size });
      progress(
        `kill ${i + 1}: ${seconds.answered.toFixed(2)} s, ${transactions.size} transactions kept`,
      );
    }
    return report(tuples, clean, killed);
  } finally {
    await node.kill();
  }
}

/**
 * @param {NodeProcess} node
 * @param {VaultName} vault
 * @returns {Promise<Seconds>}
 */
async function firstAnswer(node, vault) {
  const answer = read.CheckResponse.decode(await callOnce(node, checkRequest(vault, tuple(0))));
  const answered = (performance.now() - node.startedAt) / 1_000;
  if (!answer.allowed) throw new Error("the first tuple is gone");
  return { listening: (node.readyAt - node.startedAt) / 1_000, answered };
}

/**
 * @param {NodeProcess} node
 * @param {VaultName} vault
 * @param {number} from
 * @param {(below: number) => number} random
 */
async function killWhileImporting(node, vault, from, random) {
  const { min, max } = KILL_AFTER_MS;
  const timer = setTimeout(() => void node.kill(), min + random(max - min));
  const result = await importTuples(node, vault, from, from + TRIAL_TUPLES);
  clearTimeout(timer);
  await node.kill();
  if (result.failed === 0) throw new Error("the import ended before the kill");
  const refused = Object.keys(result.errors).filter((reason) => !reason.startsWith("connection"));
  if (refused.length > 0) throw new Error(`before the kill: ${refused.join("; ")}`);
  return result.transactions;
}

/**
 * @param {NodeProcess} node
 * @param {VaultName} vault
 * @param {number} from
 * @param {ReadonlySet<number>} transactions
 */
async function nothingLost({ host, port }, vault, from, transactions) {
  const requests = [...transactions].map((i) => {
    const first = from + i * TRANSACTION_OPERATIONS;
    const tuples = Array.from({ length: TRANSACTION_OPERATIONS }, (_, k) => tuple(first + k));
    return batchCheckRequest(vault, tuples);
  });
  if (requests.length === 0) return;
  const result = await play({
    host,
    port,
    requests,
    calls: requests.length,
    inFlight: 2,
    check: (message) => {
      const { allowed } = read.BatchCheckResponse.decode(message);
      const kept = allowed.length === TRANSACTION_OPERATIONS && allowed.every(Boolean);
      return kept ? undefined : "an acknowledged tuple is gone";
    },
  });
  allGood(result);
}

/**
 * @param {number} tuples
 * @param {readonly Seconds[]} clean
 * @param {readonly (Seconds & { readonly acknowledged: number })[]} killed
 * @returns {import("./lib/report.mjs").Report}
 */
function report(tuples, clean, killed) {
  const cases = [
    { name: "clean stop", trials: clean, max: CLEAN_SECONDS_MAX },
    { name: "kill -9 while importing", trials: killed, max: KILLED_SECONDS_MAX },
  ].map((one) => ({ ...one, answered: spread(one.trials.map(({ answered }) => answered)) }));
  return {
    title: `Restart with ${number(tuples)} tuples: seconds from exec to the first answered Check, ${clean.length} trials each`,
    columns: ["after", "listening", "first answer", "goal", "slowest / goal"],
    rows: cases.map(({ name, trials, max, answered }) => [
      name,
      showSpread(spread(trials.map(({ listening }) => listening))),
      showSpread(answered),
      String(max),
      number(answered.max / max, 2),
    ]),
    goals: cases.map(({ name, max, answered }) => ({
      name: `after ${name}: every trial under ${max} s`,
      reached: answered.max < max,
    })),
    notes: ["Median (least to most). The files are in the page cache of the kernel."],
    figures: { clean, killed },
  };
}
