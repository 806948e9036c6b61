/**
 * The frame around every unary call: decodes strictly, counts, measures, answers errors with details, and
 * knows the deadline. It is on the path of every check, so it allocates one closure and looks up nothing.
 */
import { decodeStrictly } from "@authledger/proto";
import { GrpcStatus, LedgerError } from "@authledger/types";
import type {
  handleUnaryCall,
  ServerUnaryCall,
  sendUnaryData,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { toServiceError } from "./grpc-error.js";
import type { MethodMeter, RpcMeters } from "./metrics.js";

/** What a handler knows of its call. */
export interface CallContext {
  /** On the monotonic clock; undefined without a deadline. */
  readonly deadlineAtMs: number | undefined;
}

export type Handler<Req, Res> = (request: Req, call: CallContext) => Res | Promise<Res>;

/** Stands for a request whose bytes are not one. */
class Malformed {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** What decodes a request. */
export interface RequestCodec {
  decode(input: never): unknown;
}

/** The request codecs of a service, by method. */
export type RequestCodecs<T> = { readonly [K in keyof T]: RequestCodec };

/** A service definition whose requests are decoded strictly; malformed ones reach the frame, not the library. */
export function strictDefinition<T extends object>(definition: T, codecs: RequestCodecs<T>): T {
  const strict: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(definition)) {
    const codec = codecs[name as keyof T] as Parameters<typeof decodeStrictly>[0];
    const requestDeserialize = (bytes: Uint8Array): unknown => {
      try {
        return decodeStrictly(codec, bytes);
      } catch (cause) {
        return new Malformed(cause);
      }
    };
    strict[name] = { ...(method as object), requestDeserialize };
  }
  return strict as T;
}

/** All handlers of a service with their frames. */
export function implement<H extends { readonly [name: string]: Handler<never, unknown> }>(
  service: string,
  handlers: H,
  meters: RpcMeters,
): UntypedServiceImplementation {
  const framed: UntypedServiceImplementation = {};
  for (const [name, handler] of Object.entries(handlers)) {
    const meter = meters.method(`${service}/${name}`);
    framed[name] = frame(handler, meter) as UntypedServiceImplementation[string];
  }
  return framed;
}

function frame<Req, Res>(
  handler: Handler<Req, Res>,
  meter: MethodMeter,
): handleUnaryCall<Req, Res> {
  return (call, callback) => {
    const start = performance.now();
    try {
      if (call.request instanceof Malformed) throw malformed(call.request);
      const answer = handler(call.request, contextOf(call));
      if (answer instanceof Promise) {
        answer.then(
          (response) => succeed(callback, meter, start, response),
          (error: unknown) => fail(callback, meter, start, error),
        );
      } else succeed(callback, meter, start, answer);
    } catch (error) {
      fail(callback, meter, start, error);
    }
  };
}

function succeed<Res>(
  callback: sendUnaryData<Res>,
  meter: MethodMeter,
  start: number,
  response: Res,
): void {
  meter.observe(GrpcStatus.OK, performance.now() - start);
  callback(null, response);
}

function fail<Res>(
  callback: sendUnaryData<Res>,
  meter: MethodMeter,
  start: number,
  error: unknown,
): void {
  const status = toServiceError(error);
  meter.observe(status.code ?? GrpcStatus.UNKNOWN, performance.now() - start, error);
  callback(status);
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
