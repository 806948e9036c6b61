/**
 * The frame around every call that streams its answer. A handler is an async generator; the frame asks it for the
 * next message only when the client has taken enough of those before, so a slow client pauses its handler and
 * nothing else, and what a handler has not yet made takes no memory.
 *
 *   INV-STREAM-2  A stream has less than WINDOW_BYTES and one message that its client has not taken, and the library
 *                 one message of it; all streams of a connection together what connections.ts allows.
 *   INV-STREAM-3  A handler ends (its `finally` runs) when its client goes away, its deadline passes or the node
 *                 stops; after that nothing is written.
 *
 * Messages are decoded strictly and bounded, errors have details, and calls are measured as unary ones are.
 */
import type { TraceContext } from "@authledger/engine";
import { AssertionError, GrpcStatus, LedgerError } from "@authledger/types";
import {
  type CallContext,
  type FrameDeps,
  Malformed,
  malformed,
  requireMessageSize,
  stopped,
} from "./call-frame.js";
import type { GatedCall } from "./gate/gated-call.js";
import type { MethodInfo } from "./gate/method.js";
import { ANONYMOUS, type Principal } from "./gate/principal.js";
import { toServiceError } from "./grpc-error.js";
import type { MethodMeter, StreamMeter } from "./metrics.js";
import type { OpenStream, OpenStreams } from "./open-streams.js";
import { chargeOf } from "./protection/costs.js";
import type { StreamWireCall } from "./wire-call.js";

/** Enough for the round trip of a far client at 10 MiB/s and 25 ms. */
export const WINDOW_BYTES: number = 256 * 1024;
/** The frame ends a stream so long before its deadline, so that the client gets the error's details. */
const DEADLINE_MARGIN_MS = 5;
/** Longer timers fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What a handler knows of its stream. */
export interface StreamContext extends CallContext {
  /** Aborted when the stream must end; its reason is the error that the client gets. */
  readonly signal: AbortSignal;
}

/** Makes the messages of one stream, or their bytes. Its `finally` runs however the stream ends. */
export type StreamHandler<Req, Res> = (
  request: Req,
  stream: StreamContext,
) => AsyncIterable<Res | Buffer>;

/** How a method streams. */
export interface StreamMethod<Req, Res> {
  readonly handler: StreamHandler<Req, Res>;
  /** A watch: it never ends by itself, and is ended when the node begins to stop. */
  readonly isEndless: boolean;
}

export type AnyStreamMethod = StreamMethod<never, unknown>;

/** A method whose stream never ends by itself. */
export function watch<Req, Res>(handler: StreamHandler<Req, Res>): StreamMethod<Req, Res> {
  return { handler, isEndless: true };
}

/** A method whose stream ends when everything is sent; a node that stops waits for it as for any call. */
export function transfer<Req, Res>(handler: StreamHandler<Req, Res>): StreamMethod<Req, Res> {
  return { handler, isEndless: false };
}

export interface StreamFrameDeps extends FrameDeps {
  readonly streams: OpenStreams;
  readonly meter: MethodMeter;
  readonly flow: StreamMeter;
}

export class StreamFrame {
  readonly #info: MethodInfo;
  readonly #method: AnyStreamMethod;
  readonly #encode: (message: unknown) => Buffer;
  readonly #deps: StreamFrameDeps;
  readonly #isReserved: boolean;

  constructor(
    info: MethodInfo,
    method: AnyStreamMethod,
    encode: (message: unknown) => Buffer,
    deps: StreamFrameDeps,
  ) {
    this.#info = info;
    this.#isReserved = chargeOf(info).isReserved;
    this.#method = method;
    this.#encode = encode;
    this.#deps = deps;
  }

  readonly handle = (call: StreamWireCall): void => {
    // It ends with the call, and answers its own errors.
    void this.#run(call);
  };

  async #run(call: StreamWireCall): Promise<void> {
    const { meter, flow, gate, isStopped, onBug } = this.#deps;
    const gated = gate.begin(this.#info, call);
    const stream = new FramedStream(call, this.#method.isEndless, this.#deps);
    flow.open++;
    let code: number = GrpcStatus.OK;
    let failure: unknown;
    try {
      if (isStopped()) throw stopped();
      await this.#pump(call, gated, stream);
      call.end();
    } catch (error) {
      const status = toServiceError(error, gated.requestId);
      code = status.code ?? GrpcStatus.UNKNOWN;
      failure = error;
      await stream.sent().catch(() => undefined);
      if (error instanceof AssertionError) onBug(error);
      if (!call.cancelled) call.emit("error", status);
    } finally {
      flow.open--;
      stream.handlerEnded();
      meter.observe(code, performance.now() - gated.startedAtMs, failure);
      gate.end(gated, code, failure);
    }
  }

  /** INV-STREAM-2: the next message is asked for when there is room for it. */
  async #pump(call: StreamWireCall, gated: GatedCall, stream: FramedStream): Promise<void> {
    const { connections, flow, gate, isStopped, overload } = this.#deps;
    stream.begin();
    connections.admit(call);
    if (!this.#isReserved) overload.admit(call.request, call);
    if (call.request instanceof Malformed) throw malformed(call.request);
    const passed = gate.enter(gated);
    if (passed !== undefined) await stream.orAborted(passed);
    stream.entered(gated);
    const left = gate.open.add(gated, (error) => stream.abort(error));
    const messages = this.#method.handler(call.request as never, stream)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await stream.orAborted(messages.next());
        if (next.done === true) return await stream.sent();
        if (isStopped()) throw stopped();
        const bytes = Buffer.isBuffer(next.value) ? next.value : this.#encode(next.value);
        requireMessageSize(bytes.length);
        flow.messages++;
        flow.bytes += bytes.length;
        await stream.send(bytes);
      }
    } finally {
      left();
      // A handler that waits ends after its wait; until then the stream counts as open.
      const ended = messages.return?.() ?? Promise.resolve();
      stream.holdUntil(ended);
    }
  }
}

