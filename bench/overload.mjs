/**
 * A node that ten times as many calls arrive at as it can answer, over 2,000 connections: first the rate that it sustains is looked
 * for, then it is asked for ten times as much, then for little again.
 *
 *     node bench/run.mjs overload [--minutes 10] [--connections 2000] [--times 10] [--workers 2] [--write-percent 5]
 *         [--seconds N: instead of the minutes]
 *
 * The load is an open loop from processes of its own: requests are due at their time whether or not answers come. A request for
 * which no connection has a free stream (HTTP/2 lets a server limit them) is held back in the client, as every client library does.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { fill } from "./lib/importing.mjs";
import { createVault, startNode } from "./lib/node-process.mjs";
import { numbersOf } from "./lib/options.mjs";
import { forgetMemoryPeak, memory } from "./lib/processes.mjs";
import { millis, number, progress } from "./lib/report.mjs";
import { scratchDirectory } from "./lib/scratch.mjs";
import { Histogram } from "./load/histogram.mjs";

const WORKER = fileURLToPath(new URL("load/open-loop-worker.mjs", import.meta.url));
const TUPLES = 10_000;
const RATE_FIRST = 500;
const STEP_SECONDS = 8;
const BISECTIONS = 3;
/** A rate is sustained when nearly all is answered, nothing refused, and 99 % of the answers come within this. */
const SUSTAINED_P99_MICROS = 50_000;
const SUSTAINED_SHARE = 0.97;
/** Of the sustained rate: where its latency is taken, and where recovery is looked for. */
const CALM = 0.8;
const CALM_SECONDS = 10;
const RECOVERY_SECONDS = 20;
const RECOVERED_SECONDS_MAX = 5;
/** Accepted calls keep their latency: the 99th percentile grows to no more than this. */
const ACCEPTED_P99_MICROS = 200_000;
const MEMORY_GROWTH_MAX = 512 * 1024 * 1024;

/** @typedef {import("./load/open-loop-worker.mjs").Played} Played */
/** @typedef {ReturnType<typeof merged>} Stretch */

/** @param {readonly string[]} args @returns {Promise<import("./lib/report.mjs").Report>} */
export async function run(args) {
  const options = numbersOf(args, {
    ...{ minutes: 10, seconds: 86_400, connections: 2_000, times: 10, workers: 2 },
    "write-percent": 5,
  });
  const node = await startNode(scratchDirectory("overload"));
  /** @type {Awaited<ReturnType<typeof startWorkers>> | undefined} */
  let workers;
  try {
    const vault = await createVault(node);
    await fill(node, vault, TUPLES);
    const before = memory(node.pid).residentBytes;
    workers = await startWorkers(node, vault, options);
    const connected = memory(node.pid).residentBytes;
    const perConnection = (connected - before) / options.connections;
    progress(`${options.connections} connections, ${Math.round(perConnection / 1024)} KiB each`);
    const sustained = await findSustained(workers);
    progress(`sustained: ${number(sustained)} calls/s`);
    const calm = await workers.play(sustained * CALM, CALM_SECONDS);
    const calmBytes = memory(node.pid).residentBytes;
    forgetMemoryPeak(node.pid);
    const seconds = Math.min(options.seconds, options.minutes * 60);
    progress(`${options.times} times as much for ${seconds} s ...`);
    const overload = await workers.play(sustained * options.times, seconds);
    const peakBytes = memory(node.pid).residentBytesMax;
    const after = await workers.play(sustained * CALM, RECOVERY_SECONDS);
    const recovered = recoverySeconds(after, calm);
    return report({
      ...{ options, seconds, sustained, calm, overload, after, recovered },
      ...{ perConnection, calmBytes, peakBytes },
    });
  } finally {
    workers?.end();
    await node.kill();
  }
}

