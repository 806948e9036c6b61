/**
 * A node with many small vaults: 10,000 of 10 tuples each. From exec to the first answered Check in a vault, after a
 * clean stop and after kill -9, and the most memory that the node ever had, from its creation of the vaults on.
 *
 *     node bench/run.mjs vaults [--vaults 10000] [--tuples 10] [--trials 5]
 *
 * Before each clean stop a tuple is written to every tenth vault, so that heads have moved, and before each kill to
 * every vault, so that the log has about as much to apply as it ever has; after each start every vault is asked for a
 * tuple, and those for the new one.
 */
import { admin, read, write } from "../packages/proto/dist/index.js";
import { createOrganization, startNode, vaultRequest } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { showSpread, spread } from "./lib/pairs.mjs";
import { cpuMillis, memory } from "./lib/processes.mjs";
import { mebibytes, micros, number, progress } from "./lib/report.mjs";
import { checkRequest, importProblem, importRequest } from "./lib/requests.mjs";
import { diskBytes, scratchDirectory } from "./lib/scratch.mjs";
import { tuple } from "./lib/tuples.mjs";
import { allGood, callOnce, play } from "./load/player.mjs";

const OPEN_SECONDS_MAX = 5;
const MEMORY_MAX = 2 ** 30;
/** One vault in this many is written to before a stop. */
const TOUCHED_EVERY = { clean: 10, killed: 1 };
const IN_FLIGHT = 64;

/** @typedef {import("./lib/node-process.mjs").NodeProcess} NodeProcess */
/** @typedef {import("./lib/requests.mjs").VaultName} VaultName */
/** @typedef {import("./load/player.mjs").PlayResult} PlayResult */
/** @typedef {ReturnType<typeof plain>} Made */
/** @typedef {{ readonly seconds: number, readonly cpuSeconds: number, readonly memory: number, readonly settled: number }} Opening `memory`: VmHWM when the first check was answered; `settled`: after all vaults were asked */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, { vaults: 10_000, tuples: 10, trials: 5 });
  const directory = scratchDirectory("vaults");
  let node = await startNode(directory);
  try {
    progress(`creating ${number(options.vaults)} vaults of ${options.tuples} tuples ...`);
    const made = await create(node, options);
    progress(`vaults: ${speed(made.created)}; transactions: ${speed(made.written)}`);
    const creation = memory(node.pid).residentBytesMax;
    let tuples = options.tuples;
    /** @type {{ clean: Opening[], killed: Opening[] }} */
    const openings = { clean: [], killed: [] };
    for (let trial = 0; trial < options.trials; trial++) {
      for (const kind of /** @type {const} */ (["clean", "killed"])) {
        const every = TOUCHED_EVERY[kind];
        await touch(node, made.vaults, tuples, every);
        await (kind === "clean" ? node.stop() : node.kill());
        node = await startNode(directory);
        const opening = await open(node, made.vaults, tuples++, every);
        openings[kind].push(opening);
        progress(`${kind}: ${opening.seconds.toFixed(2)} s, ${mebibytes(opening.settled)}`);
      }
    }
    await node.stop();
    return report(options, openings, { ...made, creation, disk: diskBytes(directory) });
  } finally {
    await node.kill();
  }
}

/**
 * @param {NodeProcess} node
 * @param {{ vaults: number, tuples: number }} options
 */
async function create({ host, port, pid }, { vaults: count, tuples }) {
  const organization = await createOrganization({ host, port });
  /** @type {VaultName[]} */
  const vaults = [];
  const created = await play({
    ...{ host, port, calls: count, inFlight: IN_FLIGHT, serverPids: [pid] },
    requests: (i) => vaultRequest(organization, `bench-${i}`),
    check: (message) => {
      const { vault } = admin.CreateVaultResponse.decode(message);
      if (vault === undefined) return "no vault";
      vaults.push({ organization, vault: vault.slug });
      return undefined;
    },
  });
  allGood(created);
  const written = await play({
    ...{ host, port, calls: count, inFlight: IN_FLIGHT, serverPids: [pid] },
    requests: (i) => importRequest(/** @type {VaultName} */ (vaults[i]), 0, tuples),
    check: (message) => importProblem(message, tuples),
  });
  allGood(written);
  return { vaults, created: plain(created), written: plain(written) };
}

