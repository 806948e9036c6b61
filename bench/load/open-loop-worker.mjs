/**
 * A process that sends requests at a rate, whether or not the answers come (an open loop), over many connections. It keeps to
 * HTTP/2's limit of streams: a request for which no connection has a free one is counted as held back and not sent.
 *
 * Started by fork with serialization "advanced"; `connect` opens the connections, `run` plays one stretch.
 */
import { decodeErrorDetails } from "../../packages/proto/dist/index.js";
import { checkRequest, setEntitiesRequest } from "../lib/requests.mjs";
import { tuple } from "../lib/tuples.mjs";
import { Connection } from "./connection.mjs";
import { Histogram } from "./histogram.mjs";

const TICK_MS = 2;
/** Connections that are looked at for a free stream, for one request. */
const LOOKS_MAX = 8;
/** Opened at once. */
const OPENING_MAX = 50;
/** Distinct checks that are played again and again. */
const CHECKS = 4_096;
/** After the end of a stretch answers may still come for so long. */
const LINGER_MS = 2_000;
/** Refusals of one stretch whose details are read. */
const DETAILS_READ_MAX = 1_000;

/**
 * @typedef {{ host: string, port: number, connections: number, tuples: number, vault: import("../lib/requests.mjs").VaultName, worker: number }} Target
 * @typedef {{ rate: number, seconds: number, writePercent: number }} Stretch
 * @typedef {{ ok: number, refused: number, heldBack: number, p99: number }} Second
 * @typedef {{
 *   sent: number, heldBack: number, unanswered: number, withRetryAfter: number, detailsRead: number, errors: Record<string, number>,
 *   accepted: Histogram["state"], writes: Histogram["state"], refused: Histogram["state"], seconds: Second[],
 * }} Played
 */

/** @type {Connection[]} */
const connections = [];
/** @type {readonly import("./connection.mjs").Request[]} */
let checks = [];
/** @type {Target | undefined} */
let target;
let writes = 0;
let next = 0;
/** @type {Stretch & { begin: number } & Record<string, any> | undefined} */
let current;

/** @param {Target} to */
async function connect(to) {
  target = to;
  checks = Array.from({ length: Math.min(CHECKS, to.tuples) }, (_, i) =>
    checkRequest(to.vault, tuple(i)),
  );
  for (let opened = 0; opened < to.connections; opened += OPENING_MAX) {
    const some = Math.min(OPENING_MAX, to.connections - opened);
    const made = Array.from({ length: some }, () =>
      Connection.open({
        host: to.host,
        port: to.port,
        onResponse: (_, response) => onResponse(response),
        onClose: () => undefined,
      }),
    );
    connections.push(...(await Promise.all(made)));
  }
}

/** @param {import("./grpc-response.mjs").GrpcResponse} response */
function onResponse(response) {
  const stretch = current;
  // What was sent in an earlier stretch belongs to none.
  if (stretch === undefined || response.startedAt < stretch.begin) return;
  const now = performance.now();
  const micros = (now - response.startedAt) * 1_000;
  stretch["answered"]++;
  const second = secondOf(stretch, response.startedAt);
  const problem = response.problem();
  if (problem === undefined) {
    stretch["accepted"].record(micros);
    if (response.index < 0) stretch["writes"].record(micros);
    second.histogram.record(micros);
    second.ok++;
  } else if (problem.startsWith("gRPC status 8")) {
    stretch["refused"].record(micros);
    second.refused++;
    if (stretch["detailsRead"] < DETAILS_READ_MAX) {
      stretch["detailsRead"]++;
      const details = decodeErrorDetails(Buffer.from(response.details, "base64"));
      if ((details?.retryAfterMs ?? 0n) > 0n) stretch["withRetryAfter"]++;
    }
  } else {
    const { errors } = stretch;
    if (problem in errors || Object.keys(errors).length < 20) {
      errors[problem] = (errors[problem] ?? 0) + 1;
    }
  }
}

/** @param {Record<string, any>} stretch @param {number} at */
function secondOf(stretch, at) {
  const index = Math.floor((at - stretch["begin"]) / 1_000);
  stretch["bySecond"][index] ??= { ok: 0, refused: 0, heldBack: 0, histogram: new Histogram() };
  return stretch["bySecond"][index];
}

/** @param {Stretch} options @returns {Promise<Played>} */
async function run({ rate, seconds, writePercent }) {
  const begin = performance.now();
  const stretch = {
    ...{ rate, seconds, writePercent, begin, sent: 0, due: 0, heldBack: 0, answered: 0 },
    ...{ detailsRead: 0, withRetryAfter: 0, bySecond: /** @type {any[]} */ ([]) },
    ...{ accepted: new Histogram(), writes: new Histogram(), refused: new Histogram() },
    errors: /** @type {Record<string, number>} */ ({}),
  };
  current = stretch;
  const endAt = begin + seconds * 1_000;
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now();
      const due = Math.floor(((Math.min(now, endAt) - begin) * rate) / 1_000);
      for (; stretch.due < due; stretch.due++) sendOne(stretch, now);
      if (now < endAt) return;
      clearInterval(timer);
      resolve(undefined);
    }, TICK_MS);
  });
  await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
  current = undefined;
  const { sent, heldBack, answered, withRetryAfter, detailsRead, errors, bySecond } = stretch;
  return {
    ...{ sent, heldBack, unanswered: sent - answered, withRetryAfter, detailsRead, errors },
    accepted: stretch.accepted.state,
    writes: stretch.writes.state,
    refused: stretch.refused.state,
    seconds: Array.from(bySecond, (second) =>
      second === undefined
        ? { ok: 0, refused: 0, heldBack: 0, p99: 0 }
        : {
            ...{ ok: second.ok, refused: second.refused, heldBack: second.heldBack },
            p99: second.histogram.quantile(0.99),
          },
    ),
  };
}

/** @param {Record<string, any>} stretch @param {number} now */
function sendOne(stretch, now) {
  for (let look = 0; look < LOOKS_MAX; look++) {
    next = (next + 1) % connections.length;
    const connection = connections[next];
    if (connection === undefined || connection.capacity <= 0) continue;
    const isWrite = Math.random() * 100 < stretch["writePercent"];
    const number = ++stretch["sent"];
    connection.send(isWrite ? nextWrite() : nextCheck(), isWrite ? -number : number);
    return;
  }
  stretch["heldBack"]++;
  secondOf(stretch, now).heldBack++;
}

function nextWrite() {
  const { worker, vault } = /** @type {Target} */ (target);
  const at = worker * 100_000_000 + writes++;
  return setEntitiesRequest(vault, at, at + 1);
}

function nextCheck() {
  return /** @type {import("./connection.mjs").Request} */ (checks[next % checks.length]);
}

process.on("message", (/** @type {any} */ { connect: to, run: stretch }) => {
  const work = to === undefined ? run(stretch) : connect(to);
  work.then(
    (done) => process.send?.({ done }),
    (error) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