/** One stream: its window, its end, and its place among the open ones. */
class FramedStream implements OpenStream, StreamContext {
  readonly isEndless: boolean;
  deadlineAtMs: number | undefined;
  principal: Principal = ANONYMOUS;
  requestId = "";
  client = "";
  trace: TraceContext | undefined;
  readonly #call: StreamWireCall;
  readonly #deps: StreamFrameDeps;
  readonly #abort = new AbortController();
  /** Messages that were made and not yet given to the library, which is given one at a time. */
  #waiting: Buffer[] = [];
  /** Bytes of those and of the one that the library has. */
  #unsentBytes = 0;
  /** Gives back what the message that the library has takes of the connection. */
  #taken: (() => void) | undefined;
  /** Ends its wait for room of its connection. */
  #leave: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Continues whoever waits: for a message of the handler, or for room. */
  #wake: (() => void) | undefined;
  #remove: () => void = () => undefined;
  #isOver = false;
  #holding: Promise<unknown> = Promise.resolve();
  #hasHandlerEnded = false;

  constructor(call: StreamWireCall, isEndless: boolean, deps: StreamFrameDeps) {
    this.#call = call;
    this.isEndless = isEndless;
    this.#deps = deps;
    // The library says so when a call is over, whatever its end was.
    call.once("cancelled", () => {
      this.#isOver = true;
      this.abort(new LedgerError("CANCELLED", "the client ended the stream"));
      this.#taken?.();
      this.#release();
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** @throws LedgerError OVERLOADED, SHUTTING_DOWN */
  begin(): void {
    this.#remove = this.#deps.streams.add(this.#call.getPeer(), this);
  }

  /** The gate let the call pass. */
  entered({ deadlineAtMs, principal, requestId, client, trace }: CallContext): void {
    this.deadlineAtMs = deadlineAtMs;
    this.principal = principal;
    this.requestId = requestId;
    this.client = client;
    this.trace = trace;
    if (deadlineAtMs === undefined) return;
    const leftMs = deadlineAtMs - performance.now() - DEADLINE_MARGIN_MS;
    if (leftMs > TIMER_MS_MAX) return;
    const passed = new LedgerError("DEADLINE_EXCEEDED", "the deadline of the stream passed");
    this.#timer = setTimeout(() => this.abort(passed), leftMs).unref();
  }

  abort(reason: LedgerError): void {
    this.#abort.abort(reason);
    this.#waiting = [];
    this.#leave?.();
    this.#wake?.();
  }

  /** The promise's outcome, or the reason for which the stream ends before it. */
  async orAborted<T>(promise: Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
      this.#wake?.();
    };
    promise.then(settled, settled);
    while (!isSettled && !this.signal.aborted) await this.#change();
    this.signal.throwIfAborted();
    return promise;
  }

  /** Resolves when there is room for more. */
  async send(bytes: Buffer): Promise<void> {
    this.#waiting.push(bytes);
    this.#unsentBytes += bytes.length;
    this.#writeNext();
    await this.#until(() => this.#unsentBytes < WINDOW_BYTES);
  }

  /** Resolves when the library has taken everything. */
  async sent(): Promise<void> {
    await this.#until(() => this.#unsentBytes === 0);
  }

  async #until(isSo: () => boolean): Promise<void> {
    if (!isSo()) {
      const since = performance.now();
      while (!isSo() && !this.signal.aborted) await this.#change();
      this.#deps.flow.pausedSeconds += (performance.now() - since) / 1000;
    }
    this.signal.throwIfAborted();
  }

  readonly #roomMade = (): void => this.#writeNext();

  /** The library calls back when it has put the message into frames, which it does as its client takes them. */
  #writeNext(): void {
    const { connections } = this.#deps;
    if (this.#taken !== undefined || this.#waiting.length === 0 || this.signal.aborted) return;
    this.#leave = connections.waitForRoom(this.#call, this.#roomMade);
    if (this.#leave !== undefined) return;
    const bytes = this.#waiting.shift()!;
    const giveBack = connections.sending(this.#call, bytes.length);
    this.#taken = () => {
      this.#taken = undefined;
      this.#unsentBytes -= bytes.length;
      giveBack();
      this.#writeNext();
      this.#wake?.();
    };
    const taken = this.#taken;
    this.#call.write(bytes, () => {
      if (this.#taken === taken) taken();
    });
  }

  holdUntil(ended: PromiseLike<unknown>): void {
    // What a handler throws after its stream has ended concerns nobody any more.
    this.#holding = Promise.resolve(ended).catch(() => undefined);
  }

  handlerEnded(): void {
    clearTimeout(this.#timer);
    void this.#holding.then(() => {
      this.#hasHandlerEnded = true;
      this.#release();
    });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** INV-STREAM-1 */
  #release(): void {
    if (this.#isOver && this.#hasHandlerEnded) this.#remove();
  }
}
