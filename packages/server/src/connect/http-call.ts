/** One exchange of HTTP as the frames see a call. */
import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { LedgerError } from "@authledger/types";
import type { Metadata } from "@grpc/grpc-js";
import type { UnaryWireCall } from "../wire-call.js";

/** Longer timers fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What a call is about, before it is answered. */
export interface HttpCallParts {
  readonly http: IncomingMessage;
  readonly response: ServerResponse;
  readonly metadata: Metadata;
  readonly request: unknown;
  /** Since 1970; infinite for none. */
  readonly deadlineMs: number;
}

export class HttpCall extends EventEmitter implements UnaryWireCall {
  readonly metadata: Metadata;
  readonly request: unknown;
  cancelled = false;
  readonly #peer: string;
  readonly #deadlineMs: number;
  #isOver = false;

  constructor({ http, response, metadata, request, deadlineMs }: HttpCallParts) {
    super();
    this.metadata = metadata;
    this.request = request;
    this.#peer = `${http.socket.remoteAddress}:${http.socket.remotePort}`;
    this.#deadlineMs = deadlineMs;
    response.once("close", () => this.#over(!response.writableFinished));
    // It went while its body was read.
    if (response.destroyed) queueMicrotask(() => this.#over(true));
  }

  getPeer(): string {
    return this.#peer;
  }

  getDeadline(): number {
    return this.#deadlineMs;
  }

  /** Runs when the deadline passes before the call is over; the library of gRPC does so for its calls. */
  onDeadline(passed: (error: LedgerError) => void): void {
    const leftMs = this.#deadlineMs - Date.now();
    if (leftMs > TIMER_MS_MAX) return;
    const timer = setTimeout(() => {
      this.cancelled = true;
      passed(
        new LedgerError("DEADLINE_EXCEEDED", "the deadline passed before there was an answer"),
      );
    }, leftMs).unref();
    this.once("cancelled", () => clearTimeout(timer));
  }

  #over(isCancelled: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (isCancelled) this.cancelled = true;
    this.emit("cancelled");
  }
}
