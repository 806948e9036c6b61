/**
 * What changes of members cost while the cluster serves: a new node joins a group of a million tuples, and a node that
 * was away until the log had been cut behind it catches up. Then clients flood it. Memory of all nodes is watched all along,
 * and so are elections, of which nobody asks for any.
 *
 *     node bench/run.mjs members [--tuples 1000000] [--away 200000] [--keep 2]
 *
 * `--away`: tuples written while the node is away, far more than the `--keep` MiB of log that are kept for it. All the while,
 * one client writes and two check, at whoever leads.
 */
import { cluster as api } from "../packages/proto/dist/index.js";
import { importFollowing } from "./lib/importing.mjs";
import { heldText, startLedgerCluster, worstDelays } from "./lib/ledger-cluster.mjs";
import { createVault } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { forgetMemoryPeak, memory } from "./lib/processes.mjs";
import { mebibytes, number, progress } from "./lib/report.mjs";
import {
  checkRequest,
  importProblem,
  importRequest,
  TRANSACTION_OPERATIONS,
} from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { tuple } from "./lib/tuples.mjs";
import { byCode, play } from "./load/player.mjs";

const JOIN_SECONDS_MAX = 60;
const CATCH_UP_SECONDS_MAX = 180;
const WAIT_SECONDS_MAX = 600;
/** With a cache of 256 MiB, 16 MiB of entries that are not committed, 64 MiB of writes that wait, and what V8 leaves lying. */
const MEMORY_MIB_MAX = 1_536;
/** As close as a promotion demands. */
const CLOSE = 10n;
const LOOK_EVERY_MS = 100;
/** Calls that are played in one go. */
const STEP = 200;
/** Tuples of the client that writes all the while. */
const OWN_TUPLES_FROM = 50_000_000;
/** More than a node takes at a time, by requests and by bytes. */
const FLOOD_IN_FLIGHT = 2_000;
const FLOOD_CALLS = 4_000;
const FLOOD_CONNECTIONS = 4;
const FLOOD_TUPLES_FROM = 60_000_000;
const FLOOD_STALL_MS = 60_000;

/** @typedef {import("./lib/ledger-cluster.mjs").LedgerCluster} LedgerCluster */
/** @typedef {import("./lib/requests.mjs").VaultName} VaultName */
/** @typedef {{ readonly phase: string, readonly seconds: number, readonly nodes: Record<string, number> }} Phase `nodes`: the most memory, by name */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, { tuples: 1_000_000, away: 200_000, keep: 2 });
  const keep = ["--log-keep-bytes", `${options.keep}MiB`];
  const ledger = await startLedgerCluster(scratchDirectory("members"), { args: keep });
  try {
    return report(await measure(ledger, options));
  } finally {
    await ledger.kill();
  }
}

/**
 * @param {LedgerCluster} ledger
 * @param {{ tuples: number, away: number, keep: number }} options
 */
async function measure(ledger, options) {
  const { tuples, away } = options;
  const vault = await createVault(await ledger.leader());
  const { term } = await ledger.status();
  /** @type {Phase[]} */
  const phases = [];
  const phase = phasesOf(ledger, phases);
  await phase(`${number(tuples)} tuples are written`, () =>
    importFollowing(ledger, vault, 0, tuples),
  );
  const load = loadWhile(ledger, vault, tuples);
  const joiner = await phase("a new node joins, catches up and votes", async () => {
    const added = await ledger.add("n4");
    await promoted(ledger, added);
    return added;
  });
  await joiner.kill();
  await phase(`${number(away)} tuples are written while it is away`, () =>
    importFollowing(ledger, vault, tuples, tuples + away),
  );
  const bySnapshot = await phase("it comes back and catches up", async () => {
    await ledger.restart(joiner);
    return await caughtUp(ledger, joiner.name);
  });
  const served = await load.stop();
  const many = `${number(FLOOD_IN_FLIGHT)} large writes at a time`;
  const flood = await phase(many, async () => floodOf(await ledger.leader(), vault, 0));
  // Whoever passes calls on holds them meanwhile.
  const passed = await phase(`${many}, at a node that does not lead`, async () => {
    const leader = await ledger.leader();
    const other = ledger.nodes.find((node) => node.name !== leader.name);
    if (other === undefined) throw new Error("there is no other node");
    return floodOf(other, vault, 1);
  });
  const elections = Number((await ledger.status()).term - term);
  const delays = await worstDelays(ledger);
  return { ...options, phases, bySnapshot, served, flood, passed, elections, delays };
}

/**
 * Times what is done, and notes the most memory that each node had meanwhile.
 *
 * @param {LedgerCluster} ledger
 * @param {Phase[]} phases
 */
function phasesOf(ledger, phases) {
  /**
   * @template T
   * @param {string} name
   * @param {() => Promise<T>} work
   */
  return async (name, work) => {
    progress(`${name} ...`);
    for (const { pid } of ledger.nodes) forgetPeak(pid);
    const startedAt = performance.now();
    const result = await work();
    const seconds = (performance.now() - startedAt) / 1_000;
    /** @type {Record<string, number>} */
    const nodes = {};
    for (const node of ledger.nodes) {
      const bytes = peakOf(node.pid);
      if (bytes !== undefined) nodes[node.name] = bytes;
    }
    phases.push({ phase: name, seconds, nodes });
    progress(`  ${number(seconds, 1)} s, ${memoryText(nodes)}`);
    return result;
  };
}

