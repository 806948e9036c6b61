/**
 * Calls over a wire: connections made when first needed, deadlines, retries with jitter, another endpoint when
 * one cannot be used. Calls that need the leader of a cluster go to it (route.ts, discovery.ts).
 *
 *   INV-SDK-1  A request is sent again only where that cannot do anything twice: it never left, or nothing
 *              happened, or it is a read, or it carries an idempotency key, or all that it says is how something is to be (a
 *              setting, a status, a quota, the active model, a vault that is gone). What else changes something without a
 *              key (what creates, gives or takes, deletes by a filter, erases) is sent once.
 *   INV-SDK-2  A call ends at its deadline, whatever the network and the program's own functions (credentials, sources
 *              of endpoints) do, and its error says what each endpoint met.
 */
import { LEADER_KEY } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { tell } from "../hooks/metrics.js";
import { type ClientOptions, deadlineOf, requestIdOf } from "../options.js";
import { apiHeaders } from "./api-headers.js";
import { keepAttempts, noteAttempt, noteSent } from "./attempts.js";
import { type Backoff, backoffMs } from "./backoff.js";
import { Bearer, noteRenewedToken } from "./bearer.js";
import { RECONNECT_POLL_MS } from "./breaker.js";
import type {
  Connection,
  ConnectionCallOptions,
  EndpointInfo,
  Repeat,
  UnaryMethod,
} from "./connection.js";
import { Discovery } from "./discovery.js";
import type { Endpoint } from "./endpoint.js";
import { EndpointPool } from "./endpoint-pool.js";
import { GivenEndpoints } from "./given-endpoints.js";
import { Hedging, hedged, type Leg } from "./hedging.js";
import {
  before,
  circuitOpen,
  cutShort,
  isTimeUp,
  judge,
  noAnswer,
  notConnected,
} from "./judging.js";
import { type Ports, pause } from "./ports.js";
import { answerWithin } from "./question.js";
import { RetryBudget } from "./retry-budget.js";
import { isRead, routeOf } from "./route.js";
import { attemptsMaxOf, discoveryOf, hedgeOf, sourceOf } from "./rules.js";
import {
  cancelled,
  codeOf,
  isElection,
  isRepeatable,
  nameOf,
  type Running,
  textOf,
} from "./running.js";
import { readStream, type StreamMethod, type StreamOptions } from "./stream.js";
import { asBuffer, type WireMetadata } from "./wire.js";
import { type Failure, UnreachableError } from "./wire-failure.js";

const REQUEST_ID_KEY = "x-request-id";
/** Wait for a connection while other endpoints are left to try, in milliseconds. */
const CONNECT_MS_MAX = 500;
/** The least time that a node has to answer before another one is asked. */
const ATTEMPT_MS_MIN = 500;
/** Between attempts. */
const BACKOFF = { firstMs: 50, maxMs: 1_000 } as const;
/** Of calls that wait for an election, which takes less than a second. */
const ELECTION_BACKOFF = { firstMs: 50, maxMs: 150 } as const;

/** As errors name who did not answer. */
const CREDENTIALS = "credentials()";

const OK = "OK" as const;
const CANCELLED = "CANCELLED" as const;

type Outcome<Res> = { kind: "done"; response: Res } | { kind: "failed"; failure: Failure };

export class Transport implements Connection {
  readonly #pool: EndpointPool;
  readonly #given: GivenEndpoints | undefined;
  readonly #discovery: Discovery;
  readonly #options: ClientOptions;
  readonly #ports: Ports;
  readonly #bearer: Bearer;
  readonly #hedging: Hedging | undefined;
  readonly #budget: RetryBudget = new RetryBudget();
  readonly #attemptsMax: number;
  readonly #closed: AbortController = new AbortController();

