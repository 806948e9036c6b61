/**
 * What a node's guards cost a unary Check: one run under the raw player against three nodes with the same data, whose
 * rounds alternate:
 *
 *   bare     no gate: nobody is asked who he is, nothing is limited, logged or traced (frames, decoding and counting of
 *            calls are there: they are the server itself)
 *   guarded  an API key in every call, roles, rate limits for node and client, metrics, the call log at its default shares
 *   traced   the same, with a trace of 1 % of the calls sent to a collector that takes everything; it takes turns with itself,
 *            the share being changed to nothing and back by a call, since two processes differ by more than what is looked for
 *
 *     node bench/run.mjs overhead [--tuples 10000] [--in-flight 64] [--calls 40000] [--rounds 7]
 */
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { admin, read } from "../packages/proto/dist/index.js";
import { createVault } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { showSpread, spread } from "./lib/pairs.mjs";
import { startServer } from "./lib/processes.mjs";
import { micros, millis, number, progress } from "./lib/report.mjs";
import { checkRequest, importRequest } from "./lib/requests.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { tuple } from "./lib/tuples.mjs";
import { allGood, play } from "./load/player.mjs";

const READY = /^listening grpc=(\S+):(\d+) http=\S+ pid=(\d+)/m;
const VARIANT = fileURLToPath(new URL("load/node-variant.mjs", import.meta.url));
const WARM_UPS = 3;
const STEP = 1_000;
/** Far above what is played, so that every call is weighed and none is refused. */
const RATE = 1_000_000;
const GUARDED_MIN = 0.75;
const TRACED = 0.01;
const TRACED_MIN = 0.97;

/** @typedef {import("./load/player.mjs").PlayResult} PlayResult */
/** @typedef {{ name: string, config: object, isBare?: boolean }} Variant */
/** @typedef {{ name: string, play: () => Promise<PlayResult>, setTraceRate: (share: number) => Promise<void>, stop: () => Promise<void> }} Contestant */

/**
 * @param {readonly string[]} args
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
export async function run(args) {
  const options = numbersOf(args, { tuples: 10_000, "in-flight": 64, calls: 40_000, rounds: 7 });
  const collector = await startCollector();
  const guards = { auth: true, rateNodeReads: RATE, rateClientReads: RATE };
  const otlpEndpoint = `http://127.0.0.1:${collector.port}`;
  /** @type {Variant[]} */
  const variants = [
    { name: "bare", config: {}, isBare: true },
    { name: "guarded", config: guards },
    { name: "traced", config: { ...guards, otlpEndpoint } },
  ];
  /** @type {Contestant[]} */
  const contestants = [];
  try {
    for (const variant of variants) contestants.push(await prepare(variant, options));
    contestants.push(...inTurns(/** @type {Contestant} */ (contestants.pop())));
    return await compare(contestants, options, () => collector.requests());
  } finally {
    for (const { stop } of contestants) await stop();
    collector.close();
  }
}

/** One node as two: traces off, and 1 % of the calls traced. @param {Contestant} node @returns {Contestant[]} */
function inTurns(node) {
  const tracing = async (/** @type {number} */ share) => {
    await node.setTraceRate(share);
    return node.play();
  };
  return [
    { ...node, name: "traces off", play: () => tracing(0), stop: async () => undefined },
    { ...node, play: () => tracing(TRACED) },
  ];
}

/** Takes everything, and keeps nothing. */
async function startCollector() {
  let requests = 0;
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      requests++;
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port, requests: () => requests, close };
}

/**
 * @param {Variant} variant
 * @param {{ tuples: number, "in-flight": number, calls: number }} options
 * @returns {Promise<Contestant>}
 */
