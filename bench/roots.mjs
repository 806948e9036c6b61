/**
 * State roots: what it costs to set some leaves and to have the new root, with equal blocks, beside the trie of
 * Ethereum (@ethereumjs/mpt), both in memory; and how the cost grows with the number of leaves.
 *
 *     node bench/run.mjs roots [--rounds 5] [--leaves-max 10000000]
 *
 * The peer is measured at 10,000 and 100,000 leaves, as it is shipped and with the native hash that ours uses; ours
 * also at a million and ten million. Ten million leaves take some 4 GiB; with --leaves-max 1000000 they are left out.
 */
import { numbersOf } from "./lib/options.mjs";
import { showSpread, spread } from "./lib/pairs.mjs";
import { number, progress } from "./lib/report.mjs";
import { cpuOf, inRounds, rateOf, rateRatio, showRates, startContestant } from "./lib/rounds.mjs";

const OURS = "authledger";
const MPT = "mpt, keccak256";
const MPT_NATIVE = "mpt, native sha256";
/** Leaves set by a block, and how many a round sets. */
const SIZES = [1, 100, 1_000];
const UPDATES = { ours: 20_000, theirs: 2_000 };
const SHARED_LEAVES = [10_000, 100_000];
const OWN_LEAVES = [1_000_000, 10_000_000];
const RATIO_MIN = 10;

/** @typedef {import("./lib/rounds.mjs").Measured} Measured */
/** @typedef {{ readonly x: number, readonly y: number, readonly hashes: number }} Point log2 of the leaves, CPU and hashes of an update */
/** @typedef {{ readonly leaves: number, readonly size: number, readonly results: ReadonlyMap<string, readonly Measured[]> }} Line */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const { rounds, "leaves-max": most } = numbersOf(args, {
    ...{ rounds: 5, "leaves-max": OWN_LEAVES.at(-1) ?? 0 },
  });
  /** @type {Line[]} */
  const lines = [];
  /** @type {string[]} */
  const built = [];
  for (const leaves of [...SHARED_LEAVES, ...OWN_LEAVES]) {
    if (leaves > most) continue;
    const names = SHARED_LEAVES.includes(leaves) ? [OURS, MPT, MPT_NATIVE] : [OURS];
    const { own, note } = await measure(names, leaves, rounds);
    lines.push(...own);
    built.push(note);
  }
  return report(lines, built, rounds);
}

/**
 * @param {readonly string[]} names
 * @param {number} leaves
 * @param {number} rounds
 */
async function measure(names, leaves, rounds) {
  const contestants = [];
  for (const name of names) contestants.push(await start(name, leaves));
  try {
    const notes = [];
    for (const contestant of contestants) {
      const built = await contestant.call("build");
      notes.push(`${contestant.name} ${number(rateOf(built))}/s`);
    }
    const note = `built ${number(leaves)} leaves: ${notes.join(", ")}`;
    progress(note);
    /** @type {Line[]} */
    const own = [];
    for (const size of SIZES) own.push({ leaves, size, results: await updates(contestants, size) });
    for (const contestant of contestants) await contestant.call("verify");
    return { own, note };
  } finally {
    for (const contestant of contestants) await contestant.end();
  }

  /** @param {import("./lib/rounds.mjs").Contestant[]} all @param {number} size */
  async function updates(all, size) {
    /** @param {string} name @param {number} round */
    const argsOf = (name, round) => {
      const count = name === OURS ? UPDATES.ours : UPDATES.theirs;
      return { round, blocks: Math.ceil(count / size), size };
    };
    for (const contestant of all) await contestant.call("update", argsOf(contestant.name, -1));
    const results = await inRounds(all, rounds, "update", (round, name) => [argsOf(name, round)]);
    showRates(`${number(leaves)} leaves, blocks of ${number(size)}`, results);
    return results;
  }
}

/** @param {string} name @param {number} leaves */
function start(name, leaves) {
  const module = new URL(name === OURS ? "roots/ours.mjs" : "roots/mpt.mjs", import.meta.url);
  return startContestant(name, module, [leaves, name === MPT ? "keccak256" : "sha256"]);
}

/**
 * @param {readonly Line[]} lines
 * @param {readonly string[]} built
 * @param {number} rounds
 * @returns {import("./lib/report.mjs").Report}
 */
