/**
 * Code of the program around every call: to log, to add metadata, to change an answer, to refuse.
 *
 * Interceptors see a call once, whatever it takes to answer it; calls that travel together are one call, and so are those
 * of them that are sent again. The first of the list is the outermost.
 */

/** A call on its way out. An interceptor passes it on as it is, or a copy that it changed. */
export interface OutgoingCall {
  /** `/authledger.v1.AuthorizationService/Check`. */
  readonly method: string;
  /** The message, as generated code knows it. */
  readonly request: unknown;
  readonly requestId: string;
  /** Undefined: the client's. Streams have none. */
  readonly deadlineMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Sent with every request of the call. Names are in small letters, values are ASCII. */
  readonly metadata: Readonly<Record<string, string>>;
}

export type UnaryNext = (call: OutgoingCall) => Promise<unknown>;
export type StreamNext = (call: OutgoingCall) => AsyncIterable<unknown>;

/**
 * @example
 * const slow: Interceptor = {
 *   unary: (next) => async (call) => {
 *     const start = performance.now();
 *     try {
 *       return await next(call);
 *     } finally {
 *       console.log(call.method, performance.now() - start);
 *     }
 *   },
 * };
 */
export interface Interceptor {
  readonly unary?: ((next: UnaryNext) => UnaryNext) | undefined;
  readonly stream?: ((next: StreamNext) => StreamNext) | undefined;
}

export function aroundUnary(interceptors: readonly Interceptor[], last: UnaryNext): UnaryNext {
  return interceptors.reduceRight((next, { unary }) => unary?.(next) ?? next, last);
}

export function aroundStream(interceptors: readonly Interceptor[], last: StreamNext): StreamNext {
  return interceptors.reduceRight((next, { stream }) => stream?.(next) ?? next, last);
}
