/**
 * The node under load: every main call at 1, 16, 64 and 256 in flight, played by the raw player over one connection,
 * beside an empty handler of the same gRPC library in the same rounds.
 *
 *     node bench/run.mjs node [--tuples 100000] [--rounds 5] [--milliseconds 1000]
 *
 * Recorded requests are played again and again, so the node remembers the meaning of the checks (see check.mjs);
 * writes are new tuples each time. All answers of the recorded requests are verified once before anything is timed,
 * those of writes while they are made ready. The load is a closed loop, and the player has the second of two cores.
 */
import { read, write } from "../packages/proto/dist/index.js";
import { fill } from "./lib/importing.mjs";
import { createVault, startNode } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { spread } from "./lib/pairs.mjs";
import { startServer } from "./lib/processes.mjs";
import { micros, millis, number, progress } from "./lib/report.mjs";
import {
  batchCheckRequest,
  batchReadRequest,
  batchWriteRequest,
  checkRequest,
  entityKey,
  importRequest,
  listRequest,
  readRequest,
  setEntitiesRequest,
} from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { randomNumbers, tuple } from "./lib/tuples.mjs";
import { EMPTY_SERVER, EMPTY_SERVER_READY } from "./load/empty-server-address.mjs";
import { allGood, callOnce, play } from "./load/player.mjs";

const IN_FLIGHT = [1, 16, 64, 256];
const BATCH = 100;
const ENTITIES = 10_000;
const RECORDED = { single: 10_000, batch: 500 };
const WARM_UP_MS = 300;
const EMPTY = "empty handler";
/** Where latency is promised (design targets of the project), in microseconds. */
const LATENCY_GOALS = [
  { name: "Check", p99: 2_000 },
  { name: "Write", p99: 50_000 },
];
const LATENCY_IN_FLIGHT = [1, 16];
const CHECKS_PER_SECOND_MIN = 100_000;

/** @typedef {import("./load/connection.mjs").Request} Request */
/** @typedef {import("./load/player.mjs").PlayResult} PlayResult */
/** @typedef {import("./lib/requests.mjs").VaultName} VaultName */
/**
 * @typedef {{
 *   readonly name: string,
 *   readonly items: number,
 *   readonly requests: readonly Request[] | ((index: number) => Request),
 *   readonly check?: (message: Buffer, index: number) => string | undefined,
 *   readonly target: { readonly port: number, readonly pid: number },
 * }} Subject `items`: what one call asks for; `requests`: a recording, or a function that makes a new request each time
 */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, { tuples: 100_000, rounds: 5, milliseconds: 1_000 });
  const node = await startNode(scratchDirectory("node"));
  try {
    const vault = await createVault(node);
    progress(`importing ${number(options.tuples)} tuples and ${number(ENTITIES)} entities ...`);
    await fill(node, vault, options.tuples);
    await fillEntities(node, vault);
    const subjects = subjectsOf(vault, node, options.tuples);
    for (const subject of subjects) await verify(subject);
    const answer = await callOnce(node, checkRequest(vault, tuple(0)));
    const empty = await startServer(process.execPath, [EMPTY_SERVER, answer.toString("hex")], {
      ready: EMPTY_SERVER_READY,
    });
    try {
      const target = { port: Number(empty.ready[1]), pid: empty.pid };
      const { requests } = /** @type {Subject} */ (subjects[0]);
      return await measure([{ name: EMPTY, items: 1, requests, target }, ...subjects], options);
    } finally {
      await empty.kill();
    }
  } finally {
    await node.kill();
  }
}

/** @param {{ host: string, port: number }} node @param {VaultName} vault */
async function fillEntities({ host, port }, vault) {
  const step = 1_000;
  const requests = Array.from({ length: ENTITIES / step }, (_, i) =>
    setEntitiesRequest(vault, i * step, (i + 1) * step),
  );
  allGood(await play({ host, port, requests, calls: requests.length }));
}

/**
 * @param {VaultName} vault
 * @param {{ port: number, pid: number }} target
 * @param {number} tuples stored; new ones are written behind them
 * @returns {Subject[]} Check first
 */