function report(lines, built, rounds) {
  const ratios = lines.flatMap(({ leaves, size, results }) => {
    const peer = results.get(MPT);
    const own = results.get(OURS);
    if (peer === undefined || own === undefined) return [];
    return [{ leaves, size, ratio: rateRatio(own, peer) }];
  });
  const sizes = new Set(lines.map(({ leaves }) => leaves));
  const growth = sizes.size > 1 ? SIZES.map((size) => growthOf(lines, size)) : [];
  return {
    title: `State roots in memory: leaves set a second, medians of ${rounds} rounds`,
    columns: [
      ...["leaves, block", OURS, "hashes", MPT, MPT_NATIVE, "hashes"],
      ...["ours / mpt", "ours / native"],
    ],
    rows: lines.map(({ leaves, size, results }) => {
      const own = /** @type {readonly Measured[]} */ (results.get(OURS));
      const native = results.get(MPT_NATIVE);
      return [
        `${number(leaves)}, ${number(size)}`,
        rateCell(own),
        number(hashesOf(own), 1),
        rateCell(results.get(MPT)),
        rateCell(native),
        native === undefined ? "" : number(hashesOf(native), 1),
        ratioCell(own, results.get(MPT)),
        ratioCell(own, native),
      ];
    }),
    goals: [
      ...ratios.map(({ leaves, size, ratio }) => ({
        name: `${number(leaves)} leaves, blocks of ${number(size)}: at least ${RATIO_MIN} times mpt: ${showSpread(ratio)}`,
        reached: ratio.median >= RATIO_MIN,
      })),
      ...growth.map(({ size, cost, logarithm, text }) => ({
        name: `blocks of ${number(size)}: CPU grows no faster than log n: ${text}`,
        reached: cost <= logarithm,
      })),
    ],
    notes: [
      ...built,
      "Leaves set a second, in parentheses microseconds of CPU of the whole process for one; an update of ours writes the leaf's row to the page store.",
      ...growth.map(({ size, fit }) => `blocks of ${number(size)}: ${fit}`),
    ],
    figures: lines.map(({ leaves, size, results }) => ({
      ...{ leaves, size, results: Object.fromEntries(results) },
    })),
  };
}

/** @param {readonly Measured[] | undefined} measured */
function rateCell(measured) {
  if (measured === undefined) return "";
  const cpu = spread(measured.map(cpuOf)).median;
  return `${number(spread(measured.map(rateOf)).median)} (${number(cpu, 1)})`;
}

/** @param {readonly Measured[]} measured */
function hashesOf(measured) {
  const { hashes = Number.NaN } = /** @type {any} */ (measured[0]?.extra) ?? {};
  return hashes;
}

/** @param {readonly Measured[]} own @param {readonly Measured[] | undefined} peer */
function ratioCell(own, peer) {
  return peer === undefined ? "" : showSpread(rateRatio(own, peer), 1);
}

/**
 * How the CPU of an update grows from the fewest leaves to the most, beside the logarithm, and the least squares fit
 * of cost = a + b * log2(n).
 *
 * @param {readonly Line[]} lines
 * @param {number} size
 */
function growthOf(lines, size) {
  const points = lines
    .filter((line) => line.size === size)
    .map(({ leaves, results }) => {
      const own = /** @type {readonly Measured[]} */ (results.get(OURS));
      return { x: Math.log2(leaves), y: spread(own.map(cpuOf)).median, hashes: hashesOf(own) };
    });
  const [first, last] = /** @type {[Point, Point]} */ ([points[0], points.at(-1)]);
  const mean = (/** @type {(point: Point) => number} */ of) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const meanX = mean(({ x }) => x);
  const meanY = mean(({ y }) => y);
  const slope = mean(({ x, y }) => (x - meanX) * (y - meanY)) / mean(({ x }) => (x - meanX) ** 2);
  const cost = last.y / first.y;
  const logarithm = last.x / first.x;
  const constant = meanY - slope * meanX;
  const worst = Math.max(...points.map(({ x, y }) => Math.abs(constant + slope * x - y) / y));
  return {
    size,
    cost,
    logarithm,
    text: `${cost.toFixed(2)} times, hashes ${(last.hashes / first.hashes).toFixed(2)} times, log n ${logarithm.toFixed(2)} times`,
    fit: `CPU = ${constant.toFixed(1)} us + ${slope.toFixed(2)} us * log2(leaves), off by ${(worst * 100).toFixed(0)} % at most`,
  };
}
