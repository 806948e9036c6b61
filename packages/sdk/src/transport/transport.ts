/**
 * Calls over gRPC: connections made when first needed, deadlines, retries with jitter, another endpoint when
 * one cannot be used. Calls that need the leader of a cluster go to it (route.ts, discovery.ts).
 *
 *   INV-SDK-1  A request is sent again only where that cannot do anything twice: it never left, or nothing
 *              happened, or it is a read, or it carries an idempotency key.
 *   INV-SDK-2  A call ends at its deadline, whatever the network does, and its error says what each endpoint met.
 */
import { LEADER_KEY } from "@authledger/proto";
import { type ErrorCode, GrpcStatus, LedgerError } from "@authledger/types";
import {
  attemptsOf,
  type CallOptions,
  type ClientOptions,
  deadlineOf,
  discoverOf,
  requestIdOf,
} from "../options.js";
import { type Backoff, backoffMs } from "./backoff.js";
import { Bearer } from "./bearer.js";
import type { Connection, Repeat, UnaryMethod } from "./connection.js";
import { Discovery } from "./discovery.js";
import type { Endpoint } from "./endpoint.js";
import { EndpointPool } from "./endpoint-pool.js";
import { type Ports, pause } from "./ports.js";
import { type Route, routeOf } from "./route.js";
import { readStream, type StreamMethod, type StreamOptions } from "./stream.js";
import { asBuffer, WireError, type WireMetadata } from "./wire.js";
import { type EndpointFailure, type Failure, failureOf, UnreachableError } from "./wire-failure.js";

const READS = "/authledger.v1.ReadService/";
const REQUEST_ID_KEY = "x-request-id";
/** Wait for a connection while other endpoints are left to try, in milliseconds. */
const CONNECT_MS_MAX = 500;
/** The least time that a node has to answer before another one is asked. */
const ATTEMPT_MS_MIN = 500;
/** An election is waited for until the deadline: these are no failed attempts. Nothing has happened. */
const ELECTION_CODES: ReadonlySet<ErrorCode> = new Set(["NOT_LEADER", "NO_LEADER"]);
/** Between attempts. */
const BACKOFF = { firstMs: 50, maxMs: 1_000 } as const;
/** Of calls that wait for an election, which takes less than a second. */
const ELECTION_BACKOFF = { firstMs: 50, maxMs: 150 } as const;

/** One call, over all its attempts. */
interface Running<Req, Res> {
  readonly method: UnaryMethod<Req, Res>;
  /** Encoded. */
  readonly message: Uint8Array;
  readonly repeat: Repeat;
  readonly route: Route;
  readonly signal: AbortSignal | undefined;
  readonly deadlineMs: number;
  readonly deadlineAtMs: number;
  readonly requestId: string;
  readonly tried: Set<Endpoint>;
  /** That failed, elections left out. */
  attempts: number;
  failures: number;
  /** Another token was asked for after one was refused. */
  isRenewed: boolean;
  authorization: string | undefined;
}

export class Transport implements Connection {
  readonly #pool: EndpointPool;
  readonly #discovery: Discovery;
  readonly #options: ClientOptions;
  readonly #ports: Ports;
  readonly #bearer: Bearer;
  readonly #attemptsMax: number;
  #isClosed = false;