function subjectsOf(vault, target, tuples) {
  const random = randomNumbers(5);
  const some = (/** @type {number} */ count, /** @type {number} */ below) =>
    Array.from({ length: count }, () => random(below));
  const { single, batch } = RECORDED;
  const checks = some(single, tuples);
  const checkBatches = Array.from({ length: batch }, () => some(BATCH, tuples));
  const reads = some(single, ENTITIES);
  const readBatches = Array.from({ length: batch }, () => some(BATCH, ENTITIES));
  let next = tuples;
  const allowed = (/** @type {Buffer} */ message) =>
    read.CheckResponse.decode(message).allowed ? undefined : "not allowed";
  return [
    {
      ...{ name: "Check", items: 1, target, check: allowed },
      requests: checks.map((i) => checkRequest(vault, tuple(i))),
    },
    {
      ...{ name: "Check with proof", items: 1, target },
      requests: checks.map((i) => checkRequest(vault, tuple(i), { prove: true })),
      check: (message) =>
        read.CheckResponse.decode(message).proof === undefined ? "no proof" : allowed(message),
    },
    {
      ...{ name: `BatchCheck of ${BATCH}`, items: BATCH, target },
      requests: checkBatches.map((some) => batchCheckRequest(vault, some.map(tuple))),
      check: (message) => {
        const answers = read.BatchCheckResponse.decode(message).allowed;
        return answers.length === BATCH && answers.every(Boolean) ? undefined : "not allowed";
      },
    },
    {
      ...{ name: "Read", items: 1, target },
      requests: reads.map((i) => readRequest(vault, i)),
      check: (message, i) =>
        read.ReadResponse.decode(message).entity?.key === entityKey(reads[i] ?? -1)
          ? undefined
          : "another entity",
    },
    {
      ...{ name: `BatchRead of ${BATCH}`, items: BATCH, target },
      requests: readBatches.map((some) => batchReadRequest(vault, some)),
      check: (message, i) =>
        read.BatchReadResponse.decode(message).results.every(
          ({ entity }, k) => entity?.key === entityKey(readBatches[i]?.[k] ?? -1),
        )
          ? undefined
          : "another entity",
    },
    {
      ...{ name: "ListRelationships", items: 1, target },
      requests: checks.map((i) => listRequest(vault, tuple(i).subject)),
      check: (message, i) => {
        const { resource } = tuple(checks[i] ?? -1);
        const { relationships } = read.ListRelationshipsResponse.decode(message);
        const found = relationships.some(({ tuple: listed }) => listed?.resource === resource);
        return found ? undefined : "the tuple is not in the list";
      },
    },
    {
      ...{ name: "Write", items: 1, target },
      requests: () => importRequest(vault, next, ++next),
      check: (message) => created(write.WriteResponse.decode(message).result),
    },
    {
      ...{ name: `BatchWrite of ${BATCH}`, items: BATCH, target },
      requests: () => {
        next += BATCH;
        return batchWriteRequest(vault, next - BATCH, next);
      },
      check: (message) => {
        const { results } = write.BatchWriteResponse.decode(message);
        if (results.length !== BATCH) return "results missing";
        for (const { outcome } of results) {
          if (outcome?.$case !== "applied") return "a transaction was refused";
          const problem = created(outcome.value);
          if (problem !== undefined) return problem;
        }
        return undefined;
      },
    },
  ];
}

/** @param {write.TransactionResult | undefined} result */
function created(result) {
  const { OPERATION_STATUS_CREATED: expected } = write.OperationStatus;
  return result?.statuses.every((status) => status === expected) ? undefined : "not created";
}

/** Every recorded request is answered rightly. @param {Subject} subject */
async function verify({ requests, check, target }) {
  const calls = typeof requests === "function" ? 100 : requests.length;
  const common = { host: "127.0.0.1", port: target.port, requests, calls, inFlight: 16 };
  allGood(await play({ ...common, ...(check && { check }) }));
}

/**
 * @param {readonly Subject[]} subjects
 * @param {{ rounds: number, milliseconds: number }} options
 */
