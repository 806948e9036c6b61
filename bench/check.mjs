/**
 * What a Check costs the node beside what the gRPC library costs anyway: server CPU per call of the node and of an
 * empty handler with the same messages, options and bytes of response, 10,000 distinct recorded requests, pairs of
 * runs that alternate. The median of the pairs' ratios is the figure.
 *
 *     node bench/run.mjs check [--tuples 100000] [--requests 10000] [--in-flight 64] [--calls 40000] [--pairs 5]
 *
 * The requests are played again and again, and the node remembers the meaning of some 16,000 to 32,000 requests; with
 * --requests 90000 it remembers none in time.
 */
import { read } from "../packages/proto/dist/index.js";
import { fill } from "./lib/importing.mjs";
import { createVault, startNode } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { alternate, ratios, showSpread, spread } from "./lib/pairs.mjs";
import { startServer } from "./lib/processes.mjs";
import { micros, millis, number, progress } from "./lib/report.mjs";
import { checkRequest } from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { absentTuple, randomNumbers, tuple } from "./lib/tuples.mjs";
import { EMPTY_SERVER, EMPTY_SERVER_READY } from "./load/empty-server-address.mjs";
import { allGood, callOnce, play } from "./load/player.mjs";

/** Runs of each side before the first pair: until both are compiled. */
const WARM_UPS = 3;
/** One request in this many asks for a tuple that is not there. */
const ABSENT_EVERY = 4;
const RATIO_MAX = 1.25;

/** @typedef {import("./load/player.mjs").PlayResult} PlayResult */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, {
    ...{ tuples: 100_000, requests: 10_000 },
    ...{ "in-flight": 64, calls: 40_000, pairs: 5 },
  });
  const node = await startNode(scratchDirectory("check"));
  try {
    const vault = await createVault(node);
    progress(`importing ${number(options.tuples)} tuples ...`);
    await fill(node, vault, options.tuples);
    const recorded = record(vault, options);
    await allRight(node, recorded);
    const answer = await callOnce(node, recorded[0]?.request ?? checkRequest(vault, tuple(0)));
    const empty = await startServer(process.execPath, [EMPTY_SERVER, answer.toString("hex")], {
      ready: EMPTY_SERVER_READY,
    });
    try {
      return await compare(node, empty, recorded, options);
    } finally {
      await empty.kill();
    }
  } finally {
    await node.kill();
  }
}

/**
 * Distinct requests all over the store, and their right answers.
 *
 * @param {import("./lib/requests.mjs").VaultName} vault
 * @param {{ tuples: number, requests: number }} options
 */
function record(vault, { tuples, requests }) {
  const random = randomNumbers(1);
  /** @type {Set<number>} */
  const taken = new Set();
  while (taken.size < Math.min(requests, tuples)) taken.add(random(tuples));
  return [...taken].map((i, position) => {
    const allowed = position % ABSENT_EVERY !== 0;
    return { allowed, request: checkRequest(vault, allowed ? tuple(i) : absentTuple(i)) };
  });
}

/**
 * Every recorded request is answered rightly; also warms both sides up. Not timed.
 *
 * @param {{ host: string, port: number }} node
 * @param {ReturnType<typeof record>} recorded
 */
async function allRight({ host, port }, recorded) {
  const result = await play({
    host,
    port,
    requests: recorded.map(({ request }) => request),
    calls: recorded.length,
    inFlight: 64,
    check: (message, i) =>
      read.CheckResponse.decode(message).allowed === recorded[i]?.allowed ? undefined : "wrong",
  });
  allGood(result);
}

/**
 * @param {import("./lib/node-process.mjs").NodeProcess} node
 * @param {import("./lib/processes.mjs").ServerProcess} empty
 * @param {ReturnType<typeof record>} recorded
 * @param {{ "in-flight": number, calls: number, pairs: number }} options
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
async function compare(node, empty, recorded, { "in-flight": inFlight, calls, pairs: count }) {
  const requests = recorded.map(({ request }) => request);
  /** @param {{ port: number, pid: number }} target */
  const measure =
    ({ port, pid }) =>
    async () =>
      allGood(
        await play({ host: "127.0.0.1", port, requests, calls, inFlight, serverPids: [pid] }),
      );
  const ours = measure(node);
  const theirs = measure({ port: Number(empty.ready[1]), pid: empty.pid });
  progress("warming up ...");
  for (let i = 0; i < WARM_UPS; i++) {
    await ours();
    await theirs();
  }
  progress(`${count} pairs ...`);
  const pairs = await alternate(ours, theirs, count);
  const ratio = ratios(pairs, cpuOf);
  return {
    title: `Check: ${requests.length} distinct requests, ${inFlight} in flight, ${count} pairs of ${calls} calls`,
    columns: ["server", "calls/s", "p50", "p99", "server CPU", "player CPU", "ratio of CPU"],
    rows: [
      row(
        "node",
        pairs.map(({ a }) => a),
        showSpread(ratio),
      ),
      row(
        "empty handler",
        pairs.map(({ b }) => b),
        "1",
      ),
    ],
    goals: [{ name: `median ratio at most ${RATIO_MAX}`, reached: ratio.median <= RATIO_MAX }],
    notes: ["CPU is per call; the ratio is the median of the pairs' ratios (least to most)."],
    figures: { ratio, pairs: pairs.map(({ a, b }) => ({ node: plain(a), empty: plain(b) })) },
  };
}

/** @param {PlayResult} result */
function cpuOf({ serverCpuMicros }) {
  return serverCpuMicros ?? Number.NaN;
}

/**
 * @param {string} name
 * @param {readonly PlayResult[]} results
 * @param {string} ratio
 */
function row(name, results, ratio) {
  /** @param {(result: PlayResult) => number} pick */
  const median = (pick) => spread(results.map(pick)).median;
  return [
    name,
    number(median(({ callsPerSecond }) => callsPerSecond)),
    millis(median(({ latency }) => latency.quantile(0.5))),
    millis(median(({ latency }) => latency.quantile(0.99))),
    micros(median(cpuOf)),
    micros(median(({ clientCpuMicros }) => clientCpuMicros)),
    ratio,
  ];
}

/** @param {PlayResult} result */
function plain({ callsPerSecond, serverCpuMicros, clientCpuMicros, latency }) {
  return { callsPerSecond, serverCpuMicros, clientCpuMicros, latency: latency.summary() };
}