  /** @throws LedgerError INVALID_ARGUMENT */
  constructor(options: ClientOptions, ports: Ports) {
    this.#options = options;
    this.#ports = ports;
    this.#pool = new EndpointPool(options, ports);
    this.#bearer = new Bearer(options, ports.nowMs);
    this.#discovery = new Discovery(this.#pool, discoverOf(options), {
      nowMs: ports.nowMs,
      metadata: async () => withToken({}, await this.#bearer.header()),
    });
    this.#attemptsMax = Math.max(attemptsOf(options), this.#pool.givenCount);
  }

  /** @throws LedgerError (by rejection): the server's, UnreachableError, DEADLINE_EXCEEDED, CANCELLED */
  async call<Req, Res>(
    method: UnaryMethod<Req, Res>,
    request: Req,
    repeat: Repeat,
    options: CallOptions = {},
  ): Promise<Res> {
    const running = this.#begin(method, request, repeat, options);
    for (;;) {
      const endpoint = this.#pool.pick(running.route, running.tried);
      const outcome = await this.#attempt(endpoint, running);
      this.#discovery.tick(this.#pool.current);
      if (outcome.kind === "done") return outcome.response;
      await this.#recover(endpoint, outcome.failure, running);
    }
  }

  #begin<Req, Res>(
    method: UnaryMethod<Req, Res>,
    request: Req,
    repeat: Repeat,
    options: CallOptions,
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
      tried: new Set(),
      attempts: 0,
      failures: 0,
      isRenewed: false,
      authorization: undefined,
    };
  }

  overdue(call: string, deadlineMs: number): LedgerError {
    const endpoint = this.#pool.pick("leader", new Set());
    if (endpoint.isReady)
      return noAnswer(endpoint, { name: call, deadlineMs, requestId: undefined });
    const { address: found, last } = endpoint;
    const message = `no connection within ${deadlineMs} ms${before(last)}`;
    const failure = { endpoint: found, cause: last?.cause ?? "timeout", message } as const;
    return new UnreachableError(call, [failure], { details: {}, cause: undefined });
  }

  /**
   * One attempt at a stream at the endpoint that is in use; the next attempt finds another one where this one failed.
   * @throws LedgerError the server's, UnreachableError, UNAVAILABLE for silence, CANCELLED
   */
  async *stream<Req, Res>(
    method: StreamMethod<Req, Res>,
    request: Req,
    options: StreamOptions,
  ): AsyncGenerator<Res> {
    const { signal, requestId } = options;
    const running = this.#begin<Req, Res>(method, request, "repeatable", { signal, requestId });
    this.#checkOpen(running);
    const endpoint = this.#pool.pick(running.route, running.tried);
    running.tried.add(endpoint);
    const isUsable =
      endpoint.isReady || (await endpoint.channel.connect(running.deadlineAtMs, options.signal));
    if (!isUsable) throw this.#lost(endpoint, notConnected(endpoint, running.deadlineMs), running);
    try {
      const call = {
        path: method.path,
        message: running.message,
        metadata: await this.#metadata(running),
        deadlineAtMs: undefined,
        signal: options.signal,
      };
      const { after } = this.#ports;
      const limits = { silenceMs: options.silenceMs, after };
      for await (const answer of readStream(endpoint.channel, call, limits)) {
        yield decoded(method, answer);
      }
    } catch (thrown) {
      const failure = judge(thrown, endpoint, running);
      this.#isTokenRenewed(failure, running);
      throw this.#lost(endpoint, failure, running);
    }
  }

  #lost<Req, Res>(endpoint: Endpoint, failure: Failure, running: Running<Req, Res>): LedgerError {
    this.#turnFrom(endpoint, failure);
    return this.#errorOf(failure, running);
  }

  close(): void {
    this.#isClosed = true;
    this.#pool.close();
  }

  async #attempt<Req, Res>(
    endpoint: Endpoint,
    running: Running<Req, Res>,
  ): Promise<{ kind: "done"; response: Res } | { kind: "failed"; failure: Failure }> {
    this.#checkOpen(running);
    running.tried.add(endpoint);
    const isLast = running.tried.size >= this.#pool.givenCount;
    const connectAtMs = isLast
      ? running.deadlineAtMs
      : Math.min(running.deadlineAtMs, this.#ports.nowMs() + CONNECT_MS_MAX);
    const waited = connectAtMs - this.#ports.nowMs();
    const isUsable =
      endpoint.isReady || (await endpoint.channel.connect(connectAtMs, running.signal));
    if (running.signal?.aborted === true) throw cancelled(running);
    if (!isUsable) return { kind: "failed", failure: notConnected(endpoint, waited) };
    const untilMs = this.#attemptEnd(endpoint, running);
    try {
      const response = await this.#unary(endpoint, running, untilMs);
      endpoint.succeeded();
      return { kind: "done", response };
    } catch (thrown) {
      const isTimeUp = thrown instanceof WireError && thrown.code === GrpcStatus.DEADLINE_EXCEEDED;
      if (isTimeUp && untilMs < running.deadlineAtMs) {
        return { kind: "failed", failure: cutShort(endpoint, thrown) };
      }
      return { kind: "failed", failure: judge(thrown, endpoint, running) };
    }
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
    if (this.#isTokenRenewed(failure, running)) return;
    const isElection = failure.kind === "answered" && ELECTION_CODES.has(failure.error.code);
    running.failures++;
    if (!isElection) running.attempts++;
    const mayRepeat = isRepeatable(failure, running.repeat) && running.attempts < this.#attemptsMax;
    const isElsewhere = this.#turnFrom(endpoint, failure);
    const isNew = isElsewhere && !running.tried.has(this.#pool.pick(running.route, running.tried));
    const backoff = isElection ? ELECTION_BACKOFF : BACKOFF;
    const { random } = this.#ports;
    const pauseMs = isNew ? 0 : pauseBefore(running.failures, failure, backoff, random());
    if (!mayRepeat || this.#ports.nowMs() + pauseMs >= running.deadlineAtMs) {
      throw this.#errorOf(failure, running);
    }
    if (pauseMs === 0) return;
    if (!(await pause(this.#ports, pauseMs, running.signal))) throw cancelled(running);
  }

  /** One attempt on the wire. @throws WireError (by rejection) */
  async #unary<Req, Res>(
    endpoint: Endpoint,
    running: Running<Req, Res>,
    deadlineAtMs: number,
  ): Promise<Res> {
    const { method, message, signal } = running;
    const answer = await endpoint.channel.unary({
      path: method.path,
      message,
      metadata: await this.#metadata(running),
      deadlineAtMs,
      signal,
      // Reads are never passed on, and a plain check has nothing to spare.
      onTrailer: method.path.startsWith(READS)
        ? undefined
        : (get) => {
            const leader = get(LEADER_KEY);
            if (leader !== undefined) this.#led(endpoint, leader);
          },
    });
    return decoded(method, answer);
  }

  async #metadata<Req, Res>(running: Running<Req, Res>): Promise<WireMetadata> {
    const header = this.#bearer.header();
    running.authorization = typeof header === "object" ? await header : header;
    return withToken({ [REQUEST_ID_KEY]: running.requestId }, running.authorization);
  }

  /** A token that was refused may be an old one: true when the call is to be tried once more, with another. */
  #isTokenRenewed<Req, Res>(failure: Failure, running: Running<Req, Res>): boolean {
    const isRefused = failure.kind === "answered" && failure.error.row.grpc === "UNAUTHENTICATED";
    if (!isRefused || running.isRenewed) return false;
    running.isRenewed = true;
    return this.#bearer.refuse(running.authorization);
  }

  /** Moves on to the next endpoint where another one may do better. */
  #turnFrom(endpoint: Endpoint, failure: Failure): boolean {
    if (failure.kind === "transport") {
      endpoint.failed({ cause: failure.cause, message: failure.message });
    } else if (ELECTION_CODES.has(failure.error.code)) {
      const { clientAddress } = failure.error.details;
      this.#led(endpoint, typeof clientAddress === "string" ? clientAddress : undefined);
      return true;
    } else if (failure.error.row.grpc === "UNAVAILABLE") endpoint.failed();
    else return false;
    this.#pool.turnFrom(endpoint);
    this.#discovery.hurry();
    return true;
  }

  /** `endpoint` does not lead; the node at `leader` does, as far as it knows. */
  #led(endpoint: Endpoint, leader: string | undefined): void {
    this.#pool.followHint(endpoint, leader);
    this.#discovery.hurry();
  }

  #errorOf<Req, Res>(failure: Failure, running: Running<Req, Res>): LedgerError {
    if (failure.kind === "answered") return failure.error;
    const endpoints = [...running.tried].flatMap(({ last }) => (last ? [last] : []));
    const details = { requestId: running.requestId };
    const options = { details, cause: failure.error };
    return new UnreachableError(nameOf(running.method), endpoints, options);
  }

  #checkOpen<Req, Res>(running: Running<Req, Res>): void {
    if (running.signal?.aborted === true) throw cancelled(running);
    if (!this.#isClosed) return;
    throw new LedgerError("CANCELLED", "the client is closed", {
      details: { requestId: running.requestId },
    });
  }
}

