/**
 * How long a cluster takes no writes: from kill -9 of the leader to the first write that is accepted again, ours beside
 * etcd's, both at their default settings; planned transfers of ours; and elections that nobody asked for under load.
 *
 *     node bench/run.mjs failover [--trials 15] [--minutes 1]
 *
 * After the kill every survivor is sent a new write each 10 ms, each on a connection of its own, and the first that is
 * answered well counts. The killed node is started again and has caught up before the next trial.
 */

import { etcdVersion, startEtcd } from "./lib/etcd.mjs";
import { putProblem, putRequest } from "./lib/etcd-requests.mjs";
import { heldText, metricOf, startLedgerCluster, worstDelays } from "./lib/ledger-cluster.mjs";
import { createVault } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { spread } from "./lib/pairs.mjs";
import { number, progress } from "./lib/report.mjs";
import { importProblem, importRequest } from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { allGood, byCode, play } from "./load/player.mjs";

const PROBE_EVERY_MS = 10;
const TRANSFER_PROBE_EVERY_MS = 2;
const RECOVERED_MS_MAX = 30_000;
/** A node that was started again has caught up and everything is quiet. */
const REST_MS = 2_500;
const FAILOVER_MS_MAX = 700;
const TRANSFER_MS_MAX = 50;
const TRANSFERS_REFUSED_MAX = 10;
/** So many clients write while elections are counted: enough to keep the machine busy. */
const CALM_IN_FLIGHT = 16;
const PART_SECONDS = 10;

/** @typedef {{ readonly host: string, readonly port: number, readonly pid: number, kill(): Promise<void> }} Server */
/**
 * @typedef {{
 *   readonly name: string,
 *   servers(): readonly Server[],
 *   leader(): Promise<Server>,
 *   restart(server: Server): Promise<unknown>,
 *   write(): import("./load/connection.mjs").Request,
 *   readonly check: (message: Buffer) => string | undefined,
 * }} Side
 */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, { trials: 15, minutes: 1 });
  const version = etcdVersion();
  const ours = await startLedgerCluster(scratchDirectory("failover"));
  const etcd = await startEtcd(scratchDirectory("failover-etcd"));
  try {
    const sides = [await ourSide(ours), etcdSide(etcd)];
    const elections = await countElections(ours, /** @type {Side} */ (sides[0]), options.minutes);
    const failovers = sides.map(() => /** @type {number[]} */ ([]));
    for (let trial = 0; trial < options.trials; trial++) {
      progress(`trial ${trial + 1} of ${options.trials} ...`);
      for (const [i, side] of sides.entries()) failovers[i]?.push(await failover(side));
    }
    const transfers = [];
    for (let trial = 0; trial < options.trials; trial++) {
      transfers.push(await transfer(ours, /** @type {Side} */ (sides[0])));
    }
    return report({ failovers, transfers, elections, ...options, version });
  } finally {
    await Promise.all([ours.kill(), etcd.kill()]);
  }
}

/** @param {import("./lib/ledger-cluster.mjs").LedgerCluster} cluster @returns {Promise<Side>} */
async function ourSide(cluster) {
  const vault = await createVault(await cluster.leader());
  let next = 0;
  return {
    name: "authledger",
    servers: () => cluster.nodes,
    leader: () => cluster.leader(),
    restart: (server) =>
      cluster.restart(/** @type {import("./lib/ledger-cluster.mjs").LedgerNode} */ (server)),
    write: () => importRequest(vault, next, ++next),
    check: (message) => importProblem(message, 1),
  };
}

/** @param {import("./lib/etcd.mjs").EtcdCluster} cluster @returns {Side} */
function etcdSide(cluster) {
  let next = 0;
  return {
    name: "etcd",
    servers: () => cluster.members,
    leader: () => cluster.leader(),
    restart: (server) => cluster.restart(/** @type {import("./lib/etcd.mjs").Member} */ (server)),
    write: () => putRequest(next++),
    check: putProblem,
  };
}

/** Milliseconds without writes when the leader is killed. @param {Side} side */
async function failover(side) {
  await writeOnce(side, await side.leader());
  const leader = await side.leader();
  const survivors = side.servers().filter((server) => server !== leader);
  const startedAt = performance.now();
  const killed = leader.kill();
  const ms = await firstWrite(side, survivors, startedAt, PROBE_EVERY_MS);
  await killed;
  await side.restart(leader);
  await new Promise((done) => setTimeout(done, REST_MS));
  return ms;
}

/**
 * Milliseconds from asking for a transfer to the first write that the new leader accepts. A leader keeps the leadership when
 * the other has not taken it within an election timeout, as on a machine that is too busy; then it is asked again.
 *
 * @param {import("./lib/ledger-cluster.mjs").LedgerCluster} cluster
 * @param {Side} side
 */
async function transfer(cluster, side) {
  for (let refused = 0; ; refused++) {
    const leader = await cluster.leader();
    const target = cluster.nodes.find((node) => node !== leader);
    if (target === undefined) throw new Error("there is nobody to lead");
    await writeOnce(side, leader);
    const given = new AbortController();
    const startedAt = performance.now();
    const taken = firstWrite(side, [target], startedAt, TRANSFER_PROBE_EVERY_MS, given.signal);
    try {
      const [ms] = await Promise.all([taken, cluster.transferTo(target)]);
      await new Promise((rest) => setTimeout(rest, REST_MS / 5));
      return { ms, refused };
    } catch (error) {
      given.abort();
      if (refused >= TRANSFERS_REFUSED_MAX || !String(error).includes("TRANSFER_FAILED"))
        throw error;
    }
  }
}

