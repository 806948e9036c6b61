/**
 * The way to one node over the Connect protocol (connectrpc.com/docs/protocol): calls as POSTs of `fetch`, streams as
 * enveloped messages. The browser keeps the connections; here is nothing to open and nothing to close but what runs.
 *
 *   INV-CONNECT-4  Above the wire nothing differs from gRPC: retries, deadlines, errors and verification are the same code.
 */
import { GrpcStatus, LedgerError, limits } from "@authledger/types";
import type { ClientOptions } from "../options.js";
import { MACHINE } from "../transport/ports.js";
import { tlsOf } from "../transport/security.js";
import { type WireCall, type WireChannel, WireError } from "../transport/wire.js";
import { connectFailure, endFailure, lostConnection } from "./connect-failure.js";
import { END_OF_STREAM, envelope, envelopesOf } from "./envelopes.js";

/** The node ends a call that is late; this ends one whose node does not. */
const LATE_MS = 50;
const TIMER_MS_MAX = 2 ** 31 - 1;

export class ConnectChannel implements WireChannel {
  readonly #origin: string;
  readonly #closed = new AbortController();

  /** @param origin such as `https://ledger.example:443` */
  constructor(origin: string) {
    this.#origin = origin;
  }

  readonly isReady: boolean = true;

  wake(): void {
    // A browser connects when it sends.
  }

  connect(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async unary(call: WireCall): Promise<Uint8Array> {
    const running = new Running(call, this.#closed.signal);
    try {
      const response = await this.#post(call, running.signal, "application/proto", call.message);
      const bytes = await bodyOf(response);
      if (!response.ok) throw connectFailure(response.status, bytes);
      call.onTrailer?.((name) => response.headers.get(`trailer-${name}`) ?? undefined);
      return bytes;
    } catch (thrown) {
      throw running.judge(thrown);
    } finally {
      running.end();
    }
  }

  async *serverStream(call: WireCall): AsyncGenerator<Uint8Array> {
    const running = new Running(call, this.#closed.signal);
    try {
      const body = envelope(call.message);
      const response = await this.#post(call, running.signal, "application/connect+proto", body);
      if (!response.ok || response.body === null) {
        throw connectFailure(response.status, await bodyOf(response));
      }
      for await (const { flags, message } of envelopesOf(response.body)) {
        if ((flags & END_OF_STREAM) === 0) yield message;
        else {
          const failure = endFailure(message);
          if (failure !== undefined) throw failure;
          return;
        }
      }
      throw lostConnection("the stream ended without its end");
    } catch (thrown) {
      throw running.judge(thrown);
    } finally {
      running.end();
    }
  }

  close(): void {
    this.#closed.abort();
  }

  #post(
    { path, metadata, deadlineAtMs }: WireCall,
    signal: AbortSignal,
    type: string,
    body: Uint8Array,
  ): Promise<Response> {
    const headers: Record<string, string> = {
      ...metadata,
      "content-type": type,
      "connect-protocol-version": "1",
    };
    if (deadlineAtMs !== undefined) {
      headers["connect-timeout-ms"] = String(
        Math.max(1, Math.ceil(deadlineAtMs - MACHINE.nowMs())),
      );
    }
    return fetch(this.#origin + path, {
      method: "POST",
      headers,
      body: body as Uint8Array<ArrayBuffer>,
      signal,
      // Who calls is said by its token, never by what the browser keeps for the address.
      credentials: "omit",
      redirect: "error",
    });
  }
}

/** What can end a call before its answer: its caller, the client, its deadline. */
class Running {
  readonly #ended = new AbortController();
  readonly #call: WireCall;
  readonly #closed: AbortSignal;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isLate = false;

  constructor(call: WireCall, closed: AbortSignal) {
    this.#call = call;
    this.#closed = closed;
    for (const signal of [call.signal, closed]) {
      signal?.addEventListener("abort", this.#abort, { once: true });
      if (signal?.aborted === true) this.#abort();
    }
    if (call.deadlineAtMs === undefined) return;
    const leftMs = Math.min(TIMER_MS_MAX, call.deadlineAtMs - MACHINE.nowMs() + LATE_MS);
    this.#timer = setTimeout(() => {
      this.#isLate = true;
      this.#abort();
    }, leftMs);
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** What the carrier's own error means here. */
  judge(thrown: unknown): WireError {
    if (thrown instanceof WireError) return thrown;
    const cause = { cause: thrown };
    if (this.#isLate)
      return new WireError(GrpcStatus.DEADLINE_EXCEEDED, "Deadline exceeded", cause);
    if (this.signal.aborted)
      return new WireError(GrpcStatus.CANCELLED, "the call was ended", cause);
    return lostConnection(thrown);
  }

  end(): void {
    clearTimeout(this.#timer);
    for (const signal of [this.#call.signal, this.#closed]) {
      signal?.removeEventListener("abort", this.#abort);
    }
    // Whoever leaves a stream ends it.
    this.#abort();
  }

  readonly #abort = (): void => this.#ended.abort();
}

async function bodyOf(response: Response): Promise<Uint8Array> {
  const named = Number(response.headers.get("content-length") ?? 0);
  if (named > 2 * limits.MESSAGE_BYTES_MAX) {
    throw new WireError(GrpcStatus.RESOURCE_EXHAUSTED, "received message larger than max");
  }
  return new Uint8Array(await response.arrayBuffer());
}

/** `https://host:port` with TLS. @throws LedgerError INVALID_ARGUMENT for certificates, which the browser has its own of */
export function originOf(address: string, options: ClientOptions): string {
  const tls = tlsOf(options);
  if (tls === undefined) return `http://${address}`;
  if (Object.values(tls).every((part) => part === undefined)) return `https://${address}`;
  const message =
    "tls: over Connect it is true or false; whom to believe is decided by the browser";
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "tls" } });
}