/** A node that is away has none. @param {number} pid */
function peakOf(pid) {
  try {
    return memory(pid).residentBytesMax;
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function forgetPeak(pid) {
  if (peakOf(pid) !== undefined) forgetMemoryPeak(pid);
}

/** @param {Record<string, number>} nodes */
function memoryText(nodes) {
  return Object.entries(nodes)
    .map(([name, bytes]) => `${name} ${mebibytes(bytes)}`)
    .join(", ");
}

/**
 * Until a member votes: it must be close, and clients write on while it is asked whether it is.
 *
 * @param {LedgerCluster} ledger
 * @param {import("./lib/ledger-cluster.mjs").LedgerNode} node
 */
async function promoted(ledger, node) {
  const endAt = performance.now() + WAIT_SECONDS_MAX * 1_000;
  while (performance.now() < endAt) {
    await caughtUp(ledger, node.name);
    try {
      await ledger.promote(node);
      return;
    } catch (error) {
      if (!String(error).includes("NOT_CAUGHT_UP")) throw error;
    }
  }
  throw new Error(`${node.name} does not get its vote`);
}

/**
 * Until a member has what the leader has; did a snapshot bring it?
 *
 * @param {LedgerCluster} ledger
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
 * One client writes and two check, one call after the other at whoever leads, for as long as it takes.
 *
 * @param {LedgerCluster} ledger
 * @param {VaultName} vault
 * @param {number} tuples
 */
function loadWhile(ledger, vault, tuples) {
  let isOver = false;
  const counts = { writes: 0, checks: 0 };
  /** @type {Record<string, number>} */
  const errors = {};
  let next = OWN_TUPLES_FROM;
  /**
   * @param {"writes" | "checks"} kind
   * @param {number} inFlight
   * @param {(i: number) => import("./load/connection.mjs").Request} requests
   */
  const client = async (kind, inFlight, requests) => {
    while (!isOver) {
      const { host, port } = await ledger.leader();
      const result = await play({ host, port, requests, inFlight, calls: STEP });
      counts[kind] += result.calls;
      for (const [why, count] of Object.entries(byCode(result.errors))) {
        errors[why] = (errors[why] ?? 0) + count;
      }
    }
  };
  const write = () => importRequest(vault, next, ++next);
  const check = (/** @type {number} */ i) =>
    checkRequest(vault, tuple((counts.checks + i) % tuples));
  const work = Promise.allSettled([client("writes", 1, write), client("checks", 2, check)]);
  return {
    stop: async () => {
      isOver = true;
      const failed = (await work).find(({ status }) => status === "rejected");
      if (failed?.status === "rejected") throw failed.reason;
      return { ...counts, errors };
    },
  };
}

/**
 * Far more large writes at a time than a node takes: what is too much is refused at once, and the rest is written.
 *
 * @param {{ host: string, port: number }} node
 * @param {VaultName} vault
 * @param {number} round each writes tuples of its own
 */
async function floodOf({ host, port }, vault, round) {
  const size = TRANSACTION_OPERATIONS;
  const first = FLOOD_TUPLES_FROM + round * FLOOD_CALLS * size;
  const { calls, errors } = await play({
    ...{ host, port, inFlight: FLOOD_IN_FLIGHT, connections: FLOOD_CONNECTIONS },
    ...{ calls: FLOOD_CALLS, stallMs: FLOOD_STALL_MS },
    requests: (i) => {
      const from = first + i * size;
      return importRequest(vault, from, from + size);
    },
    check: (message) => importProblem(message, size),
  });
  const { OVERLOADED: refused = 0, ...others } = byCode(errors);
  return { written: calls, refused, others };
}

/**
 * @param {Awaited<ReturnType<typeof measure>>} measured
 * @returns {import("./lib/report.mjs").Report}
 */
function report(measured) {
  const { tuples, phases, bySnapshot, served, flood, passed, elections, delays } = measured;
  const [, join, , back] = phases;
  const joinSeconds = join?.seconds ?? Number.NaN;
  const backSeconds = back?.seconds ?? Number.NaN;
  const most = Math.max(...phases.flatMap(({ nodes }) => Object.values(nodes)));
  const unexpected = Object.entries(flood.others);
  return {
    title: `Members of a cluster with ${number(tuples)} tuples`,
    columns: ["what", "seconds", "most memory of each node"],
    rows: phases.map(({ phase, seconds, nodes }) => [phase, number(seconds, 1), memoryText(nodes)]),
    goals: [
      {
        name: `a node joins in under ${JOIN_SECONDS_MAX} s: ${number(joinSeconds, 1)} s`,
        reached: joinSeconds < JOIN_SECONDS_MAX,
      },
      {
        name: `a node that the log was cut behind catches up in under ${CATCH_UP_SECONDS_MAX} s: ${number(backSeconds, 1)} s, ${bySnapshot ? "by a snapshot" : "from the log, which was not cut"}`,
        reached: bySnapshot && backSeconds < CATCH_UP_SECONDS_MAX,
      },
      {
        name: `memory stays under ${MEMORY_MIB_MAX} MiB: ${mebibytes(most)}`,
        reached: most < MEMORY_MIB_MAX * 2 ** 20,
      },
      {
        name: `of ${number(FLOOD_CALLS)} writes in the flood, those beyond the limits are refused as overload and nothing else fails: ${flood.refused} refused, ${unexpected.length} other reasons`,
        reached: flood.refused > 0 && unexpected.length === 0,
      },
      { name: `no election that nobody asked for: ${elections}`, reached: elections === 0 },
    ],
    notes: [
      `served meanwhile: ${number(served.checks)} checks, ${number(served.writes)} writes, errors ${JSON.stringify(served.errors)}`,
      `flood: ${number(flood.written)} writes of ${TRANSACTION_OPERATIONS} tuples taken, ${JSON.stringify(flood.others)}`,
      `flood at another node: ${number(passed.written)} taken, ${passed.refused} refused, ${JSON.stringify(passed.others)}`,
      `longest that a node's event loop was held: ${heldText(delays)}`,
    ],
    figures: measured,
  };
}
