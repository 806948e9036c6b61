/**
 * Self-check of the load player: 10,000 distinct recorded Check requests against the empty server, and beside it
 * the same calls by the client of @grpc/grpc-js. The player shares the machine with the server that it measures, so
 * it has to cost clearly less than that client.
 */
import grpc from "@grpc/grpc-js";
import { alternate, ratios, showSpread, spread } from "./lib/pairs.mjs";
import { cpuMillis, startServer } from "./lib/processes.mjs";
import { micros, millis, number, progress } from "./lib/report.mjs";
import { checkRequest } from "./lib/requests.mjs";
import { tuple } from "./lib/tuples.mjs";
import { EMPTY_SERVER, EMPTY_SERVER_READY } from "./load/empty-server-address.mjs";
import { Histogram } from "./load/histogram.mjs";
import { allGood, play } from "./load/player.mjs";

const REQUESTS = 10_000;
const IN_FLIGHT = [1, 16, 64, 256];
const PAIRS = 3;
const CALLS = 20_000;
/** At most a third of the CPU of grpc-js's client, and within what is left beside a server's 30 us. */
const RATIO_MAX = 1 / 3;
const CLIENT_MICROS_MAX = 20;

/** @typedef {import("./load/connection.mjs").Request} Request */
/** @typedef {{ clientCpuMicros: number, callsPerSecond: number, serverCpuMicros: number, latency: Histogram }} Figures */

/** @returns {Promise<import("./lib/report.mjs").Report>} */
export async function run() {
  const requests = Array.from({ length: REQUESTS }, (_, i) =>
    checkRequest({ organization: 1n, vault: 2n }, tuple(i)),
  );
  const server = await startServer(process.execPath, [EMPTY_SERVER], { ready: EMPTY_SERVER_READY });
  try {
    const target = { host: "127.0.0.1", port: Number(server.ready[1]), pid: server.pid };
    await byPlayer(target, requests, 64, CALLS);
    await byGrpcJs(target, requests, 64, CALLS);
    const rows = [];
    for (const inFlight of IN_FLIGHT) {
      progress(`${inFlight} in flight ...`);
      const pairs = await alternate(
        () => byPlayer(target, requests, inFlight, CALLS),
        () => byGrpcJs(target, requests, inFlight, CALLS),
        PAIRS,
      );
      rows.push({ inFlight, pairs });
    }
    return report(rows);
  } finally {
    await server.kill();
  }
}

/**
 * @typedef {{ host: string, port: number, pid: number }} Target
 *
 * @param {Target} target
 * @param {readonly Request[]} requests
 * @param {number} inFlight
 * @param {number} calls
 * @returns {Promise<Figures>}
 */
async function byPlayer({ host, port, pid }, requests, inFlight, calls) {
  const result = allGood(await play({ host, port, requests, inFlight, calls, serverPids: [pid] }));
  return { ...result, serverCpuMicros: result.serverCpuMicros ?? 0 };
}

/**
 * The same closed loop with the usual client; it sends ready bytes and decodes nothing, as the player does.
 *
 * @param {Target} target
 * @param {readonly Request[]} requests
 * @param {number} inFlight
 * @param {number} calls
 * @returns {Promise<Figures>}
 */
async function byGrpcJs({ host, port, pid }, requests, inFlight, calls) {
  const client = new grpc.Client(`${host}:${port}`, grpc.credentials.createInsecure());
  await new Promise((resolve, reject) =>
    client.waitForReady(Date.now() + 5_000, (error) =>
      error ? reject(error) : resolve(undefined),
    ),
  );
  const latency = new Histogram();
  const serverCpu = cpuMillis(pid);
  const cpu = process.cpuUsage();
  const start = performance.now();
  let sent = 0;
  /** @returns {Promise<void>} */
  const lane = async () => {
    while (sent < calls) {
      const request = /** @type {Request} */ (requests[sent++ % requests.length]);
      const from = performance.now();
      await new Promise((resolve, reject) =>
        client.makeUnaryRequest(
          request.path,
          // The bytes are shared, not copied: the library insists on a Buffer.
          (/** @type {Uint8Array} */ { buffer, byteOffset, length }) =>
            Buffer.from(/** @type {ArrayBuffer} */ (buffer), byteOffset, length),
          (bytes) => bytes,
          request.message,
          (error, answer) => (error ? reject(error) : resolve(answer)),
        ),
      );
      latency.record((performance.now() - from) * 1_000);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const seconds = (performance.now() - start) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  const serverCpuMicros = ((cpuMillis(pid) - serverCpu) * 1_000) / calls;
  client.close();
  return {
    clientCpuMicros: (user + system) / calls,
    callsPerSecond: calls / seconds,
    serverCpuMicros,
    latency,
  };
}

/**
 * @param {readonly { inFlight: number, pairs: { a: Figures, b: Figures }[] }[]} results
 * @returns {import("./lib/report.mjs").Report}
 */
function report(results) {
  const rows = results.map(({ inFlight, pairs }) => {
    /** @param {(figures: Figures) => number} pick */
    const player = (pick) => spread(pairs.map(({ a }) => pick(a))).median;
    const usual = spread(pairs.map(({ b }) => b.clientCpuMicros)).median;
    return [
      String(inFlight),
      number(player((a) => a.callsPerSecond)),
      millis(player((a) => a.latency.quantile(0.5))),
      millis(player((a) => a.latency.quantile(0.99))),
      millis(player((a) => a.latency.max)),
      micros(player((a) => a.serverCpuMicros)),
      micros(player((a) => a.clientCpuMicros)),
      micros(usual),
      showSpread(ratios(pairs, (figures) => figures.clientCpuMicros)),
    ];
  });
  return {
    title: `Load player against the empty server: ${REQUESTS} distinct Check requests, ${PAIRS} pairs of ${CALLS} calls`,
    columns: [
      "in flight",
      "calls/s",
      "p50",
      "p99",
      "max",
      "server CPU",
      "player CPU",
      "grpc-js CPU",
      "player / grpc-js",
    ],
    rows,
    goals: goals(results),
    notes: ["CPU is per call; the last column is the median of the pairs' ratios (least to most)."],
    figures: results.map(({ inFlight, pairs }) => ({
      inFlight,
      pairs: pairs.map(({ a, b }) => ({ player: plain(a), grpcJs: plain(b) })),
    })),
  };
}

/** @param {readonly { inFlight: number, pairs: { a: Figures, b: Figures }[] }[]} results */
function goals(results) {
  return results
    .filter(({ inFlight }) => inFlight >= 16)
    .map(({ inFlight, pairs }) => {
      const cpu = spread(pairs.map(({ a }) => a.clientCpuMicros)).median;
      const ratio = ratios(pairs, (figures) => figures.clientCpuMicros).median;
      return {
        name: `player under ${CLIENT_MICROS_MAX} us and a third of grpc-js's client at ${inFlight} in flight`,
        reached: cpu <= CLIENT_MICROS_MAX && ratio <= RATIO_MAX,
      };
    });
}

/** @param {Figures} figures */
function plain({ clientCpuMicros, callsPerSecond, serverCpuMicros, latency }) {
  return { clientCpuMicros, callsPerSecond, serverCpuMicros, latency: latency.summary() };
}
