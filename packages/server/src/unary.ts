/**
 * The frame around every unary call: decodes strictly, counts, measures, bounds answers, answers errors with
 * details, and knows the deadline. It is on the path of every check, so it allocates one closure and looks up
 * nothing; an answer that is there at once is given at once.
 */
import { decodeStrictly } from "@authledger/proto";
import { AssertionError, GrpcStatus, LedgerError } from "@authledger/types";
import type {
  handleUnaryCall,
  Server,
  ServerUnaryCall,
  sendUnaryData,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { MESSAGE_BYTES_MAX } from "./config.js";
import type { Connections } from "./connections.js";
import { toServiceError } from "./grpc-error.js";
import type { MethodMeter, RpcMeters } from "./metrics.js";

/** What a handler knows of its call. */
export interface CallContext {
  /** On the monotonic clock; undefined without a deadline. */
  readonly deadlineAtMs: number | undefined;
}

/** Answers with a message, or with its bytes where it has them ready. */
export type Handler<Req, Res> = (
  request: Req,
  call: CallContext,
) => Res | Buffer | Promise<Res | Buffer>;

type AnyHandler = Handler<never, unknown>;

/** What makes requests of bytes, by method; throws for bytes that are none. */
export type Decoders<T> = { readonly [K in keyof T]: (bytes: Buffer) => unknown };

/** Decodes with a generated codec. */
export function strict(codec: Parameters<typeof decodeStrictly>[0]): (bytes: Buffer) => unknown {
  return (bytes) => decodeStrictly(codec, bytes);
}

/** A service: its generated definition, what decodes its requests, and what answers them. */
export interface Service<T extends object> {
  /** As metrics name it. */
  readonly name: string;
  readonly definition: T;
  readonly requests: Decoders<T>;
  readonly handlers: { readonly [name: string]: AnyHandler };
}

/** What all frames of a node share. */
export interface FrameDeps {
  readonly meters: RpcMeters;
  readonly connections: Connections;
  /** The node has stopped: nothing is answered any more but that. */
  readonly isStopped: () => boolean;
  /** An invariant is broken: the node must stop. */
  readonly onBug: (error: AssertionError) => void;
}

/** Stands for a request whose bytes are not one. */
class Malformed {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

interface AnyMethod {
  readonly responseSerialize: (value: unknown) => Buffer;
}

/** Adds a service whose requests are decoded strictly and whose calls are framed. */
export function addFramedService<T extends object>(
  server: Server,
  { name: service, definition, requests, handlers }: Service<T>,
  deps: FrameDeps,
): void {
  const methods: Record<string, object> = {};
  const framed: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(definition) as [keyof T & string, AnyMethod][]) {
    const requestDeserialize = orMalformed(requests[name]);
    methods[name] = { ...method, requestDeserialize, responseSerialize: same };
    const meter = deps.meters.method(`${service}/${name}`);
    const frame = new Frame(handlers[name]!, method.responseSerialize, meter, deps);
    framed[name] = frame.handle as UntypedServiceImplementation[string];
  }
  server.addService(methods as never, framed);
}

/** Malformed requests reach the frame, not the library, which would answer without details. */
function orMalformed(decode: (bytes: Buffer) => unknown): (bytes: Buffer) => unknown {
  return (bytes) => {
    try {
      return decode(bytes);
    } catch (cause) {
      return new Malformed(cause);
    }
  };
}

/** The frame has encoded the answer, since its size must be known before the library takes it. */
function same(bytes: Buffer): Buffer {
  return bytes;
}

class Frame {
  readonly #handler: AnyHandler;
  readonly #encode: (message: unknown) => Buffer;
  readonly #meter: MethodMeter;
  readonly #deps: FrameDeps;

  constructor(
    handler: AnyHandler,
    encode: (message: unknown) => Buffer,
    meter: MethodMeter,
    deps: FrameDeps,
  ) {
    this.#handler = handler;
    this.#encode = encode;
    this.#meter = meter;
    this.#deps = deps;
  }

  readonly handle: handleUnaryCall<unknown, Uint8Array> = (call, callback) => {
    const start = performance.now();
    try {
      if (this.#deps.isStopped()) throw stopped();
      this.#deps.connections.admit(call);
      if (call.request instanceof Malformed) throw malformed(call.request);
      const answer = this.#handler(call.request as never, contextOf(call));
      if (answer instanceof Promise) {
        answer
          .then((message) => this.#succeed(call, callback, start, message))
          .catch((error: unknown) => this.#fail(callback, start, error));
      } else this.#succeed(call, callback, start, answer);
    } catch (error) {
      this.#fail(callback, start, error);
    }
  };

  /** INV-NODE-2: what ends after the node has stopped is not answered as if it had been done. */
  #succeed(
    call: ServerUnaryCall<unknown, Uint8Array>,
    callback: sendUnaryData<Uint8Array>,
    start: number,
    message: unknown,
  ): void {
    if (this.#deps.isStopped()) throw stopped();
    const bytes = Buffer.isBuffer(message) ? message : this.#encode(message);
    if (bytes.length > MESSAGE_BYTES_MAX) throw answerTooLarge(bytes.length);
    this.#deps.connections.answering(call, bytes.length);
    this.#meter.observe(GrpcStatus.OK, performance.now() - start);
    callback(null, bytes);
  }

  #fail(callback: sendUnaryData<Uint8Array>, start: number, error: unknown): void {
    const status = toServiceError(error);
    this.#meter.observe(status.code ?? GrpcStatus.UNKNOWN, performance.now() - start, error);
    if (error instanceof AssertionError) this.#deps.onBug(error);
    callback(status);
  }
}

/** @throws LedgerError DEADLINE_EXCEEDED when it has passed already */
function contextOf(call: ServerUnaryCall<unknown, unknown>): CallContext {
  const deadline = call.getDeadline();
  const atMs = deadline instanceof Date ? deadline.getTime() : deadline;
  if (!Number.isFinite(atMs)) return NO_DEADLINE;
  const leftMs = atMs - Date.now();
  if (leftMs > 0) return { deadlineAtMs: performance.now() + leftMs };
  throw new LedgerError("DEADLINE_EXCEEDED", "the deadline passed before the call began");
}

const NO_DEADLINE: CallContext = { deadlineAtMs: undefined };

function malformed({ cause }: Malformed): LedgerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LedgerError("MALFORMED_MESSAGE", `the request's bytes are not its message: ${why}`, {
    cause,
  });
}

function stopped(): LedgerError {
  return new LedgerError("NODE_STOPPED", "the node has stopped after a failure");
}

/** For answers whose parts were not bounded before; see `answer-budget.ts`. */
function answerTooLarge(bytes: number): LedgerError {
  const message = `the answer has ${bytes} bytes; the limit of a message is ${MESSAGE_BYTES_MAX}: ask for less at once`;
  return new LedgerError("LIMIT_EXCEEDED", message, {
    details: { field: "answer", limit: MESSAGE_BYTES_MAX, actual: bytes },
  });
}