  /** @throws LedgerError INVALID_ARGUMENT */
  constructor(options: ClientOptions, ports: Ports) {
    this.#options = options;
    this.#ports = ports;
    this.#attemptsMax = attemptsMaxOf(options);
    const hedge = hedgeOf(options);
    this.#hedging = hedge && new Hedging(hedge);
    this.#pool = new EndpointPool(options, ports);
    const source = sourceOf(options);
    this.#given = source && new GivenEndpoints(source, this.#pool, ports.nowMs);
    this.#bearer = new Bearer(options, ports);
    this.#discovery = new Discovery(this.#pool, discoveryOf(options), {
      nowMs: ports.nowMs,
      after: ports.after,
      metadata: async () => withToken(apiHeaders, await this.#bearer.header()),
    });
  }

  /** @throws LedgerError (by rejection): the server's, UnreachableError, DEADLINE_EXCEEDED, CANCELLED, CIRCUIT_OPEN */
  async call<Req, Res>(
    method: UnaryMethod<Req, Res>,
    request: Req,
    repeat: Repeat,
    options: ConnectionCallOptions = {},
  ): Promise<Res> {
    const running = this.#begin(method, request, repeat, options);
    this.#checkOpen(running);
    await this.#nodesKnown(running);
    const { failures = [] } = options;
    if (failures.length === 0) this.#budget.earn();
    else await this.#goOn(failures, running);
    for (;;) {
      const endpoint = this.#pool.pick(running.route, running.tried);
      if (endpoint === undefined) {
        await this.#waitForCircuit(running);
        continue;
      }
      const outcome = await this.#attempt(endpoint, running);
      this.#discovery.tick(this.#pool.current);
      if (outcome.kind === "done") return outcome.response;
      await this.#recover(endpoint, outcome.failure, running);
    }
  }

  overdue(call: string, deadlineMs: number): LedgerError {
    const endpoint = this.#pool.pick("leader", new Set()) ?? this.#pool.current;
    if (endpoint.isReady) return noAnswer(endpoint, { name: call, deadlineMs });
    const { address: found, last } = endpoint;
    const message = `no connection within ${deadlineMs} ms${before(last)}`;
    const failure = { endpoint: found, cause: last?.cause ?? "timeout", message } as const;
    return new UnreachableError(call, [failure], { details: {}, cause: undefined });
  }

  /**
   * One attempt at a stream at the endpoint that is in use; the next attempt finds another one where this one failed.
   * @throws LedgerError the server's, UnreachableError, UNAVAILABLE for silence, CANCELLED, CIRCUIT_OPEN
   */
  async *stream<Req, Res>(
    method: StreamMethod<Req, Res>,
    request: Req,
    options: StreamOptions,
  ): AsyncGenerator<Res> {
    const { signal, requestId, metadata } = options;
    const running = this.#begin(method, request, "repeatable", { signal, requestId, metadata });
    this.#checkOpen(running);
    await this.#nodesKnown(running);
    const endpoint = this.#pool.pick(running.route, running.tried);
    if (endpoint === undefined) throw this.#circuitOpen(running);
    running.tried.add(endpoint);
    endpoint.begin();
    try {
      const isUsable =
        endpoint.isReady || (await endpoint.channel.connect(running.deadlineAtMs, signal));
      if (!isUsable)
        throw this.#lost(endpoint, notConnected(endpoint, running.deadlineMs), running);
      await this.#authorize(running);
      const call = {
        path: method.path,
        message: running.message,
        metadata: metadataOf(running),
        deadlineAtMs: undefined,
        signal,
      };
      const rules = { silenceMs: options.silenceMs, after: this.#ports.after };
      for await (const answer of readStream(endpoint.channel, call, rules)) {
        endpoint.succeeded();
        yield decoded(method, answer);
      }
    } catch (thrown) {
      if (thrown instanceof UnreachableError) throw thrown;
      const failure = this.#judge(thrown, endpoint, running);
      if (isBehind(failure)) this.#pool.turnFrom(endpoint);
      const error = this.#lost(endpoint, failure, running);
      // Streams are not passed on, and a program may make no other calls, whose way the nodes are learned by.
      if (isElection(failure)) {
        await this.#discovery.findLeader(this.#pool.current, this.#endOf(running));
      }
      // The time of a stream's beginning is long over.
      const now = { ...running, deadlineAtMs: this.#ports.nowMs() + running.deadlineMs };
      throw (await this.#isTokenRenewed(failure, now)) ? noteRenewedToken(error) : error;
    } finally {
      endpoint.breaker.released();
      endpoint.left();
    }
  }

  /** The nodes as this client sees them. */
  endpoints(): readonly EndpointInfo[] {
    return this.#pool.all.map(({ address, isGiven, breaker, latencyMs, inFlight, last }) => ({
      ...{ address, isGiven, circuit: breaker.state, inFlight },
      ...(latencyMs !== undefined && { latencyMs }),
      ...(last !== undefined && { last }),
    }));
  }

  close(): void {
    this.#closed.abort();
    this.#pool.close();
  }

  #begin<Req, Res>(
    method: UnaryMethod<Req, Res>,
    request: Req,
    repeat: Repeat,
    options: ConnectionCallOptions,
  ): Running<Req, Res> {
    const deadlineMs = deadlineOf(options, this.#options);
    return {
      method,
      message: method.requestSerialize(request),
      repeat,
      route: routeOf(method.path, request),
      signal: options.signal,
      deadlineMs,
      deadlineAtMs: this.#ports.nowMs() + deadlineMs,
      requestId: requestIdOf(options.requestId ?? crypto.randomUUID()),
      metadata: options.metadata,
      tried: new Set(),
      log: [],
      attempts: 0,
      failures: 0,
      isRenewed: false,
      authorization: undefined,
    };
  }

  async #attempt<Req, Res>(endpoint: Endpoint, running: Running<Req, Res>): Promise<Outcome<Res>> {
    this.#checkOpen(running);
    running.tried.add(endpoint);
    const delayMs = isRead(running.method.path) ? this.#hedging?.delayMs() : undefined;
    if (delayMs === undefined) return this.#leg(endpoint, running, running.signal, false);
    const second = (): Leg<Outcome<Res>> | undefined => {
      const other = this.#pool.other(endpoint, running.route, running.tried);
      if (other === undefined || this.#hedging?.spend() !== true) return undefined;
      running.tried.add(other);
      return (signal) => this.#answered(this.#leg(other, running, signal, true));
    };
    const first = (signal: AbortSignal): Promise<Outcome<Res>> =>
      this.#answered(this.#leg(endpoint, running, signal, false));
    const timing = { after: this.#ports.after, delayMs, signal: running.signal };
    return hedged(first, second, timing).catch((thrown: unknown) => {
      if (thrown instanceof LegFailed) return { kind: "failed", failure: thrown.failure };
      throw thrown;
    });
  }

  /** A leg that failed must not win against one that is still under way. */
  async #answered<Res>(leg: Promise<Outcome<Res>>): Promise<Outcome<Res>> {
    const outcome = await leg;
    if (outcome.kind === "failed") throw new LegFailed(outcome.failure);
    return outcome;
  }

  /** One request to one endpoint. */
  async #leg<Req, Res>(
    endpoint: Endpoint,
    running: Running<Req, Res>,
    signal: AbortSignal | undefined,
    isHedge: boolean,
  ): Promise<Outcome<Res>> {
    const startMs = this.#ports.nowMs();
    endpoint.begin();
    const outcome = await this.#send(endpoint, running, signal)
      .catch((thrown: unknown) => {
        endpoint.breaker.released();
        throw thrown;
      })
      .finally(() => endpoint.left());
    const ms = Math.round(this.#ports.nowMs() - startMs);
    // The other leg of a hedged read was faster: that is no fault of this endpoint.
    const isLost = signal?.aborted === true && running.signal?.aborted !== true;
    const code = outcome.kind === "done" ? OK : isLost ? CANCELLED : codeOf(outcome.failure);
    const { metrics } = this.#options;
    if (metrics?.attemptEnded !== undefined) {
      const about = { name: nameOf(running.method), endpoint: endpoint.address, code, ms, isHedge };
      tell(() => metrics.attemptEnded?.(about));
    }
    if (outcome.kind === "done") {
      endpoint.succeeded(ms);
      if (isRead(running.method.path)) this.#hedging?.note(ms);
      return outcome;
    }
    const { address } = endpoint;
    if (isLost) endpoint.breaker.released();
    else {
      noteFailure(endpoint, outcome.failure);
      const message = textOf(outcome.failure);
      noteAttempt(running.log, { endpoint: address, code: codeOf(outcome.failure), message, ms });
    }
    return outcome;
  }

  async #send<Req, Res>(
    endpoint: Endpoint,
    running: Running<Req, Res>,
    signal: AbortSignal | undefined,
  ): Promise<Outcome<Res>> {
    const { nowMs } = this.#ports;
    const isLast = running.tried.size >= this.#pool.givenCount;
    const connectAtMs = isLast
      ? running.deadlineAtMs
      : Math.min(running.deadlineAtMs, nowMs() + CONNECT_MS_MAX);
    const waited = connectAtMs - nowMs();
    const isUsable = endpoint.isReady || (await endpoint.channel.connect(connectAtMs, signal));
    this.#checkOpen(running);
    if (!isUsable) return { kind: "failed", failure: notConnected(endpoint, waited) };
    let untilMs = running.deadlineAtMs;
    try {
      const asked = this.#authorize(running);
      if (asked !== undefined) await asked;
      // Not before: whoever gives the token must not take the time of the node.
      untilMs = this.#attemptEnd(endpoint, running);
      return { kind: "done", response: await this.#unary(endpoint, running, { untilMs, signal }) };
    } catch (thrown) {
      if (isTimeUp(thrown) && untilMs < running.deadlineAtMs) {
        return { kind: "failed", failure: cutShort(endpoint, thrown) };
      }
      return { kind: "failed", failure: this.#judge(thrown, endpoint, running) };
    }
  }

  /** One attempt on the wire. @throws WireError (by rejection) */
  async #unary<Req, Res>(
    endpoint: Endpoint,
    running: Running<Req, Res>,
    { untilMs, signal }: { untilMs: number; signal: AbortSignal | undefined },
  ): Promise<Res> {
    const { method, message } = running;
    const answer = await endpoint.channel.unary({
      path: method.path,
      message,
      metadata: metadataOf(running),
      deadlineAtMs: untilMs,
      signal,
      // Reads are never passed on, and a plain check has nothing to spare.
      onTrailer: isRead(method.path)
        ? undefined
        : (get) => {
            const leader = get(LEADER_KEY);
            if (leader !== undefined) this.#led(endpoint, leader);
          },
    });
    return decoded(method, answer);
  }

  /** A promise only where a token has to be asked for. @throws LedgerError of the token (by rejection) */
  #authorize<Req, Res>(running: Running<Req, Res>): Promise<void> | undefined {
    const header = this.#bearer.header();
    if (typeof header === "object") {
      return this.#within(running, header, CREDENTIALS).then((answer) => {
        running.authorization = answer;
      });
    }
    running.authorization = header;
    return undefined;
  }

  /** @throws LedgerError of the source of endpoints */
  async #nodesKnown<Req, Res>(running: Running<Req, Res>): Promise<void> {
    const asked = this.#given?.ready();
    if (asked !== undefined) await this.#within(running, asked, "the source of endpoints");
  }

  /** Waits for what the program was asked no longer than the call has. */
  async #within<Req, Res, T>(
    running: Running<Req, Res>,
    asked: Promise<T>,
    who: string,
  ): Promise<T> {
    const { deadlineAtMs, deadlineMs, requestId, method } = running;
    const leftMs = deadlineAtMs - this.#ports.nowMs();
    const found = await answerWithin(this.#ports, asked, leftMs, this.#endOf(running));
    if (found !== undefined) return found.answer;
    this.#checkOpen(running);
    const message = `${who} said nothing within the ${deadlineMs} ms of "${nameOf(method)}"`;
    throw new LedgerError("DEADLINE_EXCEEDED", message, { details: { deadlineMs, requestId } });
  }

  /** Its caller gives it up, or the client is closed. */
  #endOf<Req, Res>({ signal }: Running<Req, Res>): AbortSignal {
    const closed = this.#closed.signal;
    return signal === undefined ? closed : AbortSignal.any([closed, signal]);
  }

  /** A token that was refused may be an old one: true when the call is to be tried once more, with another. */
  async #isTokenRenewed<Req, Res>(failure: Failure, running: Running<Req, Res>): Promise<boolean> {
    if (!isUnknown(failure) || running.isRenewed) return false;
    running.isRenewed = true;
    const asked = this.#bearer.renewed(running.authorization);
    return this.#within(running, asked, CREDENTIALS);
  }

  /** A node that hangs must not take the time that another one needs to answer. */
  #attemptEnd<Req, Res>(endpoint: Endpoint, running: Running<Req, Res>): number {
    const { deadlineAtMs, repeat, route } = running;
    if (repeat !== "repeatable" || !this.#pool.hasOther(endpoint, route)) return deadlineAtMs;
    const nowMs = this.#ports.nowMs();
    const half = nowMs + Math.max(ATTEMPT_MS_MIN, (deadlineAtMs - nowMs) / 2);
    return Math.min(deadlineAtMs, Math.ceil(half));
  }

  /** Returns when the call is to be tried again; throws what it failed with when not. */
  async #recover<Req, Res>(
    endpoint: Endpoint,
    failure: Failure,
    running: Running<Req, Res>,
  ): Promise<void> {
    if (await this.#isTokenRenewed(failure, running)) return;
    running.failures++;
    if (!isElection(failure)) running.attempts++;
    const isElsewhere = this.#turnFrom(endpoint, failure);
    const next = isElsewhere ? this.#pool.pick(running.route, running.tried) : endpoint;
    const isNew = next !== undefined && !running.tried.has(next);
    await this.#untilNext(failure, running, isNew);
  }

  /**
   * The request failed inside the answers to others, which say nothing of the node itself. Returns when it is to be sent
   * again; throws what it failed with last when not.
   */
  async #goOn<Req, Res>(errors: readonly LedgerError[], running: Running<Req, Res>): Promise<void> {
    const failures = errors.map((error): Failure => ({ kind: "answered", error }));
    const last = failures.at(-1)!;
    running.failures = failures.length;
    running.attempts = failures.filter((failure) => !isElection(failure)).length;
    const asked = this.#pool.pick(running.route, running.tried) ?? this.#pool.current;
    if (isElection(last)) this.#turnFrom(asked, last);
    await this.#untilNext(last, running, false);
  }

  /** Waits as long as the next attempt has to; to a node that is new to the call it need not. Throws as `#recover`. */
  async #untilNext<Req, Res>(
    failure: Failure,
    running: Running<Req, Res>,
    isNew: boolean,
  ): Promise<void> {
    const mayRepeat = isRepeatable(failure, running.repeat) && running.attempts < this.#attemptsMax;
    const isWaiting = isElection(failure);
    const backoff = isWaiting ? ELECTION_BACKOFF : BACKOFF;
    const pauseMs = isNew
      ? 0
      : pauseBefore(running.failures, failure, backoff, this.#ports.random());
    if (!mayRepeat || this.#ports.nowMs() + pauseMs >= running.deadlineAtMs) {
      throw this.#errorOf(failure, running);
    }
    const wasThere = failure.kind === "answered" || failure.sent;
    if (!isNew && !isWaiting && wasThere && !this.#budget.spend()) {
      const { metrics } = this.#options;
      tell(() => metrics?.retryRefused?.({ name: nameOf(running.method) }));
      throw this.#errorOf(failure, running);
    }
    if (pauseMs > 0) await this.#pause(pauseMs, running);
  }

  /**
   * Every circuit is open. A call that has met a failure waits for its turn. One that has just begun fails at once, unless
   * a node is being connected to: it may have restarted, and be back in a moment.
   */
  async #waitForCircuit<Req, Res>(running: Running<Req, Res>): Promise<void> {
    const isNew = running.failures === 0;
    const waitedMs = this.#ports.nowMs() - (running.deadlineAtMs - running.deadlineMs);
    const isFutile = isNew && (!this.#pool.isConnecting || waitedMs >= CONNECT_MS_MAX);
    const waitMs = isNew ? RECONNECT_POLL_MS : this.#pool.circuitMs(running.route);
    if (isFutile || this.#ports.nowMs() + waitMs >= running.deadlineAtMs) {
      throw keepAttempts(this.#circuitOpen(running), running.log);
    }
    await this.#pause(waitMs, running);
  }

  #circuitOpen<Req, Res>({ method, requestId, route }: Running<Req, Res>): LedgerError {
    const about = { name: nameOf(method), requestId };
    return circuitOpen(about, this.#pool.all, this.#pool.circuitMs(route));
  }

  /** @throws LedgerError CANCELLED, CLIENT_CLOSED */
  async #pause<Req, Res>(ms: number, running: Running<Req, Res>): Promise<void> {
    await pause(this.#ports, ms, this.#endOf(running));
    this.#checkOpen(running);
  }

  /** Moves on to the next endpoint where another one may do better. */
  #turnFrom(endpoint: Endpoint, failure: Failure): boolean {
    if (isElection(failure) && failure.kind === "answered") {
      const { clientAddress } = failure.error.details;
      this.#led(endpoint, typeof clientAddress === "string" ? clientAddress : undefined);
      return true;
    }
    if (!isAboutEndpoint(failure)) return false;
    this.#pool.turnFrom(endpoint);
    this.#discovery.hurry();
    return true;
  }

  /** `endpoint` does not lead; the node at `leader` does, as far as it knows. */
  #led(endpoint: Endpoint, leader: string | undefined): void {
    this.#pool.followHint(endpoint, leader);
    this.#discovery.hurry();
  }

  #lost<Req, Res>(endpoint: Endpoint, failure: Failure, running: Running<Req, Res>): LedgerError {
    noteFailure(endpoint, failure);
    this.#turnFrom(endpoint, failure);
    return this.#errorOf(failure, running);
  }

  #errorOf<Req, Res>(failure: Failure, running: Running<Req, Res>): LedgerError {
    if (failure.kind === "answered") return keepAttempts(failure.error, running.log);
    const endpoints = [...running.tried].flatMap(({ last }) => (last ? [last] : []));
    const details = { requestId: running.requestId };
    const options = { details, cause: failure.error };
    const error = new UnreachableError(nameOf(running.method), endpoints, options);
    if (failure.sent) noteSent(error);
    return keepAttempts(error, running.log);
  }

  /** What a closed client ends is not the node's doing. */
  #judge<Req, Res>(thrown: unknown, endpoint: Endpoint, running: Running<Req, Res>): Failure {
    if (this.#closed.signal.aborted) return { kind: "answered", error: closedError(running) };
    return judge(thrown, endpoint, running);
  }

  /** @throws LedgerError CANCELLED, CLIENT_CLOSED */
  #checkOpen<Req, Res>(running: Running<Req, Res>): void {
    if (running.signal?.aborted === true) throw cancelled(running);
    if (this.#closed.signal.aborted) throw closedError(running);
  }
}

