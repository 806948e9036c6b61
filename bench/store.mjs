/**
 * The page store beside three databases that Node programs use: rows and keys like those of the state, a million of
 * them, on the disk of the checkout. Random reads, scans of 1,000 rows, and durable batches; each database is a
 * process of its own and they take turns, five rounds of each measurement.
 *
 *     node bench/run.mjs store [--rows 1000000] [--rounds 5] [--gets 200000] [--scans 500] [--writes 100000]
 *
 * "Durable" is what an acknowledged write of the product has behind it: the batch is in the log and synced, and its
 * rows are in the store's memory; the store is flushed in the background when enough is dirty, within the times that
 * are measured. Below that are the same with a flush of the store at the end of each round, and after every batch.
 */
import { fileSystemOf } from "./lib/machine.mjs";
import { numbersOf } from "./lib/options.mjs";
import { showSpread, spread } from "./lib/pairs.mjs";
import { number, progress } from "./lib/report.mjs";
import { cpuOf, inRounds, rateOf, rateRatio, showRates, startContestant } from "./lib/rounds.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";

const OURS = "authledger";
const PEERS = ["lmdb", "classic-level", "better-sqlite3"];
const MODULE = new URL("store/contestant.mjs", import.meta.url);
/** Batches of a round that flushes after each one. */
const FLUSHED_BATCHES = 20;

/** @typedef {import("./lib/rounds.mjs").Measured} Measured */
/** @typedef {import("./lib/rounds.mjs").Contestant} Contestant */
/** @typedef {ReadonlyMap<string, readonly Measured[]>} Results */
/** @typedef {{ readonly name: string, readonly results: Results, readonly goal?: Goal }} Line */
/** @typedef {{ readonly peers: readonly string[], readonly least: number, readonly name: string }} Goal */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, {
    ...{ rows: 1_000_000, rounds: 5, gets: 200_000, scans: 500, writes: 100_000 },
  });
  const directory = scratchDirectory("store");
  const fileSystem = fileSystemOf(directory);
  const contestants = await start();
  try {
    for (const contestant of contestants) {
      const { seconds } = await contestant.call("load");
      progress(
        `${contestant.name}: loaded ${number(options.rows)} rows in ${seconds.toFixed(1)} s`,
      );
    }
    const lines = [...(await reads(contestants, options)), ...(await writes(contestants, options))];
    return report(lines, options, fileSystem);
  } finally {
    for (const contestant of contestants) await contestant.end().catch(() => undefined);
  }

  async function start() {
    const started = [];
    for (const name of [OURS, ...PEERS]) {
      const file = name === OURS ? "ours" : name;
      const adapter = new URL(`store/adapters/${file}.mjs`, import.meta.url).href;
      const own = scratchDirectory(`store-${file}`);
      started.push(await startContestant(name, MODULE, [adapter, own, options.rows]));
    }
    return started;
  }
}

/**
 * @param {readonly Contestant[]} contestants
 * @param {{ rounds: number, gets: number, scans: number }} options
 * @returns {Promise<Line[]>}
 */
async function reads(contestants, { rounds, gets, scans }) {
  const [ours, lmdb] = contestants.filter(({ name }) => name === OURS || name === "lmdb");
  // Compiled before anything counts.
  await inRounds(contestants, 1, "get", () => [-1, gets]);
  await inRounds(contestants, 1, "scan", () => [-1, Math.ceil(scans / 5)]);
  const get = await agreeing(contestants, rounds, "get", (round) => [round, gets]);
  const fast = await agreeing(
    /** @type {Contestant[]} */ ([ours, lmdb]),
    rounds,
    "getFast",
    (round) => [round, gets],
  );
  const scan = await agreeing(contestants, rounds, "scan", (round) => [round, scans]);
  return [
    {
      name: "random get",
      results: get,
      goal: goalOf("random get: at least lmdb's get", ["lmdb"], 1),
    },
    { name: "random get, lmdb's getBinaryFast", results: fast },
    {
      name: "scan of 1,000 rows",
      results: scan,
      goal: goalOf("scan: at least 3 times the best peer", PEERS, 3),
    },
  ];
}

/**
 * @param {readonly Contestant[]} contestants
 * @param {{ rows: number, rounds: number, writes: number }} options
 * @returns {Promise<Line[]>}
 */