async function measure(subjects, { rounds, milliseconds }) {
  /** @type {{ name: string, items: number, inFlight: number, results: PlayResult[] }[]} */
  const lines = [];
  for (const inFlight of IN_FLIGHT) {
    progress(`${inFlight} in flight ...`);
    const own = subjects.map(({ name, items }) => ({
      ...{ name, items, inFlight },
      results: /** @type {PlayResult[]} */ ([]),
    }));
    for (const subject of subjects) await playOnce(subject, inFlight, WARM_UP_MS);
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < subjects.length; i++) {
        const at = (round + i) % subjects.length;
        const result = await playOnce(subjects[at], inFlight, milliseconds);
        own[at]?.results.push(result);
      }
    }
    lines.push(...own);
  }
  return report(lines, rounds);
}

/** @param {Subject | undefined} subject @param {number} inFlight @param {number} milliseconds */
async function playOnce(subject, inFlight, milliseconds) {
  const { requests, target } = /** @type {Subject} */ (subject);
  return allGood(
    await play({
      ...{ host: "127.0.0.1", port: target.port, requests, inFlight },
      ...{ seconds: milliseconds / 1_000, serverPids: [target.pid] },
    }),
  );
}

/**
 * @param {readonly { name: string, items: number, inFlight: number, results: readonly PlayResult[] }[]} lines
 * @param {number} rounds
 * @returns {import("./lib/report.mjs").Report}
 */
function report(lines, rounds) {
  const figures = lines.map(({ name, items, inFlight, results }) => {
    const median = (/** @type {(result: PlayResult) => number} */ of) =>
      spread(results.map(of)).median;
    const empty = /** @type {typeof lines[number]} */ (
      lines.find((line) => line.name === EMPTY && line.inFlight === inFlight)
    );
    return {
      ...{ name, items, inFlight },
      callsPerSecond: median(({ callsPerSecond }) => callsPerSecond),
      p50: median(({ latency }) => latency.quantile(0.5)),
      p99: median(({ latency }) => latency.quantile(0.99)),
      serverCpu: median(cpuOf),
      playerCpu: median(({ clientCpuMicros }) => clientCpuMicros),
      ratio: spread(results.map((result, i) => cpuOf(result) / cpuOf(empty.results[i]))).median,
    };
  });
  const best = Math.max(
    ...figures
      .filter(({ name }) => name.startsWith("BatchCheck"))
      .map(({ callsPerSecond, items }) => callsPerSecond * items),
  );
  return {
    title: `The node under load: medians of ${rounds} rounds, one connection`,
    columns: [
      ...["call", "in flight", "calls/s", "items/s", "p50", "p99"],
      ...["server CPU", "player CPU", "CPU / empty handler"],
    ],
    rows: figures.map((line) => [
      ...[line.name, String(line.inFlight), number(line.callsPerSecond)],
      line.items === 1 ? "" : number(line.callsPerSecond * line.items),
      ...[millis(line.p50), millis(line.p99), micros(line.serverCpu), micros(line.playerCpu)],
      number(line.ratio, 2),
    ]),
    goals: [
      ...LATENCY_GOALS.flatMap((goal) =>
        LATENCY_IN_FLIGHT.map((inFlight) => {
          const line = figures.find((of) => of.name === goal.name && of.inFlight === inFlight);
          const p99 = line?.p99 ?? Number.NaN;
          return {
            name: `${goal.name}, ${inFlight} in flight: p99 below ${millis(goal.p99)}: ${millis(p99)}`,
            reached: p99 < goal.p99,
          };
        }),
      ),
      {
        name: `${number(CHECKS_PER_SECOND_MIN)} checks/s in batches of ${BATCH}: ${number(best)}`,
        reached: best >= CHECKS_PER_SECOND_MIN,
      },
    ],
    notes: ["CPU is per call; latencies are those of a closed loop."],
    figures,
  };
}

/** @param {PlayResult | undefined} result */
function cpuOf(result) {
  return result?.serverCpuMicros ?? Number.NaN;
}
