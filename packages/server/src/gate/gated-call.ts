/** One call on its way through the gate and the handler: what the wire says of it, and what each step found. */
import type { TraceContext } from "@authledger/engine";
import { type Deadline, type Metadata, status } from "@grpc/grpc-js";
import type { Charge } from "../protection/costs.js";
import type { CallSpan } from "../trace/call-span.js";
import { requestIdOf } from "../trace/request-id.js";
import { parseTraceparent, TRACEPARENT_KEY, type TraceParent } from "../trace/traceparent.js";
import type { MethodInfo } from "./method.js";
import { ANONYMOUS, type Principal } from "./principal.js";

/** What the gate needs of a call of the library. */
export interface WireCall {
  readonly metadata: Metadata;
  readonly request: unknown;
  /** Address and port of the client. */
  getPeer(): string;
  getDeadline(): Deadline;
}

/** What a handler knows of its call. */
export interface CallContext {
  /** On the monotonic clock; undefined without a deadline. */
  readonly deadlineAtMs: number | undefined;
  /** Who calls; its name is the actor of what the call writes. */
  readonly principal: Principal;
  /** What names the call in logs, errors, traces and the audit log. */
  readonly requestId: string;
  /** Address of who called this node, without the port. */
  readonly client: string;
  /** Where its trace is recorded: its span. */
  readonly trace: TraceContext | undefined;
}

/** The organization and vault that a request names; 0 or absent where it names none. */
export interface CallTarget {
  readonly organization?: bigint;
  readonly vault?: bigint;
  /** The system vault is meant. */
  readonly system?: boolean;
}

export class GatedCall implements CallContext {
  readonly method: MethodInfo;
  readonly wire: WireCall;
  readonly startedAtMs: number;
  deadlineAtMs: number | undefined = undefined;
  principal: Principal = ANONYMOUS;
  /** Another node passed it on, and has shown that it is one of the cluster: what the metadata alone says, anybody can. */
  isForwarded = false;
  /** How the call is charged, and how many units it costs, once the limits have looked at it. */
  charge: Charge | undefined = undefined;
  units = 0;
  /** It is counted among the writes that are on their way. */
  isLimitedWrite = false;
  /** How the call ended: a gRPC status, and the error where there was one. */
  status: number = status.OK;
  error: unknown = undefined;
  /** Its span, where its trace is recorded. */
  trace: CallSpan | undefined = undefined;
  /** The leader was asked to answer it. */
  wasPassedOn = false;
  /** Where the caller is in its trace; null where it is in none, undefined before anybody asked. */
  #caller: TraceParent | null | undefined = undefined;
  #requestId: string | undefined = undefined;

  constructor(method: MethodInfo, wire: WireCall, startedAtMs: number) {
    this.method = method;
    this.wire = wire;
    this.startedAtMs = startedAtMs;
  }

  /** Found or made when somebody first asks: most calls go well and nobody does. */
  get requestId(): string {
    this.#requestId ??= requestIdOf(this.wire.metadata);
    return this.#requestId;
  }

  /** `127.0.0.1` of `127.0.0.1:4711`, and `::1` of `[::1]:4711`. */
  get client(): string {
    const peer = this.wire.getPeer();
    const colon = peer.lastIndexOf(":");
    const host = colon < 0 ? peer : peer.slice(0, colon);
    return host.startsWith("[") ? host.slice(1, -1) : host;
  }

  get caller(): TraceParent | undefined {
    if (this.#caller === undefined) {
      this.#caller = parseTraceparent(this.wire.metadata.get(TRACEPARENT_KEY)[0]) ?? null;
    }
    return this.#caller ?? undefined;
  }

  get traceId(): string | undefined {
    return this.trace?.traceId ?? this.caller?.traceId;
  }

  /** What the request is about. Only for requests that were decoded. */
  get target(): CallTarget {
    return this.message as CallTarget;
  }

  /** The request's message. Only for requests that were decoded. */
  get message(): object {
    const { request } = this.wire;
    return isPrepared(request) ? request.message : (request as object);
  }
}

/** Checks that were asked before come with what was made of them. */
function isPrepared(request: unknown): request is { readonly message: object } {
  return typeof (request as { readonly message?: unknown } | undefined)?.message === "object";
}
