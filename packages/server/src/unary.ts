/**
 * The frame around every unary call: decodes strictly, counts, measures, bounds answers, answers errors with
 * details, and knows the deadline. It is on the path of every check, so it allocates one closure and looks up
 * nothing; an answer that is there at once is given at once. Calls that stream are framed by streaming.ts.
 */

import { LEADER_KEY } from "@authledger/proto";
import { AssertionError, GrpcStatus } from "@authledger/types";
import { Metadata, type sendUnaryData } from "@grpc/grpc-js";
import {
  type CallContext,
  type FrameDeps,
  Malformed,
  malformed,
  requireMessageSize,
  stopped,
} from "./call-frame.js";
import { heldBytes } from "./forward-budget.js";
import type { Forwarding } from "./forwarding.js";
import { callClassOf } from "./gate/call-class.js";
import type { GatedCall } from "./gate/gated-call.js";
import type { MethodInfo } from "./gate/method.js";
import { toServiceError } from "./grpc-error.js";
import type { MethodMeter } from "./metrics.js";
import { isNotLeader } from "./not-leader.js";
import { chargeOf } from "./protection/costs.js";
import { requestBytes } from "./request-bytes.js";
import { REQUEST_ID_KEY } from "./trace/request-id.js";
import { formatTraceparent, TRACEPARENT_KEY } from "./trace/traceparent.js";
import type { UnaryWireCall } from "./wire-call.js";

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

/** A call and how it is answered. */
interface Answering {
  readonly call: UnaryWireCall;
  readonly callback: sendUnaryData<Uint8Array>;
  readonly gated: GatedCall;
}

export class UnaryFrame {
  readonly #method: MethodInfo;
  readonly #handler: AnyHandler;
  readonly #encode: (message: unknown) => Buffer;
  readonly #meter: MethodMeter;
  readonly #deps: FrameDeps;
  readonly #forwarded: ForwardedMethod | undefined;
  readonly #isReserved: boolean;
  /** May its answer be dropped for want of room? OVERLOADED says that nothing has happened. */
  readonly #isRead: boolean;

  /** @param forwarded absent for what only this node can answer */
  constructor(
    method: MethodInfo,
    handler: AnyHandler,
    encode: (message: unknown) => Buffer,
    meter: MethodMeter,
    deps: FrameDeps & { readonly forwarded?: ForwardedMethod | undefined },
  ) {
    this.#method = method;
    this.#isReserved = chargeOf(method).isReserved;
    this.#isRead = callClassOf(method) === "read";
    this.#forwarded = deps.forwarded;
    this.#handler = handler;
    this.#encode = encode;
    this.#meter = meter;
    this.#deps = deps;
  }

  readonly handle = (call: UnaryWireCall, callback: sendUnaryData<Uint8Array>): void => {
    const gated = this.#deps.gate.begin(this.#method, call);
    const answering = { call, callback, gated };
    try {
      if (this.#deps.isStopped()) throw stopped();
      this.#deps.connections.admit(call);
      if (!this.#isReserved) this.#deps.overload.admit(call.request, call);
      if (call.request instanceof Malformed) throw malformed(call.request);
      const passed = this.#deps.gate.enter(gated);
      if (passed === undefined) this.#answer(answering);
      else {
        passed
          .then(() => this.#answer(answering))
          .catch((error: unknown) => this.#fail(answering, error));
      }
    } catch (error) {
      this.#fail(answering, error);
    }
  };

  #answer(answering: Answering): void {
    const { call, gated } = answering;
    const answer = this.#handler(call.request as never, gated);
    if (!(answer instanceof Promise)) {
      this.#succeed(answering, answer);
      return;
    }
    answer
      .then((message) => this.#succeed(answering, message))
      .catch((error: unknown) => this.#passOn(answering, error))
      .catch((error: unknown) => this.#fail(answering, error));
  }

  /** INV-NODE-2: what ends after the node has stopped is not answered as if it had been done. */
  #succeed({ call, callback, gated }: Answering, message: unknown, trailer?: Metadata): void {
    if (this.#deps.isStopped()) throw stopped();
    const bytes = Buffer.isBuffer(message) ? message : this.#encode(message);
    requireMessageSize(bytes.length);
    this.#deps.connections.answering(call, bytes.length, this.#isRead);
    this.#meter.observe(GrpcStatus.OK, performance.now() - gated.startedAtMs);
    this.#deps.gate.end(gated, GrpcStatus.OK);
    callback(null, bytes, trailer);
  }

  /** What needs the leader goes to it. @throws (by rejection) what the call failed with */
  async #passOn(answering: Answering, refusal: unknown): Promise<void> {
    if (this.#forwarded === undefined || !isNotLeader(refusal)) throw refusal;
    const { forwarding, path, encodeRequest } = this.#forwarded;
    const { call, gated } = answering;
    const request = call.request as never;
    const bytes = requestBytes(request);
    const cancelled = new AbortController();
    if (call.cancelled) cancelled.abort();
    call.once("cancelled", () => cancelled.abort());
    gated.wasPassedOn = true;
    const metadata = call.metadata.clone();
    metadata.set(REQUEST_ID_KEY, gated.requestId);
    const { trace } = gated;
    if (trace !== undefined) {
      metadata.set(TRACEPARENT_KEY, formatTraceparent({ ...trace, isSampled: true }));
    }
    const refused = {
      ...{ path, metadata, signal: cancelled.signal },
      ...{ principal: gated.principal, deadlineAtMs: gated.deadlineAtMs },
      encode: () => bytes ?? encodeRequest(request),
      heldBytes: heldBytes(request, bytes?.length ?? 0),
      again: async () => {
        const message = await this.#handler(request, gated);
        return Buffer.isBuffer(message) ? message : this.#encode(message);
      },
    };
    const answer = await forwarding.pass(refused, refusal);
    const trailer = new Metadata();
    if (answer.leader !== undefined) trailer.set(LEADER_KEY, answer.leader);
    this.#succeed(answering, answer.bytes, trailer);
  }

  #fail({ callback, gated }: Answering, error: unknown): void {
    const status = toServiceError(error, gated.requestId);
    const code = status.code ?? GrpcStatus.UNKNOWN;
    this.#meter.observe(code, performance.now() - gated.startedAtMs, error);
    this.#deps.gate.end(gated, code, error);
    if (error instanceof AssertionError) this.#deps.onBug(error);
    callback(status);
  }
}
