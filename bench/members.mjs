/**
 * What changes of members cost while the cluster serves: a new node joins a group of a million tuples, and a node that
 * was away until the log had been cut behind it catches up. Memory of the leader is watched all the time.
 *
 *     node bench/run.mjs members [--tuples 1000000] [--away 400000]
 *
 * `--away`: tuples written while the node is away. Meanwhile and while nodes catch up, clients write and check.
 */
import { cluster as api } from "../packages/proto/dist/index.js";
import { fill, importTuples } from "./lib/importing.mjs";
import { startLedgerCluster } from "./lib/ledger-cluster.mjs";
import { createVault } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { memory } from "./lib/processes.mjs";
import { mebibytes, number, progress } from "./lib/report.mjs";
import { checkRequest } from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { tuple } from "./lib/tuples.mjs";
import { allGood, play } from "./load/player.mjs";

const JOIN_SECONDS_MAX = 60;
const CATCH_UP_SECONDS_MAX = 180;
const WAIT_SECONDS_MAX = 600;
/** As close as a promotion demands. */
const CLOSE = 10n;
const LOOK_EVERY_MS = 100;
/** Whole transactions of 1,000. */
const STEP = 1_000;

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, { tuples: 1_000_000, away: 400_000 });
  const ledger = await startLedgerCluster(scratchDirectory("members"));
  try {
    const leader = await ledger.leader();
    const vault = await createVault(leader);
    progress(`writing ${number(options.tuples)} tuples ...`);
    const filledAt = performance.now();
    await fill(leader, vault, options.tuples);
    const fillSeconds = (performance.now() - filledAt) / 1_000;
    const atStart = memory(leader.pid).residentBytes;

    progress("a new node joins ...");
    const load = checksWhile(leader, vault, options.tuples);
    const joinedAt = performance.now();
    const joiner = await ledger.add("n4");
    await caughtUp(ledger, joiner.name);
    await ledger.promote(joiner);
    const joinSeconds = (performance.now() - joinedAt) / 1_000;

    progress(`${joiner.name} is away while ${number(options.away)} tuples are written ...`);
    await joiner.kill();
    const from = options.tuples;
    await importTuples(leader, vault, from, from + options.away);
    progress("it comes back ...");
    const backAt = performance.now();
    await ledger.restart(joiner);
    const bySnapshot = await caughtUp(ledger, joiner.name);
    const catchUpSeconds = (performance.now() - backAt) / 1_000;
    const checks = await load.stop();
    const most = memory(leader.pid).residentBytesMax;
    return report({
      ...{ ...options, fillSeconds, joinSeconds, catchUpSeconds, bySnapshot, checks },
      ...{ atStart, most },
    });
  } finally {
    await ledger.kill();
  }
}

/**
 * Until a member has what the leader has; did a snapshot bring it?
 *
 * @param {import("./lib/ledger-cluster.mjs").LedgerCluster} ledger
 * @param {string} name
 */
async function caughtUp(ledger, name) {
  const endAt = performance.now() + WAIT_SECONDS_MAX * 1_000;
  let bySnapshot = false;
  while (performance.now() < endAt) {
    const { members, lastIndex } = await ledger.status();
    const member = members.find((each) => each.name === name);
    if (member?.replication === api.ReplicationState.REPLICATION_STATE_SNAPSHOT) bySnapshot = true;
    const isClose = (member?.matchIndex ?? 0n) + CLOSE >= lastIndex;
    if (isClose && member?.isActive === true) return bySnapshot;
    await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
  }
  throw new Error(`${name} does not catch up`);
}

/**
 * Checks one after the other for as long as it takes.
 *
 * @param {{ host: string, port: number }} node
 * @param {import("./lib/requests.mjs").VaultName} vault
 * @param {number} tuples
 */
function checksWhile({ host, port }, vault, tuples) {
  let isOver = false;
  let calls = 0;
  const work = (async () => {
    while (!isOver) {
      const requests = (/** @type {number} */ i) =>
        checkRequest(vault, tuple((calls + i) % tuples));
      calls += allGood(await play({ host, port, requests, inFlight: 2, calls: STEP })).calls;
    }
  })();
  return {
    stop: async () => {
      isOver = true;
      await work;
      return calls;
    },
  };
}

/**
 * @param {{ tuples: number, away: number, fillSeconds: number, joinSeconds: number, catchUpSeconds: number, bySnapshot: boolean, checks: number, atStart: number, most: number }} measured
 * @returns {import("./lib/report.mjs").Report}
 */
function report(measured) {
  const { tuples, away, fillSeconds, joinSeconds, catchUpSeconds, bySnapshot, checks } = measured;
  const { atStart, most } = measured;
  return {
    title: `Members of a cluster with ${number(tuples)} tuples`,
    columns: ["what", "figure"],
    rows: [
      ["import by three nodes", `${number(tuples / fillSeconds)} tuples/s`],
      ["a new node joins, catches up and votes", `${number(joinSeconds, 1)} s`],
      [
        `a node catches up with ${number(away)} tuples, ${bySnapshot ? "by a snapshot" : "from the log"}`,
        `${number(catchUpSeconds, 1)} s`,
      ],
      ["checks answered meanwhile", number(checks)],
      ["memory of the leader, after the import", mebibytes(atStart)],
      ["memory of the leader, highest", mebibytes(most)],
    ],
    goals: [
      {
        name: `a node joins in under ${JOIN_SECONDS_MAX} s: ${number(joinSeconds, 1)} s`,
        reached: joinSeconds < JOIN_SECONDS_MAX,
      },
      {
        name: `a node that the log was cut behind catches up in under ${CATCH_UP_SECONDS_MAX} s: ${number(catchUpSeconds, 1)} s`,
        reached: bySnapshot && catchUpSeconds < CATCH_UP_SECONDS_MAX,
      },
    ],
    figures: measured,
  };
}