async function prepare({ name, config, isBare }, { tuples, "in-flight": inFlight, calls }) {
  progress(`starting the ${name} node ...`);
  const data = scratchDirectory(`overhead-${name}`);
  mkdirSync(data, { recursive: true });
  const addresses = { listen: "127.0.0.1:0", http: "127.0.0.1:0" };
  const given = JSON.stringify({ data, ...addresses, ...config });
  const server = await startServer(process.execPath, [VARIANT, given, isBare ? "bare" : ""], {
    ready: READY,
  });
  const metadata = isBare ? {} : { authorization: `Bearer ${rootKey(data)}` };
  const address = { host: String(server.ready[1]), port: Number(server.ready[2]), metadata };
  const vault = await createVault(address);
  const imports = Array.from({ length: tuples / STEP }, (_, i) =>
    importRequest(vault, i * STEP, (i + 1) * STEP),
  );
  allGood(await play({ ...address, requests: imports, calls: imports.length }));
  const requests = Array.from({ length: tuples }, (_, i) => checkRequest(vault, tuple(i)));
  /** @param {Buffer} message */
  const check = (message) =>
    read.CheckResponse.decode(message).allowed ? undefined : "not allowed";
  allGood(await play({ ...address, requests, calls: requests.length, inFlight, check }));
  return {
    name,
    play: async () =>
      allGood(await play({ ...address, requests, calls, inFlight, serverPids: [server.pid] })),
    setTraceRate: async (share) => {
      const update = admin.UpdateConfigRequest.fromPartial({ values: { traceRate: `${share}` } });
      const message = admin.UpdateConfigRequest.encode(update).finish();
      const { path } = admin.AdminServiceService.updateConfig;
      allGood(await play({ ...address, requests: [{ path, message }], calls: 1 }));
    },
    stop: () => server.kill(),
  };
}

/** @param {string} data */
function rootKey(data) {
  return readFileSync(join(data, "root.key"), "utf8").trim();
}

/**
 * @param {readonly Contestant[]} contestants
 * @param {{ rounds: number, "in-flight": number, calls: number }} options
 * @param {() => number} traces
 * @returns {Promise<import("./lib/report.mjs").Report>}
 */
async function compare(contestants, { rounds, "in-flight": inFlight, calls }, traces) {
  progress("warming up ...");
  for (let i = 0; i < WARM_UPS; i++) for (const { play: once } of contestants) await once();
  /** @type {PlayResult[][]} */
  const results = contestants.map(() => []);
  for (let round = 0; round < rounds; round++) {
    progress(`round ${round + 1} of ${rounds} ...`);
    for (let i = 0; i < contestants.length; i++) {
      const at = (round + i) % contestants.length;
      const result = await contestants[at]?.play();
      if (result !== undefined) results[at]?.push(result);
    }
  }
  const [bare = [], guarded = [], untraced = [], traced = []] = results;
  const guards = ratio(guarded, bare);
  const traces0 = ratio(untraced, guarded);
  const traces1 = ratio(traced, untraced);
  const against = ["1", ...[guards, traces0, traces1].map((one) => showSpread(one))];
  return {
    title: `Check under guards: ${inFlight} in flight, ${rounds} rounds of ${calls} calls`,
    columns: ["node", "calls/s", "p50", "p99", "server CPU", "calls/s against the one above"],
    rows: contestants.map(({ name }, i) => row(name, results[i] ?? [], String(against[i]))),
    goals: [
      { name: "guards cost at most 25 %", reached: guards.median >= GUARDED_MIN },
      { name: "tracing costs at most 3 % more", reached: traces1.median >= TRACED_MIN },
      { name: "traces arrived", reached: traces() > 0 },
    ],
    notes: [
      "Ratios are medians of the rounds' ratios (least to most).",
      "The bare node still decodes, bounds and counts calls.",
    ],
    figures: {
      guards,
      tracingOff: traces0,
      tracing: traces1,
      exports: traces(),
      nodes: results.map((r) => r.map(plain)),
    },
  };
}

/**
 * @param {readonly PlayResult[]} ours
 * @param {readonly PlayResult[]} theirs
 */
function ratio(ours, theirs) {
  return spread(
    ours.map(({ callsPerSecond }, i) => callsPerSecond / (theirs[i]?.callsPerSecond ?? Number.NaN)),
  );
}

/**
 * @param {string} name
 * @param {readonly PlayResult[]} results
 * @param {string} against
 */
function row(name, results, against) {
  /** @param {(result: PlayResult) => number} pick */
  const median = (pick) => spread(results.map(pick)).median;
  return [
    name,
    number(median(({ callsPerSecond }) => callsPerSecond)),
    millis(median(({ latency }) => latency.quantile(0.5))),
    millis(median(({ latency }) => latency.quantile(0.99))),
    micros(median(({ serverCpuMicros }) => serverCpuMicros ?? Number.NaN)),
    against,
  ];
}

/** @param {PlayResult} result */
function plain({ callsPerSecond, serverCpuMicros, latency }) {
  return { callsPerSecond, serverCpuMicros, latency: latency.summary() };
}