/**
 * @param {import("./lib/node-process.mjs").NodeProcess} node
 * @param {import("./lib/requests.mjs").VaultName} vault
 * @param {{ connections: number, workers: number, "write-percent": number }} options
 */
async function startWorkers({ host, port }, vault, options) {
  const children = Array.from({ length: options.workers }, () =>
    fork(WORKER, { serialization: "advanced" }),
  );
  /** @param {any} child @param {object} message @returns {Promise<any>} */
  const ask = (child, message) =>
    new Promise((resolve, reject) => {
      const onExit = () => reject(new Error("a worker ended"));
      child.once("exit", onExit);
      child.once("message", (/** @type {any} */ { done, error }) => {
        child.off("exit", onExit);
        if (error === undefined) resolve(done);
        else reject(new Error(error));
      });
      child.send(message);
    });
  const connections = Math.ceil(options.connections / children.length);
  await Promise.all(
    children.map((child, worker) =>
      ask(child, { connect: { host, port, connections, vault, tuples: TUPLES, worker } }),
    ),
  );
  const writePercent = options["write-percent"];
  return {
    /** @param {number} rate @param {number} seconds */
    play: async (rate, seconds) => {
      const stretch = { run: { rate: rate / children.length, seconds, writePercent } };
      const played = await Promise.all(children.map((child) => ask(child, stretch)));
      return merged(/** @type {Played[]} */ (played), rate, seconds);
    },
    end: () => {
      for (const child of children) child.disconnect();
    },
  };
}

/** @param {readonly Played[]} parts @param {number} rate @param {number} seconds */
function merged(parts, rate, seconds) {
  const accepted = new Histogram();
  const writes = new Histogram();
  const refused = new Histogram();
  /** @type {Record<string, number>} */
  const errors = {};
  for (const part of parts) {
    accepted.merge(part.accepted);
    writes.merge(part.writes);
    refused.merge(part.refused);
    for (const [reason, count] of Object.entries(part.errors)) {
      errors[reason] = (errors[reason] ?? 0) + count;
    }
  }
  /** @param {(part: Played) => number} pick */
  const sum = (pick) => parts.reduce((all, part) => all + pick(part), 0);
  const bySecond = Array.from({ length: Math.ceil(seconds) }, (_, i) => {
    const of = parts.flatMap((part) => part.seconds[i] ?? []);
    return {
      refused: of.reduce((all, second) => all + second.refused, 0),
      heldBack: of.reduce((all, second) => all + second.heldBack, 0),
      p99: Math.max(0, ...of.map((second) => second.p99)),
    };
  });
  return {
    ...{ rate, seconds, accepted, writes, refused, errors, bySecond },
    sent: sum((part) => part.sent),
    heldBack: sum((part) => part.heldBack),
    unanswered: sum((part) => part.unanswered),
    withRetryAfter: sum((part) => part.withRetryAfter),
    detailsRead: sum((part) => part.detailsRead),
  };
}

