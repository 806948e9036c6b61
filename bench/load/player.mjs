/**
 * Plays recorded unary gRPC requests against a server: N connections, K requests in flight in total, closed
 * loop (a response makes room for the next request), for a count of calls or for a time.
 *
 * Every response is checked: HTTP status, grpc-status, exactly one whole message, and whatever the caller
 * checks beyond that. Nothing is retried; what fails is counted by its reason. A server that dies or falls
 * silent ends the run with errors, never with a hang.
 */
import { cpuMillis } from "../lib/processes.mjs";
import { Connection } from "./connection.mjs";
import { Histogram } from "./histogram.mjs";

/** Distinct reasons that are counted apart. */
const REASONS_MAX = 50;
const STALL_MS = 15_000;
const SECONDS_MAX = 3_600;

/** @typedef {import("./connection.mjs").Request} Request */
/**
 * @typedef {{
 *   host: string,
 *   port: number,
 *   requests: readonly Request[] | ((index: number) => Request),
 *   connections?: number,
 *   inFlight?: number,
 *   calls?: number,
 *   seconds?: number,
 *   metadata?: Readonly<Record<string, string>>,
 *   check?: (message: Buffer, index: number) => string | undefined,
 *   serverPids?: readonly number[],
 *   stallMs?: number,
 * }} PlayOptions `requests`: a recording, played from its start again when it ends, or a function of the call's
 *   index; one of `calls` and `seconds` says when to stop; `check` returns what is wrong with a message
 *
 * @typedef {{
 *   calls: number,
 *   failed: number,
 *   unsent: number,
 *   errors: Record<string, number>,
 *   seconds: number,
 *   callsPerSecond: number,
 *   latency: Histogram,
 *   clientCpuMicros: number,
 *   serverCpuMicros: number | undefined,
 * }} PlayResult `calls`: all that were answered well; CPU times are per answered call; latencies are those of good answers
 */

/**
 * @param {PlayOptions} options
 * @returns {Promise<PlayResult>}
 */
export async function play(options) {
  const run = new Run(options);
  return await run.play();
}

/**
 * One call; the message of the response, or an error that says what went wrong.
 *
 * @param {{ host: string, port: number, metadata?: Readonly<Record<string, string>> }} address
 * @param {Request} request
 * @returns {Promise<Buffer>}
 */
export async function callOnce(address, request) {
  /** @type {Buffer | undefined} */
  let answer;
  const result = await play({
    ...address,
    requests: [request],
    calls: 1,
    check: (message) => {
      answer = message;
      return undefined;
    },
  });
  if (answer === undefined) {
    throw new Error(`${request.path}: ${Object.keys(result.errors).join("; ")}`);
  }
  return answer;
}

/**
 * Refuses a result with errors, so that no figure is made of them.
 *
 * @param {PlayResult} result
 * @returns {PlayResult}
 */
export function allGood(result) {
  if (result.failed === 0 && result.unsent === 0) return result;
  const reasons = Object.entries(result.errors).map(([reason, count]) => `${count} x ${reason}`);
  throw new Error(
    `${result.failed} calls failed, ${result.unsent} were not sent: ${reasons.join("; ")}`,
  );
}

/**
 * Errors of one code together, whatever else they say.
 *
 * @param {Readonly<Record<string, number>>} errors
 */
export function byCode(errors) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const [why, count] of Object.entries(errors)) {
    const code = /^gRPC status \d+: ([A-Z_]+):/.exec(why)?.[1] ?? why;
    counts[code] = (counts[code] ?? 0) + count;
  }
  return counts;
}

class Run {
  #options;
  #request;
  #inFlightMax;
  #callsMax;
  #endAt = Number.POSITIVE_INFINITY;
  /** @type {Connection[]} */
  #connections = [];
  #sent = 0;
  #answered = 0;
  #failed = 0;
  /** @type {Map<string, number>} */
  #errors = new Map();
  #latency = new Histogram();
  #lastAnswerAt = 0;
  #over = false;
  /** A timed run that ended before its time, because no connection was left. */
  #cutShort = false;
  #finish = () => {};

  /** @param {PlayOptions} options */
  constructor(options) {
    const { requests, inFlight = 1, calls, seconds } = options;
    if ((calls === undefined) === (seconds === undefined)) {
      throw new RangeError("give either calls or seconds");
    }
    if (typeof requests !== "function" && requests.length === 0) {
      throw new RangeError("the recording is empty");
    }
    this.#options = options;
    this.#request =
      typeof requests === "function"
        ? requests
        : (/** @type {number} */ index) => requests[index % requests.length];
    this.#inFlightMax = positive("inFlight", inFlight);
    this.#callsMax = calls === undefined ? Number.POSITIVE_INFINITY : positive("calls", calls);
    if (seconds !== undefined && !(seconds > 0 && seconds <= SECONDS_MAX)) {
      throw new RangeError(`seconds must be in (0, ${SECONDS_MAX}]`);
    }
  }