/** @param {PlayResult} result */
function plain({ callsPerSecond, serverCpuMicros = Number.NaN }) {
  return { callsPerSecond, serverCpuMicros };
}

/**
 * Writes tuple `next` to some vaults.
 *
 * @param {NodeProcess} node
 * @param {readonly VaultName[]} vaults
 * @param {number} next
 * @param {number} every one vault in so many
 */
async function touch({ host, port }, vaults, next, every) {
  const touched = vaults.filter((_, i) => i % every === 0);
  allGood(
    await play({
      ...{ host, port, calls: touched.length, inFlight: IN_FLIGHT },
      requests: (i) => importRequest(/** @type {VaultName} */ (touched[i]), next, next + 1),
      check: (message) =>
        write.WriteResponse.decode(message).result === undefined ? "lost" : undefined,
    }),
  );
}

/**
 * @param {NodeProcess} node
 * @param {readonly VaultName[]} vaults
 * @param {number} newest tuple of the vaults that were written to
 * @param {number} every
 * @returns {Promise<Opening>}
 */
async function open(node, vaults, newest, every) {
  const first = /** @type {VaultName} */ (vaults[0]);
  const answer = await callOnce(node, checkRequest(first, tuple(newest)));
  const seconds = (performance.now() - node.startedAt) / 1_000;
  if (!read.CheckResponse.decode(answer).allowed) throw new Error("an acknowledged tuple is gone");
  const cpuSeconds = cpuMillis(node.pid) / 1_000;
  const { residentBytesMax } = memory(node.pid);
  allGood(
    await play({
      ...{ host: node.host, port: node.port, calls: vaults.length, inFlight: IN_FLIGHT },
      requests: (i) =>
        checkRequest(/** @type {VaultName} */ (vaults[i]), tuple(i % every === 0 ? newest : 0)),
      check: (message) =>
        read.CheckResponse.decode(message).allowed ? undefined : "a tuple is gone",
    }),
  );
  const settled = memory(node.pid).residentBytesMax;
  return { seconds, cpuSeconds, memory: residentBytesMax, settled };
}

/**
 * @param {{ vaults: number, tuples: number, trials: number }} options
 * @param {{ clean: readonly Opening[], killed: readonly Opening[] }} openings
 * @param {{ created: Made, written: Made, creation: number, disk: number }} made
 * @returns {import("./lib/report.mjs").Report}
 */
function report({ vaults, tuples, trials }, { clean, killed }, made) {
  const most = Math.max(made.creation, ...[...clean, ...killed].map(({ settled }) => settled));
  /** @param {string} name @param {readonly Opening[]} of */
  const row = (name, of) => [
    name,
    showSpread(spread(of.map(({ seconds }) => seconds))),
    showSpread(spread(of.map(({ cpuSeconds }) => cpuSeconds))),
    mebibytes(spread(of.map(({ memory }) => memory)).median),
    mebibytes(spread(of.map(({ settled }) => settled)).median),
  ];
  /** @param {string} name @param {readonly Opening[]} of */
  const goal = (name, of) => {
    const { median } = spread(of.map(({ seconds }) => seconds));
    return {
      name: `opens in less than ${OPEN_SECONDS_MAX} s ${name}: ${median.toFixed(2)} s`,
      reached: median < OPEN_SECONDS_MAX,
    };
  };
  return {
    title: `${number(vaults)} vaults of ${tuples} tuples: from exec to the first answered Check, ${trials} trials each`,
    columns: ["after", "seconds", "CPU seconds", "VmHWM then", "VmHWM, all vaults asked"],
    rows: [row("a clean stop", clean), row("kill -9", killed)],
    goals: [
      goal("after a clean stop", clean),
      goal("after kill -9", killed),
      { name: `VmHWM below 1 GiB, at any time: ${mebibytes(most)}`, reached: most < MEMORY_MAX },
    ],
    notes: [
      `made vaults: ${speed(made.created)}; then transactions of ${tuples} tuples, each to another vault: ${speed(made.written)}`,
      `VmHWM after creating them ${mebibytes(made.creation)}; data directory ${mebibytes(made.disk)}`,
    ],
    figures: { clean, killed, made: { ...made, vaults } },
  };
}

/** @param {Made} made */
function speed({ callsPerSecond, serverCpuMicros }) {
  return `${number(callsPerSecond)}/s, ${micros(serverCpuMicros)} of CPU each`;
}
