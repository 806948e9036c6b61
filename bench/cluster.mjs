/**
 * Three nodes beside three members of etcd, on the same machine and in the same rounds: unary writes, batches, and
 * linearizable reads at 1, 16, 64 and 256 in flight, all sent to the leader by the raw player over one connection.
 *
 *     node bench/run.mjs cluster [--tuples 100000] [--rounds 5] [--milliseconds 1000]
 *
 * No request is played twice within its round of `--tuples`, so that nobody answers from what was just parsed. A tuple is one record
 * with us, in both orders; etcd has one order, so a batch of 50 tuples stands beside a transaction of 100 puts. Writes
 * carry a client id and an idempotency key, as the SDK sends them; etcd has no such thing.
 * Both clusters live all the time and only one is under load. Player and six servers share the machine's cores: what is compared is
 * the work done per second of the same machine.
 */
import { read } from "../packages/proto/dist/index.js";
import { etcdVersion, startEtcd } from "./lib/etcd.mjs";
import {
  getProblem,
  getRequest,
  putProblem,
  putRequest,
  putsRequest,
  transactionProblem,
  transactionRequest,
} from "./lib/etcd-requests.mjs";
import { fill } from "./lib/importing.mjs";
import { startLedgerCluster } from "./lib/ledger-cluster.mjs";
import { createVault } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { spread } from "./lib/pairs.mjs";
import { cpuMillis } from "./lib/processes.mjs";
import { micros, millis, number, progress } from "./lib/report.mjs";
import { checkRequest, importProblem, importRequest } from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { tuple } from "./lib/tuples.mjs";
import { allGood, play } from "./load/player.mjs";

const IN_FLIGHT = [1, 16, 64, 256];
const BATCH = 50;
/** A node compiles what it runs often: before anything is measured each call has run for so long at `WARM_IN_FLIGHT`. */
const WARM_MS = 3_000;
const WARM_IN_FLIGHT = 64;
const WARM_UP_MS = 300;
const FILL_PUTS = 50;
const CALLS = /** @type {const} */ (["write", "batch", "read"]);
/** Calls per second of ours by those of etcd's, at so many in flight. */
const GOALS = [
  ...IN_FLIGHT.map((inFlight) => ({ call: "write", inFlight, ratio: 1 })),
  ...IN_FLIGHT.map((inFlight) => ({ call: "batch", inFlight, ratio: 1 })),
  { call: "read", inFlight: 16, ratio: 2 },
  { call: "read", inFlight: 64, ratio: 1.5 },
  { call: "read", inFlight: 256, ratio: 1.5 },
];

/** @typedef {typeof CALLS[number]} CallName */
/** @typedef {import("./load/connection.mjs").Request} Request */
/** @typedef {{ readonly requests: (index: number) => Request, readonly check: (message: Buffer) => string | undefined }} Call */
/**
 * @typedef {{
 *   readonly name: string,
 *   readonly leader: { readonly host: string, readonly port: number, readonly pid: number },
 *   readonly pids: readonly number[],
 *   readonly calls: Readonly<Record<CallName, Call>>,
 * }} Side
 * @typedef {{ readonly callsPerSecond: number, readonly p50: number, readonly p99: number, readonly leaderCpu: number, readonly followerCpu: number }} Figure CPU in microseconds per call
 */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, { tuples: 100_000, rounds: 5, milliseconds: 1_000 });
  const version = etcdVersion();
  // etcd has no guard against overload either: refused calls would be no figures.
  const unguarded = { args: ["--overload-turn", "0ms"] };
  const ours = await startLedgerCluster(scratchDirectory("cluster"), unguarded);
  const etcd = await startEtcd(scratchDirectory("etcd"));
  try {
    const sides = [await ourSide(ours, options.tuples), await etcdSide(etcd, options.tuples)];
    return await measure(sides, options, version);
  } finally {
    await Promise.all([ours.kill(), etcd.kill()]);
  }
}

/**
 * @param {import("./lib/ledger-cluster.mjs").LedgerCluster} cluster
 * @param {number} tuples
 * @returns {Promise<Side>}
 */
async function ourSide(cluster, tuples) {
  const leader = await cluster.leader();
  const vault = await createVault(leader);
  progress(`writing ${number(tuples)} tuples ...`);
  await fill(leader, vault, tuples);
  const checks = Array.from({ length: tuples }, (_, i) => checkRequest(vault, tuple(i)));
  let next = tuples;
  let asked = 0;
  return {
    ...{ name: "authledger", leader, pids: cluster.nodes.map(({ pid }) => pid) },
    calls: {
      write: {
        requests: () => importRequest(vault, next, ++next),
        check: (message) => importProblem(message, 1),
      },
      batch: {
        requests: () => {
          next += BATCH;
          return importRequest(vault, next - BATCH, next);
        },
        check: (message) => importProblem(message, BATCH),
      },
      read: {
        requests: () => /** @type {Request} */ (checks[asked++ % tuples]),
        check: (message) =>
          read.CheckResponse.decode(message).allowed ? undefined : "not allowed",
      },
    },
  };
}

/**
 * @param {import("./lib/etcd.mjs").EtcdCluster} cluster
 * @param {number} tuples
 * @returns {Promise<Side>}
 */