/** `Check` of `/authledger.v1.ReadService/Check`. */
function nameOf({ path }: { readonly path: string }): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** @throws LedgerError INTERNAL for bytes that are no answer */
function decoded<Res>(
  { path, responseDeserialize }: { path: string; responseDeserialize: (bytes: Buffer) => Res },
  answer: Uint8Array,
): Res {
  try {
    return responseDeserialize(asBuffer(answer));
  } catch (cause) {
    const message = `the answer to "${nameOf({ path })}" cannot be read`;
    throw new LedgerError("INTERNAL", message, { cause });
  }
}

function withToken(metadata: WireMetadata, authorization: string | undefined): WireMetadata {
  return authorization === undefined ? metadata : { ...metadata, authorization };
}

/** What an attempt comes to that had to end before the deadline, so that another node has time to answer. */
function cutShort({ address }: Endpoint, error: unknown): Failure {
  const message = `${address} did not answer in time`;
  return { kind: "transport", cause: "timeout", message, sent: true, error };
}

function judge<Req, Res>(thrown: unknown, endpoint: Endpoint, running: Running<Req, Res>): Failure {
  if (running.signal?.aborted === true) return { kind: "answered", error: cancelled(running) };
  if (thrown instanceof LedgerError) return { kind: "answered", error: thrown };
  if (!(thrown instanceof WireError)) throw thrown;
  const error = thrown;
  if (error.code === GrpcStatus.DEADLINE_EXCEEDED && !endpoint.isReady) {
    return notConnected(endpoint, running.deadlineMs, error);
  }
  const { requestId } = running;
  const failure = failureOf(error, { requestId, endpoint: endpoint.address });
  const isOurs =
    failure.kind === "answered" && failure.error.code === "DEADLINE_EXCEEDED" && isBare(error);
  if (!isOurs) return failure;
  const about = { name: nameOf(running.method), deadlineMs: running.deadlineMs, requestId };
  return { kind: "answered", error: noAnswer(endpoint, about, error) };
}