async function writes(contestants, { rows, rounds, writes }) {
  const oursOnly = contestants.filter(({ name }) => name === OURS);
  let firstNew = rows;
  let first = 0;
  /**
   * @param {string} name
   * @param {"random" | "sequential"} order
   * @param {number} size
   * @param {{ flushEach?: boolean, flushAtEnd?: boolean, goal?: Goal }} [how]
   * @returns {Promise<Line>}
   */
  const line = async (name, order, size, { goal, ...how } = {}) => {
    const batches = how.flushEach ? FLUSHED_BATCHES : Math.ceil(writes / size);
    const rowsOfRound = batches * size;
    const from = order === "random" ? firstNew : first;
    const results = await inRounds(
      how.flushEach || how.flushAtEnd ? oursOnly : contestants,
      rounds,
      order,
      (round) => {
        const next = from + round * rowsOfRound;
        return [{ rows, round, batches, size, firstNew: next, first: next, ...how }];
      },
    );
    if (order === "random") firstNew += rounds * rowsOfRound;
    else first += rounds * rowsOfRound;
    // What the page store has put off is not left to the next measurement.
    for (const contestant of contestants) await contestant.call("settle");
    showRates(name, results);
    return { name, results, ...(goal && { goal }) };
  };
  const goal = goalOf("durable random batches of 1,000: at least the best peer", PEERS, 1);
  return [
    await line("durable, random, batches of 100", "random", 100),
    await line("durable, random, batches of 1,000", "random", 1_000, { goal }),
    await line("durable, sequential, batches of 100", "sequential", 100),
    await line("durable, sequential, batches of 1,000", "sequential", 1_000),
    await line("random, 1,000, flush at the end", "random", 1_000, { flushAtEnd: true }),
    await line("random, 100, flush after each batch", "random", 100, { flushEach: true }),
    await line("random, 1,000, flush after each batch", "random", 1_000, { flushEach: true }),
  ];
}

/**
 * Rounds whose checksums must agree: everybody has read the same.
 *
 * @param {readonly Contestant[]} contestants
 * @param {number} rounds
 * @param {string} method
 * @param {(round: number) => readonly unknown[]} argsOf
 */
async function agreeing(contestants, rounds, method, argsOf) {
  const results = await inRounds(contestants, rounds, method, argsOf);
  for (let round = 0; round < rounds; round++) {
    const sums = [...results].map(([name, of]) => `${name} ${of[round]?.extra}`);
    if (new Set(sums.map((text) => text.split(" ")[1])).size > 1) {
      throw new Error(`${method}: not everybody read the same: ${sums.join(", ")}`);
    }
  }
  showRates(method, results);
  return results;
}

/** @param {string} name @param {readonly string[]} peers @param {number} least @returns {Goal} */
function goalOf(name, peers, least) {
  return { name, peers, least };
}

/**
 * @param {readonly Line[]} lines
 * @param {{ rows: number, rounds: number }} options
 * @param {string} fileSystem
 * @returns {import("./lib/report.mjs").Report}
 */
function report(lines, { rows, rounds }, fileSystem) {
  return {
    title: `Page store beside its peers: ${number(rows)} rows of 52 + 90 bytes, medians of ${rounds} rounds, ${fileSystem}`,
    columns: ["per second (CPU us)", OURS, ...PEERS, "ours / best peer"],
    rows: lines.map(({ name, results }) => [
      name,
      ...[OURS, ...PEERS].map((contestant) => cell(results.get(contestant))),
      bestRatio(results, PEERS)?.text ?? "",
    ]),
    goals: lines.flatMap(({ results, goal }) => {
      if (goal === undefined) return [];
      const { median = Number.NaN, text = "" } = bestRatio(results, goal.peers) ?? {};
      return [{ name: `${goal.name}: ${text}`, reached: median >= goal.least }];
    }),
    notes: [
      "Rows, scans or writes a second, in parentheses CPU of the whole process for each. Ratios: median of the rounds (least to most).",
      "Values of ours, and those of getBinaryFast, are views that the next write ends; the other peers copy.",
    ],
    figures: lines.map(({ name, results }) => ({ name, results: Object.fromEntries(results) })),
  };
}

/** @param {readonly Measured[] | undefined} measured */
function cell(measured) {
  if (measured === undefined) return "";
  const rate = spread(measured.map(rateOf)).median;
  const cpu = spread(measured.map(cpuOf)).median;
  return `${number(rate)} (${number(cpu, cpu < 100 ? 1 : 0)})`;
}

/**
 * Our rate over that of the peer that comes closest, or is ahead.
 *
 * @param {Results} results
 * @param {readonly string[]} peers
 */
function bestRatio(results, peers) {
  const own = results.get(OURS) ?? [];
  const ratios = peers.flatMap((name) => {
    const of = results.get(name);
    return of === undefined ? [] : [rateRatio(own, of)];
  });
  ratios.sort((a, b) => a.median - b.median);
  return ratios[0] && { median: ratios[0].median, text: showSpread(ratios[0]) };
}
