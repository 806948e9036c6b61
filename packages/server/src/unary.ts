/**
 * The frame around every unary call: decodes strictly, counts, measures, bounds answers, answers errors with
 * details, and knows the deadline. It is on the path of every check, so it allocates one closure and looks up
 * nothing; an answer that is there at once is given at once. Calls that stream are framed by streaming.ts.
 */
import { AssertionError, GrpcStatus } from "@authledger/types";
import type { handleUnaryCall, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import {
  type CallContext,
  contextOf,
  type FrameDeps,
  Malformed,
  malformed,
  requireMessageSize,
  stopped,
} from "./call-frame.js";
import { toServiceError } from "./grpc-error.js";
import type { MethodMeter } from "./metrics.js";

/** Answers with a message, or with its bytes where it has them ready. */
export type Handler<Req, Res> = (
  request: Req,
  call: CallContext,
) => Res | Buffer | Promise<Res | Buffer>;

export type AnyHandler = Handler<never, unknown>;

export class UnaryFrame {
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
    requireMessageSize(bytes.length);
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