/** Calls a second that all get their answer in time. @param {{ play: (rate: number, seconds: number) => Promise<Stretch> }} workers */
async function findSustained(workers) {
  const holds = async (/** @type {number} */ rate) => {
    // A rate that is missed is tried again: one collection, or one neighbour on the machine, says nothing of the rate.
    return (await holdsOnce(rate)) || (await holdsOnce(rate));
  };
  const holdsOnce = async (/** @type {number} */ rate) => {
    const { accepted, refused } = await workers.play(rate, STEP_SECONDS);
    const isSustained =
      refused.count === 0 &&
      accepted.count >= SUSTAINED_SHARE * rate * STEP_SECONDS &&
      accepted.quantile(0.99) <= SUSTAINED_P99_MICROS;
    progress(
      `${number(rate)}/s: p99 ${millis(accepted.quantile(0.99))}${isSustained ? "" : ", too much"}`,
    );
    return isSustained;
  };
  let low = RATE_FIRST;
  // The first stretch also compiles the node; it is not judged.
  await workers.play(RATE_FIRST * 4, STEP_SECONDS);
  while (await holds(low * 2)) low *= 2;
  let high = low * 2;
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = Math.round((low + high) / 2);
    if (await holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/** After so many seconds nothing is refused or held back and answers are as fast as before. @param {Stretch} after @param {Stretch} calm */
function recoverySeconds({ bySecond }, calm) {
  const fast = Math.max(SUSTAINED_P99_MICROS, 3 * calm.accepted.quantile(0.99));
  const isCalm = bySecond.map((s) => s.refused === 0 && s.heldBack === 0 && s.p99 <= fast);
  const lastBad = isCalm.lastIndexOf(false);
  return lastBad + 1;
}

/**
 * @param {{
 *   options: { connections: number, times: number }, seconds: number, sustained: number, calm: Stretch, overload: Stretch,
 *   after: Stretch, recovered: number, perConnection: number, calmBytes: number, peakBytes: number,
 * }} measured
 * @returns {import("./lib/report.mjs").Report}
 */
function report(measured) {
  const { options, seconds, sustained, calm, overload, after, recovered } = measured;
  const { perConnection, calmBytes, peakBytes } = measured;
  const MiB = 1024 * 1024;
  const retryShare = overload.withRetryAfter / Math.max(1, overload.detailsRead);
  return {
    title: `Overload: ${options.connections} connections, ${options.times} times ${number(sustained)} calls/s for ${seconds} s`,
    columns: [
      ...["load", "due/s", "accepted/s", "p50", "p99", "p99.9", "writes: p50", "p99"],
      ...["refused/s", "p50 of refusals", "p99 of refusals", "held back in the client"],
    ],
    rows: [row("calm", calm), row("overload", overload), row("after", after)],
    goals: [
      {
        name: `accepted calls answered within ${millis(ACCEPTED_P99_MICROS)} (99 %)`,
        reached: overload.accepted.quantile(0.99) <= ACCEPTED_P99_MICROS,
      },
      { name: "all refusals that were read say when to come again", reached: retryShare === 1 },
      {
        name: `memory grows by at most ${MEMORY_GROWTH_MAX / MiB} MiB`,
        reached: peakBytes - calmBytes <= MEMORY_GROWTH_MAX,
      },
      {
        name: `calm again within ${RECOVERED_SECONDS_MAX} s`,
        reached: recovered <= RECOVERED_SECONDS_MAX,
      },
    ],
    notes: [
      `recovered after ${recovered} s; memory ${Math.round(calmBytes / MiB)} MiB before, ${Math.round(peakBytes / MiB)} MiB at most; ${Math.round(perConnection / 1024)} KiB for a connection.`,
      `errors under overload: ${JSON.stringify(overload.errors)}; ${overload.unanswered} unanswered when it ended.`,
    ],
    figures: {
      ...{ sustained, recovered, perConnection, calmBytes, peakBytes, retryShare },
      ...{ calm: plain(calm), overload: plain(overload), after: plain(after) },
    },
  };
}

/** @param {string} name @param {Stretch} stretch */
function row(name, { rate, seconds, accepted, writes, refused, heldBack }) {
  return [
    ...[name, number(rate), number(accepted.count / seconds)],
    ...[0.5, 0.99, 0.999].map((share) => millis(accepted.quantile(share))),
    ...[millis(writes.quantile(0.5)), millis(writes.quantile(0.99))],
    ...[number(refused.count / seconds), millis(refused.quantile(0.5))],
    ...[millis(refused.quantile(0.99)), `${number(heldBack / seconds)}/s`],
  ];
}

/** @param {Stretch} stretch */
function plain({ accepted, writes, refused, ...rest }) {
  return {
    ...rest,
    accepted: { count: accepted.count, ...accepted.summary() },
    writes: { count: writes.count, ...writes.summary() },
    refused: { count: refused.count, ...refused.summary() },
  };
}
