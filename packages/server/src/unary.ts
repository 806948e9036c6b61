/**
 * The frame around every unary call: decodes strictly, counts, measures, bounds answers, answers errors with
 * details, and knows the deadline. It is on the path of every check, so it allocates one closure and looks up
 * nothing; an answer that is there at once is given at once. Calls that stream are framed by streaming.ts.
 */

import { LEADER_KEY } from "@authledger/proto";
import { AssertionError, GrpcStatus } from "@authledger/types";
import {
  type handleUnaryCall,
  Metadata,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";
import {
  type CallContext,
  contextOf,
  type FrameDeps,
  Malformed,
  malformed,
  requireMessageSize,
  stopped,
} from "./call-frame.js";
import { type Forwarding, isNotLeader } from "./forwarding.js";
import { toServiceError } from "./grpc-error.js";
import type { MethodMeter } from "./metrics.js";

/** Answers with a message, or with its bytes where it has them ready. */
export type Handler<Req, Res> = (
  request: Req,
  call: CallContext,
) => Res | Buffer | Promise<Res | Buffer>;

export type AnyHandler = Handler<never, unknown>;

/** How a method's calls are passed on to the leader. */
export interface ForwardedMethod {
  readonly forwarding: Forwarding;
  readonly path: string;
  readonly encodeRequest: (request: never) => Buffer;
}

export class UnaryFrame {
  readonly #handler: AnyHandler;
  readonly #encode: (message: unknown) => Buffer;
  readonly #meter: MethodMeter;
  readonly #deps: FrameDeps;
  readonly #forwarded: ForwardedMethod | undefined;

  /** @param forwarded absent for what only this node can answer */
  constructor(
    handler: AnyHandler,
    encode: (message: unknown) => Buffer,
    meter: MethodMeter,
    deps: FrameDeps & { readonly forwarded?: ForwardedMethod | undefined },
  ) {
    this.#forwarded = deps.forwarded;
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
          .catch((error: unknown) => this.#passOn(call, callback, start, error))
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
    trailer?: Metadata,
  ): void {
    if (this.#deps.isStopped()) throw stopped();
    const bytes = Buffer.isBuffer(message) ? message : this.#encode(message);
    requireMessageSize(bytes.length);
    this.#deps.connections.answering(call, bytes.length);
    this.#meter.observe(GrpcStatus.OK, performance.now() - start);
    callback(null, bytes, trailer);
  }

  /** What needs the leader goes to it. @throws (by rejection) what the call failed with */
  async #passOn(
    call: ServerUnaryCall<unknown, Uint8Array>,
    callback: sendUnaryData<Uint8Array>,
    start: number,
    refusal: unknown,
  ): Promise<void> {
    if (this.#forwarded === undefined || !isNotLeader(refusal)) throw refusal;
    const { forwarding, path, encodeRequest } = this.#forwarded;
    const request = call.request as never;
    const cancelled = new AbortController();
    if (call.cancelled) cancelled.abort();
    call.once("cancelled", () => cancelled.abort());
    const context = contextOf(call);
    const refused = {
      ...{ path, metadata: call.metadata, signal: cancelled.signal },
      deadlineAtMs: context.deadlineAtMs,
      encode: () => encodeRequest(request),
      again: async () => {
        const message = await this.#handler(request, context);
        return Buffer.isBuffer(message) ? message : this.#encode(message);
      },
    };
    const { bytes, leader } = await forwarding.pass(refused, refusal);
    const trailer = new Metadata();
    if (leader !== undefined) trailer.set(LEADER_KEY, leader);
    this.#succeed(call, callback, start, bytes, trailer);
  }

  #fail(callback: sendUnaryData<Uint8Array>, start: number, error: unknown): void {
    const status = toServiceError(error);
    this.#meter.observe(status.code ?? GrpcStatus.UNKNOWN, performance.now() - start, error);
    if (error instanceof AssertionError) this.#deps.onBug(error);
    callback(status);
  }
}
