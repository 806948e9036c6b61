/**
 * What coalescing brings: check() calls of one process with 1,000 of them always under way, as one request each and
 * put together by the client, against the same node in the same run. Tuples come in an order without pattern, one in
 * four is not there, and every answer is compared with what was stored. Verified: the client computes each answer from
 * a proof, one for each call or one for each batch.
 *
 *     node bench/run.mjs sdk [--tuples 100000] [--in-flight 1000] [--calls 20000] [--coalesced-calls 200000]
 *                            [--verified-calls 2000] [--verified-coalesced-calls 20000] [--pairs 5]
 */
import { createClient } from "../packages/sdk/dist/index.js";
import { fill } from "./lib/importing.mjs";
import { createVault, startNode } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { alternate, ratios, showSpread, spread } from "./lib/pairs.mjs";
import { cpuMillis } from "./lib/processes.mjs";
import { micros, number, progress } from "./lib/report.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { absentTuple, randomNumbers, tuple } from "./lib/tuples.mjs";

/** One call in this many asks for a tuple that is not there. */
const ABSENT_EVERY = 4;
const RATIO_MIN = 10;
const DEADLINE_MS = 60_000;

/** @typedef {import("../packages/sdk/dist/index.js").LedgerClient} LedgerClient */
/** @typedef {{ callsPerSecond: number, clientCpuMicros: number, serverCpuMicros: number }} Result */
/** @typedef {{ client: LedgerClient, tuples: number, inFlight: number, serverPid: number }} Target */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, {
    ...{ tuples: 100_000, "in-flight": 1_000, pairs: 5 },
    ...{ calls: 20_000, "coalesced-calls": 200_000 },
    ...{ "verified-calls": 2_000, "verified-coalesced-calls": 20_000 },
  });
  const node = await startNode(scratchDirectory("sdk"));
  /** @type {LedgerClient[]} */
  const clients = [];
  try {
    const tenant = await createVault(node);
    progress(`importing ${number(options.tuples)} tuples ...`);
    await fill(node, tenant, options.tuples);
    /** @param {{ coalesce: boolean, verify: boolean }} how */
    const target = ({ coalesce, verify }) => {
      const client = createClient({
        endpoints: `${node.host}:${node.port}`,
        tenant,
        coalesce,
        deadlineMs: DEADLINE_MS,
        ...(verify && { verify: { trustOnFirstUse: true } }),
      });
      clients.push(client);
      const { tuples, "in-flight": inFlight } = options;
      return { client, tuples, inFlight, serverPid: node.pid };
    };
    /** @param {boolean} verify @param {number} calls @param {number} coalescedCalls */
    const compare = async (verify, calls, coalescedCalls) => {
      const alone = target({ coalesce: false, verify });
      const together = target({ coalesce: true, verify });
      const a = () => checks(together, coalescedCalls);
      const b = () => checks(alone, calls);
      progress(verify ? "verified ..." : "as the server says ...");
      await a();
      await b();
      return alternate(a, b, options.pairs);
    };
    const plain = await compare(false, options.calls, options["coalesced-calls"]);
    const verified = await compare(
      true,
      options["verified-calls"],
      options["verified-coalesced-calls"],
    );
    return report(options, plain, verified);
  } finally {
    for (const client of clients) client.close();
    await node.kill();
  }
}

/**
 * So many calls, always `inFlight` of them under way.
 *
 * @param {Target} target
 * @param {number} calls
 * @returns {Promise<Result>}
 */
async function checks({ client, tuples, inFlight, serverPid }, calls) {
  const random = randomNumbers(7);
  let left = calls;
  const worker = async () => {
    while (left > 0) {
      left--;
      const expected = left % ABSENT_EVERY !== 0;
      const asked = expected ? tuple(random(tuples)) : absentTuple(random(tuples));
      const { stored } = await client.hasTuple(asked);
      if (stored !== expected) throw new Error(`${JSON.stringify(asked)}: ${stored}`);
    }
  };
  const cpu = process.cpuUsage();
  const serverCpu = cpuMillis(serverPid);
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, worker));
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    callsPerSecond: calls / seconds,
    clientCpuMicros: (user + system) / calls,
    serverCpuMicros: ((cpuMillis(serverPid) - serverCpu) * 1_000) / calls,
  };
}

/**
 * @param {{ tuples: number, "in-flight": number, pairs: number }} options
 * @param {readonly { a: Result, b: Result }[]} plain
 * @param {readonly { a: Result, b: Result }[]} verified
 * @returns {import("./lib/report.mjs").Report}
 */
function report({ tuples, "in-flight": inFlight, pairs: count }, plain, verified) {
  const ratio = ratios(plain, throughput);
  const verifiedRatio = ratios(verified, throughput);
  return {
    title: `check() of the SDK: ${number(inFlight)} at once in one process, ${number(tuples)} tuples, ${count} pairs`,
    columns: ["calls", "calls/s", "client CPU", "server CPU", "throughput, ratio"],
    rows: [
      row(
        "a request each",
        plain.map(({ b }) => b),
        "1",
      ),
      row(
        "coalesced",
        plain.map(({ a }) => a),
        showSpread(ratio),
      ),
      row(
        "verified, a request each",
        verified.map(({ b }) => b),
        "1",
      ),
      row(
        "verified, coalesced",
        verified.map(({ a }) => a),
        showSpread(verifiedRatio),
      ),
    ],
    goals: [
      {
        name: `coalesced: at least ${RATIO_MIN} times the throughput`,
        reached: ratio.median >= RATIO_MIN,
      },
    ],
    notes: ["CPU is per call; ratios are medians of the pairs' ratios (least to most)."],
    figures: { ratio, verifiedRatio, plain, verified },
  };
}

/** @param {Result} result */
function throughput({ callsPerSecond }) {
  return callsPerSecond;
}

/**
 * @param {string} name
 * @param {readonly Result[]} results
 * @param {string} ratio
 */
function row(name, results, ratio) {
  /** @param {(result: Result) => number} pick */
  const median = (pick) => spread(results.map(pick)).median;
  return [
    name,
    number(median(throughput)),
    micros(median(({ clientCpuMicros }) => clientCpuMicros)),
    micros(median(({ serverCpuMicros }) => serverCpuMicros)),
    ratio,
  ];
}
