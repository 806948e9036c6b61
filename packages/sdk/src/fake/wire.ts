/**
 * The way from a client to a fake ledger. Requests and answers are encoded and decoded as for a network, so that
 * neither side holds objects of the other; a call takes a turn of the event loop, so that it can be given up.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { admin, authorization, model, read, write } from "@authledger/proto";
import { LedgerError, limits } from "@authledger/types";
import { type CallOptions, type ClientOptions, deadlineOf, requestIdOf } from "../options.js";
import type { Connection, EndpointInfo, Repeat, UnaryMethod } from "../transport/connection.js";
import type { StreamMethod, StreamOptions } from "../transport/stream.js";
import { asBuffer } from "../transport/wire.js";
import { factsOf } from "../transport/wire-failure.js";
import { FakeAdmin } from "./admin.js";
import { FakeAuthorization } from "./authorization.js";
import { FakeHistory } from "./history.js";
import { FakeListings } from "./listings.js";
import { FakeModels } from "./models.js";
import { FakeReads } from "./reads.js";
import type { FakeState } from "./state.js";
import { writeHandlers } from "./writes.js";

/** From the bytes of a request to those of its answer, by the path of the method. */
type Methods = ReadonlyMap<string, (request: Buffer) => Buffer>;

/** From the bytes of a request to those of its messages, until the signal is aborted. */
type Streams = ReadonlyMap<string, (request: Buffer, signal: AbortSignal) => AsyncIterable<Buffer>>;

/** What answers the clients of a fake ledger. */
export interface FakeNode {
  readonly methods: Methods;
  readonly streams: Streams;
}

interface Definition {
  readonly path: string;
  readonly responseStream: boolean;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (message: never) => Buffer;
}

export function fakeNode(state: FakeState): FakeNode {
  const history = new FakeHistory(state);
  const { watchBlocks, watchChanges } = read.ReadServiceService;
  const methods = new Map([
    ...service(read.ReadServiceService, new FakeReads(state)),
    ...service(read.ReadServiceService, new FakeListings(state)),
    ...service(read.ReadServiceService, history),
    ...service(authorization.AuthorizationServiceService, new FakeAuthorization(state)),
    ...service(model.ModelServiceService, new FakeModels(state)),
    ...service(write.WriteServiceService, writeHandlers(state)),
    ...service(admin.AdminServiceService, new FakeAdmin(state)),
  ]);
  const streams: Streams = new Map([
    [watchBlocks.path, streamed(watchBlocks, (request, end) => history.watchBlocks(request, end))],
    [
      watchChanges.path,
      streamed(watchChanges, (request, end) => history.watchChanges(request, end)),
    ],
  ]);
  return { methods, streams };
}

function streamed<Req, Res>(
  definition: {
    readonly requestDeserialize: (bytes: Buffer) => Req;
    readonly responseSerialize: (message: Res) => Buffer;
  },
  open: (request: Req, signal: AbortSignal) => AsyncIterable<Res>,
): (request: Buffer, signal: AbortSignal) => AsyncIterable<Buffer> {
  return async function* (bytes, signal) {
    const { requestDeserialize, responseSerialize } = definition;
    for await (const message of open(requestDeserialize(bytes), signal)) {
      yield responseSerialize(message);
    }
  };
}

/** The methods that the fake has; it answers others as a node that does not know them. */
function* service(
  definitions: object,
  handlers: object,
): Generator<[string, (request: Buffer) => Buffer]> {
  for (const [name, definition] of Object.entries(definitions) as [string, Definition][]) {
    const handler = (handlers as Readonly<Record<string, unknown>>)[name];
    if (typeof handler !== "function" || definition.responseStream) continue;
    const { path, requestDeserialize, responseSerialize } = definition;
    yield [
      path,
      (bytes) => responseSerialize(handler.call(handlers, requestDeserialize(bytes)) as never),
    ];
  }
}

export class FakeConnection implements Connection {
  readonly #methods: Methods;
  readonly #streams: Streams;
  readonly #options: ClientOptions;
  readonly #closed = new AbortController();

