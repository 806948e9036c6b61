/**
 * The way from a client to a fake ledger. Requests and answers are encoded and decoded as for a network, so that
 * neither side holds objects of the other; a call takes a turn of the event loop, so that it can be given up.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { admin, read, write } from "@authledger/proto";
import { LedgerError, limits } from "@authledger/types";
import { type CallOptions, type ClientOptions, deadlineOf, requestIdOf } from "../options.js";
import type { Connection, Repeat, UnaryMethod } from "../transport/connection.js";
import { factsOf } from "../transport/grpc-error.js";
import type { StreamMethod } from "../transport/stream.js";
import { FakeAdmin } from "./admin.js";
import { FakeListings } from "./listings.js";
import { FakeReads } from "./reads.js";
import type { FakeState } from "./state.js";
import { writeHandlers } from "./writes.js";

/** From the bytes of a request to those of its answer, by the path of the method. */
export type Methods = ReadonlyMap<string, (request: Buffer) => Buffer>;

interface Definition {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (message: never) => Buffer;
}

export function methodsOf(state: FakeState): Methods {
  return new Map([
    ...service(read.ReadServiceService, new FakeReads(state)),
    ...service(read.ReadServiceService, new FakeListings(state)),
    ...service(write.WriteServiceService, writeHandlers(state)),
    ...service(admin.AdminServiceService, new FakeAdmin(state)),
  ]);
}

/** The methods that the fake has; it answers others as a node that does not know them. */
function* service(
  definitions: object,
  handlers: object,
): Generator<[string, (request: Buffer) => Buffer]> {
  for (const [name, definition] of Object.entries(definitions) as [string, Definition][]) {
    const handler = (handlers as Readonly<Record<string, unknown>>)[name];
    if (typeof handler !== "function") continue;
    const { path, requestDeserialize, responseSerialize } = definition;
    yield [
      path,
      (bytes) => responseSerialize(handler.call(handlers, requestDeserialize(bytes)) as never),
    ];
  }
}

export class FakeConnection implements Connection {
  readonly #methods: Methods;
  readonly #options: ClientOptions;
  #isClosed = false;

  constructor(methods: Methods, options: ClientOptions) {
    this.#methods = methods;
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
    return method.responseDeserialize(this.#answer(method.path, bytes, requestId));
  }

  /** The fake keeps no history to watch. @throws LedgerError UNIMPLEMENTED */
  stream<Req, Res>({ path }: StreamMethod<Req, Res>): AsyncIterable<Res> {
    throw new LedgerError("UNIMPLEMENTED", `the fake ledger does not stream ${path}`);
  }

  /** The fake answers at once; only a program that does not let it ends up here. */
  overdue(call: string, deadlineMs: number): LedgerError {
    const message = `the fake ledger did not answer "${call}" within ${deadlineMs} ms`;
    return new LedgerError("DEADLINE_EXCEEDED", message, { details: { deadlineMs } });
  }

  close(): void {
    this.#isClosed = true;
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
    if (this.#isClosed) throw new LedgerError("CANCELLED", "the client is closed", { details });
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