async function etcdSide(cluster, tuples) {
  const leader = await cluster.leader();
  progress(`writing ${number(tuples)} keys into etcd ...`);
  const steps = Math.ceil(tuples / FILL_PUTS);
  const fillRequests = (/** @type {number} */ i) =>
    putsRequest(i * FILL_PUTS, Math.min(tuples, (i + 1) * FILL_PUTS));
  allGood(await play({ ...leader, requests: fillRequests, calls: steps, inFlight: 16 }));
  const gets = Array.from({ length: tuples }, (_, i) => getRequest(i));
  let next = tuples;
  let asked = 0;
  return {
    ...{ name: "etcd", leader, pids: cluster.members.map(({ pid }) => pid) },
    calls: {
      write: { requests: () => putRequest(next++), check: putProblem },
      batch: {
        requests: () => {
          next += BATCH;
          return transactionRequest(next - BATCH, next);
        },
        check: transactionProblem,
      },
      read: {
        requests: () => /** @type {Request} */ (gets[asked++ % tuples]),
        check: getProblem,
      },
    },
  };
}

/**
 * @param {readonly Side[]} sides ours first
 * @param {{ rounds: number, milliseconds: number }} options
 * @param {string} version
 */
async function measure(sides, { rounds, milliseconds }, version) {
  /** @type {{ call: CallName, inFlight: number, figures: Figure[][] }[]} */
  const lines = [];
  for (const call of CALLS) {
    for (const side of sides) await playOnce(side, call, WARM_IN_FLIGHT, WARM_MS);
    for (const inFlight of IN_FLIGHT) {
      progress(`${call}, ${inFlight} in flight ...`);
      for (const side of sides) await playOnce(side, call, inFlight, WARM_UP_MS);
      /** @type {Figure[][]} */
      const figures = sides.map(() => []);
      for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < sides.length; i++) {
          const at = (round + i) % sides.length;
          const side = /** @type {Side} */ (sides[at]);
          figures[at]?.push(await playOnce(side, call, inFlight, milliseconds));
        }
      }
      lines.push({ call, inFlight, figures });
    }
  }
  return report(lines, rounds, version);
}

/** @param {Side} side @param {CallName} call @param {number} inFlight @param {number} milliseconds @returns {Promise<Figure>} */
async function playOnce({ leader, pids, calls }, call, inFlight, milliseconds) {
  const before = new Map(pids.map((pid) => [pid, cpuMillis(pid)]));
  const { host, port } = leader;
  const seconds = milliseconds / 1_000;
  const played = allGood(await play({ host, port, ...calls[call], inFlight, seconds }));
  const cpu = (/** @type {number} */ pid) =>
    ((cpuMillis(pid) - (before.get(pid) ?? 0)) * 1_000) / played.calls;
  const followers = pids.filter((pid) => pid !== leader.pid);
  return {
    callsPerSecond: played.callsPerSecond,
    p50: played.latency.quantile(0.5),
    p99: played.latency.quantile(0.99),
    leaderCpu: cpu(leader.pid),
    followerCpu: followers.reduce((sum, pid) => sum + cpu(pid), 0) / followers.length,
  };
}

/**
 * @param {readonly { call: CallName, inFlight: number, figures: readonly (readonly Figure[])[] }[]} lines
 * @param {number} rounds
 * @param {string} version
 * @returns {import("./lib/report.mjs").Report}
 */
function report(lines, rounds, version) {
  const figures = lines.map(({ call, inFlight, figures: [ours = [], etcd = []] }) => ({
    ...{ call, inFlight, ours: mediansOf(ours), etcd: mediansOf(etcd) },
    ratio: spread(
      ours.map(({ callsPerSecond }, i) => callsPerSecond / (etcd[i]?.callsPerSecond ?? Number.NaN)),
    ),
  }));
  return {
    title: `Three nodes beside three of etcd ${version}: medians of ${rounds} rounds`,
    columns: [
      ...["call", "in flight", "ours/s", "etcd/s", "ours p50", "p99", "etcd p50", "p99"],
      ...["CPU leader", "follower", "etcd leader", "follower", "ratio (lowest to highest)"],
    ],
    rows: figures.map(({ call, inFlight, ours, etcd, ratio }) => [
      ...[call, String(inFlight), number(ours.callsPerSecond), number(etcd.callsPerSecond)],
      ...[millis(ours.p50), millis(ours.p99), millis(etcd.p50), millis(etcd.p99)],
      ...[micros(ours.leaderCpu), micros(ours.followerCpu)],
      ...[micros(etcd.leaderCpu), micros(etcd.followerCpu)],
      `${number(ratio.median, 2)} (${number(ratio.min, 2)} to ${number(ratio.max, 2)})`,
    ]),
    goals: GOALS.map(({ call, inFlight, ratio }) => {
      const line = figures.find((of) => of.call === call && of.inFlight === inFlight);
      const median = line?.ratio.median ?? Number.NaN;
      return {
        name: `${call}, ${inFlight} in flight: at least ${number(ratio, 1)} times etcd: ${number(median, 2)}`,
        reached: median >= ratio,
      };
    }),
    notes: [
      `write: one tuple, one put; batch: ${BATCH} tuples, ${2 * BATCH} puts; CPU is per call.`,
    ],
    figures,
  };
}

/** @param {readonly Figure[]} figures @returns {Figure} */
function mediansOf(figures) {
  const median = (/** @type {keyof Figure} */ key) =>
    spread(figures.map((figure) => figure[key])).median;
  return {
    ...{ callsPerSecond: median("callsPerSecond"), p50: median("p50"), p99: median("p99") },
    ...{ leaderCpu: median("leaderCpu"), followerCpu: median("followerCpu") },
  };
}