/**
 * @param {Side} side
 * @param {readonly Server[]} servers
 * @param {number} startedAt
 * @param {number} everyMs
 * @param {AbortSignal} [signal] nobody waits any more
 * @returns {Promise<number>} milliseconds since `startedAt`
 */
function firstWrite(side, servers, startedAt, everyMs, signal) {
  return new Promise((resolve, reject) => {
    const probe = setInterval(() => {
      if (signal?.aborted) clearInterval(probe);
      if (performance.now() - startedAt > RECOVERED_MS_MAX) {
        clearInterval(probe);
        reject(new Error(`${side.name} takes no writes after ${RECOVERED_MS_MAX} ms`));
        return;
      }
      for (const server of servers) {
        writeOnce(side, server).then(
          () => {
            clearInterval(probe);
            resolve(performance.now() - startedAt);
          },
          () => undefined,
        );
      }
    }, everyMs);
  });
}

/** @param {Side} side @param {Server} server */
async function writeOnce(side, { host, port }) {
  allGood(await play({ host, port, requests: [side.write()], calls: 1, check: side.check }));
}

/**
 * Terms that began, on whichever node, while clients wrote without a pause and nothing was broken; and how long the loops of
 * the nodes were held, which is what ends a leadership on a machine that is too busy.
 *
 * @param {import("./lib/ledger-cluster.mjs").LedgerCluster} cluster
 * @param {Side} side
 * @param {number} minutes
 */
async function countElections(cluster, side, minutes) {
  const before = await newestTerm(cluster);
  const endAt = performance.now() + minutes * 60_000;
  let calls = 0;
  /** @type {Record<string, number>} */
  const errors = {};
  for (let minute = 1; performance.now() < endAt; minute++) {
    // At whoever leads: when the leadership moves, the rest of a part is refused.
    for (let part = 0; part < 60 / PART_SECONDS && performance.now() < endAt; part++) {
      const { host, port } = await cluster.leader();
      const requests = () => side.write();
      const played = await play({
        ...{ host, port, requests, inFlight: CALM_IN_FLIGHT, seconds: PART_SECONDS },
      });
      calls += played.calls;
      for (const [why, count] of Object.entries(byCode(played.errors))) {
        errors[why] = (errors[why] ?? 0) + count;
      }
    }
    const elections = (await newestTerm(cluster)) - before;
    const held = heldText(await worstDelays(cluster));
    progress(
      `minute ${minute} of ${minutes}: ${number(calls)} writes, ${elections} elections, held for ${held}`,
    );
  }
  const count = (await newestTerm(cluster)) - before;
  return { count, calls, errors, delays: await worstDelays(cluster) };
}

/** @param {import("./lib/ledger-cluster.mjs").LedgerCluster} cluster */
async function newestTerm({ nodes }) {
  const terms = await Promise.all(nodes.map((node) => metricOf(node, "authledger_raft_term")));
  return Math.max(...terms);
}

/**
 * @param {{ failovers: readonly (readonly number[])[], transfers: readonly { readonly ms: number, readonly refused: number }[], elections: Awaited<ReturnType<typeof countElections>>, trials: number, minutes: number, version: string }} measured
 * @returns {import("./lib/report.mjs").Report}
 */
function report({ failovers, transfers, elections, trials, minutes, version }) {
  const [ours = [], etcd = []] = failovers;
  const lines = [
    { name: "failover, authledger", spread: spread(ours) },
    { name: `failover, etcd ${version}`, spread: spread(etcd) },
    { name: "planned transfer, authledger", spread: spread(transfers.map(({ ms }) => ms)) },
  ];
  const failoverMs = spread(ours).median;
  const transferMs = spread(transfers.map(({ ms }) => ms)).median;
  const refused = transfers.reduce((sum, each) => sum + each.refused, 0);
  return {
    title: `Without a leader: ${trials} trials each, in milliseconds until the first accepted write`,
    columns: ["what", "lowest", "median", "highest"],
    rows: lines.map(({ name, spread: { min, median, max } }) => [
      ...[name, number(min), number(median), number(max)],
    ]),
    goals: [
      {
        name: `median failover under ${FAILOVER_MS_MAX} ms: ${number(failoverMs)} ms`,
        reached: failoverMs < FAILOVER_MS_MAX,
      },
      {
        name: `planned transfer under ${TRANSFER_MS_MAX} ms: ${number(transferMs, 1)} ms`,
        reached: transferMs < TRANSFER_MS_MAX,
      },
      {
        name: `no election in ${minutes} minutes of load (${number(elections.calls)} writes): ${elections.count}`,
        reached: elections.count === 0,
      },
    ],
    notes: [
      "Election timeout: ours 300 to 600 ms, etcd's 1,000 to 2,000 ms; heartbeats each 75 and each 100 ms.",
      `Transfers that were asked for again, since the first leader kept the leadership: ${refused}`,
      `Under load, longest that a node's event loop was held: ${heldText(elections.delays)}; errors ${JSON.stringify(elections.errors)}`,
    ],
    figures: { failovers, transfers, elections },
  };
}
