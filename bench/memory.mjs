/**
 * The most memory a node ever has (VmHWM): after importing a million tuples, then after a minute of BatchCheck and of
 * proofs, with a cache of 256 MiB.
 *
 *     node bench/run.mjs memory [--tuples 1000000] [--seconds 60]
 */
import { read } from "../packages/proto/dist/index.js";
import { fill } from "./lib/importing.mjs";
import { createVault, startNode } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { memory } from "./lib/processes.mjs";
import { mebibytes, number, progress } from "./lib/report.mjs";
import { batchCheckRequest, checkRequest } from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { absentTuple, randomNumbers, tuple } from "./lib/tuples.mjs";
import { allGood, play } from "./load/player.mjs";

const BYTES_MAX = 2 ** 30;
const CACHE = "256MiB";
const BATCH = 100;
const IN_FLIGHT = 16;

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const { tuples, seconds } = numbersOf(args, { tuples: 1_000_000, seconds: 60 });
  const node = await startNode(scratchDirectory("memory"), { cache: CACHE });
  try {
    const vault = await createVault(node);
    const atStart = memory(node.pid);
    progress(`importing ${number(tuples)} tuples ...`);
    await fill(node, vault, tuples);
    const afterImport = memory(node.pid);
    progress(`${seconds} s of BatchCheck and proofs ...`);
    const [checks, proofs] = await readForAWhile(node, vault, tuples, seconds);
    const afterReads = memory(node.pid);
    const phases = [
      { name: "empty", ...atStart },
      { name: `after importing ${number(tuples)} tuples`, ...afterImport },
      { name: `after ${seconds} s of reads`, ...afterReads },
    ];
    return {
      title: `Memory of a node with a cache of ${CACHE}`,
      columns: ["when", "resident", "VmHWM", "VmHWM / 1 GiB"],
      rows: phases.map(({ name, residentBytes, residentBytesMax }) => [
        name,
        mebibytes(residentBytes),
        mebibytes(residentBytesMax),
        number(residentBytesMax / BYTES_MAX, 2),
      ]),
      goals: [{ name: "VmHWM under 1 GiB", reached: afterReads.residentBytesMax < BYTES_MAX }],
      notes: [
        `Meanwhile ${number(checks.callsPerSecond * BATCH)} checks/s in batches of ${BATCH} and ${number(proofs.callsPerSecond)} proofs/s.`,
      ],
      figures: { phases, checks: checks.callsPerSecond * BATCH, proofs: proofs.callsPerSecond },
    };
  } finally {
    await node.kill();
  }
}

/**
 * @param {{ host: string, port: number }} node
 * @param {import("./lib/requests.mjs").VaultName} vault
 * @param {number} tuples
 * @param {number} seconds
 */
function readForAWhile({ host, port }, vault, tuples, seconds) {
  const random = randomNumbers(3);
  /** One in four is not there. */
  const any = () => (random(4) === 0 ? absentTuple(random(tuples)) : tuple(random(tuples)));
  const common = { host, port, seconds, inFlight: IN_FLIGHT };
  const checks = play({
    ...common,
    requests: () => batchCheckRequest(vault, Array.from({ length: BATCH }, any)),
    check: (message) =>
      read.BatchCheckResponse.decode(message).allowed.length === BATCH ? undefined : "too few",
  });
  const proofs = play({
    ...common,
    requests: () => checkRequest(vault, any(), { prove: true }),
    check: (message) =>
      read.CheckResponse.decode(message).proof === undefined ? "no proof" : undefined,
  });
  return Promise.all([checks.then(allGood), proofs.then(allGood)]);
}