/** The client's own report that the time is up, which says nothing of why. */
function isBare({ details }: WireError): boolean {
  return /^Deadline exceeded/.test(details);
}

function noAnswer(
  { address, last }: Endpoint,
  call: {
    readonly name: string;
    readonly deadlineMs: number;
    readonly requestId?: string | undefined;
  },
  cause?: unknown,
): LedgerError {
  const { name, deadlineMs, requestId } = call;
  const message = `${address} is connected, but did not answer "${name}" within ${deadlineMs} ms${before(last)}`;
  const details = { endpoint: address, deadlineMs, ...(requestId !== undefined && { requestId }) };
  return new LedgerError("DEADLINE_EXCEEDED", message, { details, cause });
}

/** What an endpoint met last, behind what it meets now. */
function before(last: EndpointFailure | undefined): string {
  return last === undefined ? "" : `, before that: ${last.message}`;
}

/** `waitedMs`: how long a connection was waited for. */
function notConnected(endpoint: Endpoint, waitedMs: number, error?: unknown): Failure {
  const waited = Math.max(0, Math.round(waitedMs));
  const message = `no connection within ${waited} ms${before(endpoint.last)}`;
  return { kind: "transport", cause: "timeout", message, sent: false, error };
}

function cancelled<Req, Res>({ method, signal, requestId }: Running<Req, Res>): LedgerError {
  return new LedgerError("CANCELLED", `the caller gave up "${nameOf(method)}"`, {
    details: { requestId },
    cause: signal?.reason,
  });
}

/** INV-SDK-1. */
function isRepeatable(failure: Failure, repeat: Repeat): boolean {
  if (failure.kind === "transport") return !failure.sent || repeat === "repeatable";
  const { code, row } = failure.error;
  if (row.retry === "safe") return true;
  // What the caller gave up, or has no time left for, is over.
  const isOver = code === "CANCELLED" || code === "DEADLINE_EXCEEDED";
  return row.retry === "with-key" && repeat === "repeatable" && !isOver;
}

/** Not before the server wants to be asked again. */
function pauseBefore(attempt: number, failure: Failure, backoff: Backoff, chance: number): number {
  const asked = failure.kind === "answered" ? failure.error.retryAfterMs : undefined;
  return 1 + backoffMs(attempt, backoff, chance, asked);
}