  constructor({ methods, streams }: FakeNode, options: ClientOptions) {
    this.#methods = methods;
    this.#streams = streams;
    this.#options = options;
  }

  async call<Req, Res>(
    method: UnaryMethod<Req, Res>,
    request: Req,
    _: Repeat,
    options: CallOptions = {},
  ): Promise<Res> {
    deadlineOf(options, this.#options);
    const requestId = requestIdOf(options.requestId ?? crypto.randomUUID());
    const name = method.path.slice(method.path.lastIndexOf("/") + 1);
    this.#checkOpen(name, requestId, options.signal);
    const bytes = method.requestSerialize(request);
    await nextTurn();
    this.#checkOpen(name, requestId, options.signal);
    return method.responseDeserialize(this.#answer(method.path, asBuffer(bytes), requestId));
  }

  /** Ends with the client, or when its caller gives it up. It needs no heartbeats: there is nothing to lose. */
  async *stream<Req, Res>(
    method: StreamMethod<Req, Res>,
    request: Req,
    { signal, requestId = crypto.randomUUID() }: StreamOptions,
  ): AsyncGenerator<Res> {
    const name = method.path.slice(method.path.lastIndexOf("/") + 1);
    this.#checkOpen(name, requestId, signal);
    const open = this.#streams.get(method.path);
    const ended = AbortSignal.any([this.#closed.signal, ...(signal ? [signal] : [])]);
    try {
      if (open === undefined) {
        throw new LedgerError("UNIMPLEMENTED", `the fake ledger does not know ${method.path}`);
      }
      for await (const message of open(asBuffer(method.requestSerialize(request)), ended)) {
        yield method.responseDeserialize(message);
      }
    } catch (thrown) {
      throw travelled(LedgerError.from(thrown), requestId);
    }
    this.#checkOpen(name, requestId, signal);
  }

  endpoints(): readonly EndpointInfo[] {
    return [];
  }

  /** The fake answers at once; only a program that does not let it ends up here. */
  overdue(call: string, deadlineMs: number): LedgerError {
    const message = `the fake ledger did not answer "${call}" within ${deadlineMs} ms`;
    return new LedgerError("DEADLINE_EXCEEDED", message, { details: { deadlineMs } });
  }

  close(): void {
    this.#closed.abort();
  }

  #answer(path: string, request: Buffer, requestId: string): Buffer {
    const handler = this.#methods.get(path);
    try {
      if (handler === undefined) {
        throw new LedgerError("UNIMPLEMENTED", `the fake ledger does not know ${path}`);
      }
      checkBytes(request.length, "the request");
      const answer = handler(request);
      checkBytes(answer.length, "the answer");
      return answer;
    } catch (thrown) {
      throw travelled(LedgerError.from(thrown), requestId);
    }
  }

  #checkOpen(name: string, requestId: string, signal: AbortSignal | undefined): void {
    const details = { requestId };
    if (signal?.aborted === true) {
      const message = `the caller gave up "${name}"`;
      throw new LedgerError("CANCELLED", message, { details, cause: signal.reason });
    }
    if (this.#closed.signal.aborted)
      throw new LedgerError("CLIENT_CLOSED", "the client is closed", { details });
  }
}

function checkBytes(bytes: number, what: string): void {
  const limit = limits.MESSAGE_BYTES_MAX;
  if (bytes <= limit) return;
  const message = `${what} has ${bytes} bytes; the limit of a message is ${limit}: ask for less at once`;
  throw new LedgerError("LIMIT_EXCEEDED", message, { details: { limit, actual: bytes } });
}

/** An error as it arrives: its facts were text on the way. */
function travelled(error: LedgerError, requestId: string): LedgerError {
  const { code, message, details, retryAfterMs } = error;
  const context = Object.fromEntries(
    Object.entries(details).map(([name, value]) => [name, String(value)]),
  );
  return new LedgerError(code, message, {
    details: { ...factsOf(code, context), requestId },
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    cause: error,
  });
}