/** Carries a failure past a leg that may still succeed. */
class LegFailed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(textOf(failure));
    this.failure = failure;
  }
}

function closedError<Req, Res>({ requestId }: Running<Req, Res>): LedgerError {
  return new LedgerError("CLIENT_CLOSED", "the client is closed", { details: { requestId } });
}

function noteFailure(endpoint: Endpoint, failure: Failure): void {
  if (!isAboutEndpoint(failure)) endpoint.breaker.released();
  else if (failure.kind === "answered") endpoint.failed();
  else endpoint.failed({ cause: failure.cause, message: failure.message });
}

/** Has the node not heard yet of what a stream begins with? Another one may have. */
function isBehind(failure: Failure): boolean {
  return failure.kind === "answered" && failure.error.code === "HEIGHT_NOT_REACHED";
}

/** Does it say something of the node, and not of the request? */
function isAboutEndpoint(failure: Failure): boolean {
  if (failure.kind === "transport") return true;
  const { row, code } = failure.error;
  return row.grpc === "UNAVAILABLE" && code !== "CLIENT_CLOSED" && !isElection(failure);
}

/** @throws LedgerError INTERNAL for bytes that are no answer */
function decoded<Res>(
  {
    path,
    responseDeserialize,
  }: { readonly path: string; readonly responseDeserialize: (bytes: Buffer) => Res },
  answer: Uint8Array,
): Res {
  try {
    return responseDeserialize(asBuffer(answer));
  } catch (cause) {
    throw new LedgerError("INTERNAL", `the answer to "${nameOf({ path })}" cannot be read`, {
      cause,
    });
  }
}

function metadataOf<Req, Res>(running: Running<Req, Res>): WireMetadata {
  const { metadata, requestId, authorization } = running;
  const named = { ...metadata, ...apiHeaders, [REQUEST_ID_KEY]: requestId };
  return withToken(named, authorization);
}

/** The node does not know who calls. */
function isUnknown(failure: Failure): boolean {
  return failure.kind === "answered" && failure.error.row.grpc === "UNAUTHENTICATED";
}

function withToken(metadata: WireMetadata, authorization: string | undefined): WireMetadata {
  return authorization === undefined ? metadata : { ...metadata, authorization };
}

/** Not before the server wants to be asked again. */
function pauseBefore(attempt: number, failure: Failure, backoff: Backoff, chance: number): number {
  const asked = failure.kind === "answered" ? failure.error.retryAfterMs : undefined;
  return 1 + backoffMs(attempt, backoff, chance, asked);
}
