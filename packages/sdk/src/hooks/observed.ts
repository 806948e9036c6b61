/** A call with everything that a program put around it: interceptors, traces, metrics. */
import { type ErrorCode, LedgerError } from "@authledger/types";
import type { CallOptions, ClientOptions } from "../options.js";
import {
  aroundStream,
  aroundUnary,
  type OutgoingCall,
  type StreamNext,
  type UnaryNext,
} from "./interceptors.js";
import { tell } from "./metrics.js";
import type { TracedCall } from "./tracing.js";

export function outgoing(
  method: string,
  request: unknown,
  options: CallOptions | undefined,
): OutgoingCall {
  const { requestId = crypto.randomUUID(), deadlineMs, signal } = options ?? {};
  return { method, request, requestId, deadlineMs, signal, metadata: {} };
}

/** @throws LedgerError, and what an interceptor throws */
export async function observed(
  { interceptors = [], metrics, tracing }: ClientOptions,
  call: OutgoingCall,
  last: UnaryNext,
): Promise<unknown> {
  const start = performance.now();
  const span = begun(tracing?.begin.bind(tracing), call);
  let code: ErrorCode | "OK" = "OK";
  try {
    return await aroundUnary(interceptors, last)(traced(call, span));
  } catch (thrown) {
    const error = LedgerError.from(thrown);
    code = error.code;
    throw error;
  } finally {
    const name = call.method.slice(call.method.lastIndexOf("/") + 1);
    tell(() => span?.end(code));
    tell(() => metrics?.callEnded?.({ name, code, ms: performance.now() - start }));
  }
}

/** @throws LedgerError, and what an interceptor throws */
export async function* observedStream(
  { interceptors = [], tracing }: ClientOptions,
  call: OutgoingCall,
  last: StreamNext,
): AsyncGenerator<unknown> {
  const span = begun(tracing?.begin.bind(tracing), call);
  let code: ErrorCode | "OK" = "OK";
  try {
    yield* aroundStream(interceptors, last)(traced(call, span));
  } catch (thrown) {
    const error = LedgerError.from(thrown);
    code = error.code;
    throw error;
  } finally {
    tell(() => span?.end(code));
  }
}

function begun(
  begin: ((call: OutgoingCall) => TracedCall) | undefined,
  call: OutgoingCall,
): TracedCall | undefined {
  let span: TracedCall | undefined;
  tell(() => {
    span = begin?.(call);
  });
  return span;
}

function traced(call: OutgoingCall, span: TracedCall | undefined): OutgoingCall {
  return span === undefined ? call : { ...call, metadata: { ...call.metadata, ...span.metadata } };
}
