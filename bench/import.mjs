/**
 * Import through gRPC into a node with synced writes: tuples a second over the first and the last tenth of a million,
 * bytes written and CPU of the node per tuple. Each tuple is committed in both directions, so it is two leaves.
 *
 *     node bench/run.mjs import [--tuples 1000000]
 */
import { importTuples, rateBetween } from "./lib/importing.mjs";
import { fileSystemOf } from "./lib/machine.mjs";
import { createVault, startNode } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { bytesWritten, cpuMillis, memory } from "./lib/processes.mjs";
import { mebibytes, micros, millis, number, progress } from "./lib/report.mjs";
import { diskBytes, scratchDirectory } from "./lib/scratch.mjs";
import { allGood } from "./load/player.mjs";

const WINDOW = 100_000;
const FIRST_RATE_MIN = 25_000;
const LAST_RATE_MIN = 10_000;

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const { tuples } = numbersOf(args, { tuples: 1_000_000 });
  const directory = scratchDirectory("import");
  const node = await startNode(directory);
  try {
    const vault = await createVault(node);
    const before = { cpu: cpuMillis(node.pid), written: bytesWritten(node.pid) };
    const result = await importTuples(node, vault, 0, tuples, {
      onProgress: (done) => {
        if (done % WINDOW === 0) progress(`${number(done)} tuples`);
      },
    });
    allGood(result);
    const perTuple = {
      cpuMicros: ((cpuMillis(node.pid) - before.cpu) * 1_000) / tuples,
      writtenBytes: (bytesWritten(node.pid) - before.written) / tuples,
    };
    const { residentBytesMax } = memory(node.pid);
    await node.stop();
    const disk = { bytes: diskBytes(directory), type: fileSystemOf(directory) };
    return report({ tuples, result, perTuple, residentBytesMax, disk });
  } finally {
    await node.kill();
  }
}

/**
 * @param {{
 *   tuples: number,
 *   result: import("./lib/importing.mjs").ImportResult,
 *   perTuple: { cpuMicros: number, writtenBytes: number },
 *   residentBytesMax: number,
 *   disk: { bytes: number, type: string },
 * }} measured
 * @returns {import("./lib/report.mjs").Report}
 */
function report({ tuples, result, perTuple, residentBytesMax, disk }) {
  const window = Math.min(WINDOW, tuples);
  const windows = [];
  for (let to = window; to <= tuples; to += window) {
    windows.push({ to, rate: rateBetween(result, to - window, to) });
  }
  const first = windows[0]?.rate ?? Number.NaN;
  const last = windows.at(-1)?.rate ?? Number.NaN;
  const { p50, p99 } = result.latency.summary();
  return {
    title: `Import of ${number(tuples)} tuples in transactions of 1,000, 4 in flight, synced (${disk.type})`,
    columns: ["figure", "measured", "goal", "measured / goal"],
    rows: [
      goalRow(`tuples/s, first ${number(window)}`, first, FIRST_RATE_MIN),
      ...windows
        .slice(1, -1)
        .map(({ to, rate }) => [`tuples/s, until ${number(to)}`, number(rate), "", ""]),
      goalRow(`tuples/s, last ${number(window)}`, last, LAST_RATE_MIN),
      ["tuples/s, all", number(tuples / result.seconds), "", ""],
      ["transaction p50", millis(p50), "", ""],
      ["transaction p99", millis(p99), "", ""],
      ["bytes written per tuple", number(perTuple.writtenBytes), "", ""],
      ["CPU of the node per tuple", micros(perTuple.cpuMicros), "", ""],
      [
        "CPU of the player per tuple",
        micros((result.clientCpuMicros * result.calls) / tuples),
        "",
        "",
      ],
      ["data directory per tuple", `${number(disk.bytes / tuples)} B`, "", ""],
      ["VmHWM of the node", mebibytes(residentBytesMax), "", ""],
    ],
    goals: [
      {
        name: `first ${number(window)}: ${number(FIRST_RATE_MIN)} tuples/s`,
        reached: first >= FIRST_RATE_MIN,
      },
      {
        name: `last ${number(window)}: ${number(LAST_RATE_MIN)} tuples/s`,
        reached: last >= LAST_RATE_MIN,
      },
    ],
    figures: { windows, perTuple, residentBytesMax, disk, latency: result.latency.summary() },
  };
}

/**
 * @param {string} name
 * @param {number} measured
 * @param {number} goal
 */
function goalRow(name, measured, goal) {
  return [name, number(measured), number(goal), number(measured / goal, 2)];
}
