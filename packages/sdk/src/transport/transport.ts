/**
 * Calls over gRPC: connections made when first needed, deadlines, retries with jitter, another endpoint when
 * one cannot be used.
 *
 *   INV-SDK-1  A request is sent again only where that cannot do anything twice: it never left, or nothing
 *              happened, or it is a read, or it carries an idempotency key.
 *   INV-SDK-2  A call ends at its deadline, whatever the network does, and its error says what each endpoint met.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { assert, LedgerError, limits } from "@authledger/types";
import {
  Client,
  type ClientUnaryCall,
  connectivityState,
  credentials as grpcCredentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import {
  attemptsOf,
  type CallOptions,
  type ClientOptions,
  deadlineOf,
  endpointsOf,
  requestIdOf,
} from "../options.js";
import { backoffMs } from "./backoff.js";
import type { Connection, Repeat, UnaryMethod } from "./connection.js";
import { type EndpointFailure, type Failure, failureOf, UnreachableError } from "./grpc-error.js";
import { namedMetadata, readStream, type StreamMethod, type StreamOptions } from "./stream.js";

const REQUEST_ID_KEY = "x-request-id";
/** Wait for a connection while other endpoints are left to try, in milliseconds. */
const CONNECT_MS_MAX = 2_000;
/** Between attempts. */
const BACKOFF = { firstMs: 50, maxMs: 1_000 } as const;

const CHANNEL_OPTIONS = {
  "grpc.max_receive_message_length": limits.MESSAGE_BYTES_MAX,
  "grpc.max_send_message_length": limits.MESSAGE_BYTES_MAX,
  // A node that restarts is back in a second or two: do not wait longer than that to look again.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
} as const;

class Endpoint {
  readonly address: string;
  readonly client: Client;
  last: EndpointFailure | undefined;

  constructor(address: string, options: ClientOptions) {
    this.address = address;
    const credentials = options.credentials ?? grpcCredentials.createInsecure();
    this.client = new Client(address, credentials, CHANNEL_OPTIONS);
  }