  async play() {
    const { serverPids } = this.#options;
    await this.#connect();
    try {
      const cpu = process.cpuUsage();
      const serverCpu = sumCpu(serverPids);
      const start = performance.now();
      await this.#loop(start);
      const seconds = (this.#lastAnswerAt - start) / 1_000;
      const { user, system } = process.cpuUsage(cpu);
      return this.#result(seconds, user + system, (sumCpu(serverPids) - serverCpu) * 1_000);
    } finally {
      this.#over = true;
      for (const connection of this.#connections) connection.close();
    }
  }

  async #connect() {
    const { connections = 1, host, port, metadata = {}, check } = this.#options;
    const opened = await Promise.allSettled(
      Array.from({ length: positive("connections", connections) }, () =>
        Connection.open({
          host,
          port,
          metadata,
          collect: check !== undefined,
          onResponse: (connection, response) => this.#onResponse(connection, response),
          onClose: () => this.#onClose(),
        }),
      ),
    );
    for (const outcome of opened) {
      if (outcome.status === "fulfilled") this.#connections.push(outcome.value);
    }
    const failed = opened.find((outcome) => outcome.status === "rejected");
    if (failed === undefined) return;
    this.#over = true;
    for (const connection of this.#connections) connection.close();
    throw failed.reason;
  }

  /** @param {number} start */
  async #loop(start) {
    const { seconds, stallMs = STALL_MS } = this.#options;
    this.#lastAnswerAt = start;
    if (seconds !== undefined) this.#endAt = start + seconds * 1_000;
    const watch = setInterval(() => this.#watch(stallMs), Math.min(250, stallMs));
    try {
      await new Promise((resolve) => {
        this.#finish = () => resolve(undefined);
        this.#fill();
        this.#finishIfDone();
      });
    } finally {
      clearInterval(watch);
    }
    this.#cutShort = seconds !== undefined && performance.now() < this.#endAt;
  }

  /** Ends a run whose server has stopped answering. @param {number} stallMs */
  #watch(stallMs) {
    if (performance.now() - this.#lastAnswerAt < stallMs) return;
    this.#over = true;
    this.#error(`no answer for ${stallMs} ms`, 0);
    for (const connection of this.#connections) connection.close();
    this.#finish();
  }

  get #wantsMore() {
    return !this.#over && this.#sent < this.#callsMax && performance.now() < this.#endAt;
  }

  #fill() {
    const connections = this.#connections;
    let refused = 0;
    for (let i = 0; refused < connections.length && this.#hasRoom && this.#wantsMore; i++) {
      const connection = connections[i % connections.length];
      refused = this.#sendOn(connection) ? 0 : refused + 1;
    }
  }

  get #hasRoom() {
    return this.#sent - this.#answered - this.#failed < this.#inFlightMax;
  }

  /** @param {Connection} connection */
  #sendOn(connection) {
    if (connection.capacity <= 0) return false;
    const index = this.#sent++;
    connection.send(this.#request(index), index);
    return true;
  }

  /**
   * @param {Connection} connection
   * @param {import("./grpc-response.mjs").GrpcResponse} response
   */
  #onResponse(connection, response) {
    const now = performance.now();
    this.#lastAnswerAt = now;
    const problem = response.problem() ?? this.#options.check?.(response.message(), response.index);
    if (problem === undefined) {
      this.#answered++;
      this.#latency.record((now - response.startedAt) * 1_000);
    } else this.#error(problem, 1);
    if (this.#wantsMore && !this.#sendOn(connection)) this.#fill();
    this.#finishIfDone();
  }

  #onClose() {
    if (this.#over) return;
    this.#fill();
    this.#finishIfDone();
  }

  #finishIfDone() {
    if (this.#sent - this.#answered - this.#failed > 0) return;
    if (this.#wantsMore && this.#connections.some((connection) => !connection.finished)) return;
    this.#finish();
  }

  /**
   * @param {string} reason
   * @param {number} calls
   */
  #error(reason, calls) {
    this.#failed += calls;
    const key = this.#errors.size < REASONS_MAX || this.#errors.has(reason) ? reason : "others";
    this.#errors.set(key, (this.#errors.get(key) ?? 0) + 1);
  }

  /**
   * @param {number} seconds
   * @param {number} clientMicros
   * @param {number} serverMicros
   * @returns {PlayResult}
   */
  #result(seconds, clientMicros, serverMicros) {
    const { calls, serverPids } = this.#options;
    const answered = Math.max(1, this.#answered);
    return {
      calls: this.#answered,
      failed: this.#failed,
      unsent: calls === undefined ? Number(this.#cutShort) : calls - this.#sent,
      errors: Object.fromEntries(this.#errors),
      seconds,
      callsPerSecond: this.#answered / Math.max(seconds, 1e-6),
      latency: this.#latency,
      clientCpuMicros: clientMicros / answered,
      serverCpuMicros: serverPids === undefined ? undefined : serverMicros / answered,
    };
  }
}

/** NaN when one of them is no more. @param {readonly number[] | undefined} pids */
function sumCpu(pids) {
  try {
    return (pids ?? []).reduce((sum, pid) => sum + cpuMillis(pid), 0);
  } catch {
    return Number.NaN;
  }
}

/**
 * @param {string} name
 * @param {number} value
 */
function positive(name, value) {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${name} must be at least 1`);
  return value;
}