  get isReady(): boolean {
    return this.client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /**
   * False when there is no connection by then, or the caller gives up; true as soon as a call will succeed or fail at
   * once.
   */
  async connect(untilMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (signal === undefined) return this.#connect(untilMs, signal);
    let stop = (): void => undefined;
    const given = new Promise<boolean>((resolve) => {
      stop = () => resolve(false);
    });
    signal.addEventListener("abort", stop, { once: true });
    try {
      return await Promise.race([given, this.#connect(untilMs, signal)]);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  async #connect(untilMs: number, signal: AbortSignal | undefined): Promise<boolean> {
    const channel = this.client.getChannel();
    while (signal?.aborted !== true) {
      const state = channel.getConnectivityState(true);
      if (state !== connectivityState.IDLE && state !== connectivityState.CONNECTING) return true;
      const isChanged = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(state, untilMs, (error) => resolve(error === undefined));
      });
      if (!isChanged) return false;
    }
    return false;
  }
}

/** One call, over all its attempts. */
interface Running<Req, Res> {
  readonly method: UnaryMethod<Req, Res>;
  readonly request: Req;
  readonly repeat: Repeat;
  readonly signal: AbortSignal | undefined;
  readonly deadlineMs: number;
  readonly deadlineAtMs: number;
  readonly requestId: string;
  readonly tried: Set<Endpoint>;
}

export class Transport implements Connection {
  readonly #endpoints: readonly Endpoint[];
  readonly #options: ClientOptions;
  readonly #attemptsMax: number;
  #current = 0;
  #isClosed = false;

  /** @throws LedgerError INVALID_ARGUMENT */
  constructor(options: ClientOptions) {
    this.#options = options;
    const addresses = endpointsOf(options.endpoints);
    this.#attemptsMax = Math.max(attemptsOf(options), addresses.length);
    this.#endpoints = addresses.map((address) => new Endpoint(address, options));
  }

  /** @throws LedgerError (by rejection): the server's, UnreachableError, DEADLINE_EXCEEDED, CANCELLED */
  async call<Req, Res>(
    method: UnaryMethod<Req, Res>,
    request: Req,
    repeat: Repeat,
    options: CallOptions = {},
  ): Promise<Res> {
    const deadlineMs = deadlineOf(options, this.#options);
    const running: Running<Req, Res> = {
      method,
      request,
      repeat,
      signal: options.signal,
      deadlineMs,
      deadlineAtMs: Date.now() + deadlineMs,
      requestId: requestIdOf(options.requestId ?? crypto.randomUUID()),
      tried: new Set(),
    };
    for (let attempt = 1; ; attempt++) {
      const endpoint = this.#endpoints[this.#current]!;
      const outcome = await this.#attempt(endpoint, running);
      if (outcome.kind === "done") return outcome.response;
      await this.#recover(endpoint, outcome.failure, running, attempt);
    }
  }

  overdue(call: string, deadlineMs: number): LedgerError {
    const endpoint = this.#next();
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
    const deadlineMs = deadlineOf({}, this.#options);
    const running: Running<Req, Res> = {
      method,
      request,
      repeat: "repeatable",
      signal: options.signal,
      deadlineMs,
      deadlineAtMs: Date.now() + deadlineMs,
      requestId: requestIdOf(options.requestId ?? crypto.randomUUID()),
      tried: new Set(),
    };
    this.#checkOpen(running);
    const endpoint = this.#next();
    running.tried.add(endpoint);
    const isUsable =
      endpoint.isReady || (await endpoint.connect(running.deadlineAtMs, options.signal));
    if (!isUsable) throw this.#lost(endpoint, notConnected(endpoint, deadlineMs), running);
    try {
      const metadata = namedMetadata(running.requestId);
      yield* readStream(endpoint.client, method, request, { ...options, metadata });
    } catch (thrown) {
      const isSilence = thrown instanceof LedgerError;
      const failure: Failure = isSilence
        ? { kind: "answered", error: thrown }
        : judge(thrown, endpoint, running);
      throw this.#lost(endpoint, failure, running);
    }
  }

  #lost<Req, Res>(endpoint: Endpoint, failure: Failure, running: Running<Req, Res>): LedgerError {
    if (failure.kind === "transport") {
      const { cause, message } = failure;
      endpoint.last = { endpoint: endpoint.address, cause, message };
    }
    this.#turnFrom(endpoint, failure);
    return this.#errorOf(failure, running);
  }

  close(): void {
    this.#isClosed = true;
    for (const { client } of this.#endpoints) client.close();
  }

  async #attempt<Req, Res>(
    endpoint: Endpoint,
    running: Running<Req, Res>,
  ): Promise<{ kind: "done"; response: Res } | { kind: "failed"; failure: Failure }> {
    this.#checkOpen(running);
    running.tried.add(endpoint);
    const isLast = running.tried.size === this.#endpoints.length;
    const connectAtMs = isLast
      ? running.deadlineAtMs
      : Math.min(running.deadlineAtMs, Date.now() + CONNECT_MS_MAX);
    const waited = connectAtMs - Date.now();
    const isUsable = endpoint.isReady || (await endpoint.connect(connectAtMs, running.signal));
    if (running.signal?.aborted === true) throw cancelled(running);
    if (!isUsable) return { kind: "failed", failure: notConnected(endpoint, waited) };
    try {
      const response = await unary(endpoint.client, running);
      endpoint.last = undefined;
      return { kind: "done", response };
    } catch (thrown) {
      return { kind: "failed", failure: judge(thrown, endpoint, running) };
    }
  }

  /** Returns when the call is to be tried again; throws what it failed with when not. */
  async #recover<Req, Res>(
    endpoint: Endpoint,
    failure: Failure,
    running: Running<Req, Res>,
    attempt: number,
  ): Promise<void> {
    if (failure.kind === "transport") {
      const { cause, message } = failure;
      endpoint.last = { endpoint: endpoint.address, cause, message };
    }
    const mayRepeat = isRepeatable(failure, running.repeat) && attempt < this.#attemptsMax;
    const isNew = this.#turnFrom(endpoint, failure) && !running.tried.has(this.#next());
    const pauseMs = isNew ? 0 : pauseBefore(attempt, failure);
    if (!mayRepeat || Date.now() + pauseMs >= running.deadlineAtMs) {
      throw this.#errorOf(failure, running);
    }
    if (pauseMs === 0) return;
    await sleep(pauseMs, undefined, { signal: running.signal }).catch(() => {
      throw cancelled(running);
    });
  }

  /** Moves on to the next endpoint where another one may do better. */
  #turnFrom(endpoint: Endpoint, failure: Failure): boolean {
    const isElsewhere = failure.kind === "transport" || failure.error.row.grpc === "UNAVAILABLE";
    if (!isElsewhere) return false;
    // A concurrent call may have moved on already.
    if (this.#next() === endpoint) this.#current = (this.#current + 1) % this.#endpoints.length;
    return true;
  }

  #next(): Endpoint {
    return this.#endpoints[this.#current]!;
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

/** One attempt on the wire. @throws ServiceError (by rejection) */
function unary<Req, Res>(client: Client, running: Running<Req, Res>): Promise<Res> {
  const { method, request, signal, deadlineAtMs, requestId } = running;
  const metadata = new Metadata();
  metadata.set(REQUEST_ID_KEY, requestId);
  return new Promise<Res>((resolve, reject) => {
    let call: ClientUnaryCall | undefined;
    const cancel = (): void => call?.cancel();
    call = client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline: deadlineAtMs },
      (error, response) => {
        signal?.removeEventListener("abort", cancel);
        if (error !== null) return reject(error);
        assert(response !== undefined, "a unary call without an error has a response");
        resolve(response);
      },
    );
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

function judge<Req, Res>(thrown: unknown, endpoint: Endpoint, running: Running<Req, Res>): Failure {
  if (running.signal?.aborted === true) return { kind: "answered", error: cancelled(running) };
  const error = thrown as ServiceError;
  if (error.code === status.DEADLINE_EXCEEDED && !endpoint.isReady) {
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
function isBare({ details }: ServiceError): boolean {
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
function pauseBefore(attempt: number, failure: Failure): number {
  const asked = failure.kind === "answered" ? failure.error.retryAfterMs : undefined;
  return 1 + backoffMs(attempt, BACKOFF, asked);
}
