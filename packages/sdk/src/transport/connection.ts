/** What a client needs of the way to its ledger: gRPC, or the memory of a fake. */
import type { LightClientDeps } from "@authledger/proof";
import type { LedgerError } from "@authledger/types";
import type { CircuitState } from "../hooks/metrics.js";
import type { CallOptions, ClientOptions } from "../options.js";
import type { StreamMethod, StreamOptions } from "./stream.js";
import type { WireMetadata } from "./wire.js";
import type { EndpointFailure } from "./wire-failure.js";

/** A method of a generated service definition. */
export interface UnaryMethod<Req, Res> {
  readonly path: string;
  readonly requestSerialize: (request: Req) => Uint8Array;
  readonly responseDeserialize: (bytes: Buffer) => Res;
}

/**
 * May the request be sent a second time when it may have happened (INV-SDK-1)? Reads and keyed writes may, and what only says how
 * something is to be.
 */
export type Repeat = "repeatable" | "once";

/** A call of what is left of others. */
export interface RepeatOptions extends CallOptions {
  /** What it failed with inside their answers, oldest first: it goes on from there, as if they were its own attempts. */
  readonly failures?: readonly LedgerError[] | undefined;
}

/** What a connection is told beyond what callers may say. */
export interface ConnectionCallOptions extends RepeatOptions {
  readonly metadata?: WireMetadata | undefined;
}

/** One node as a client sees it. */
export interface EndpointInfo {
  readonly address: string;
  /** By the program; the others were learned from the cluster. */
  readonly isGiven: boolean;
  readonly circuit: CircuitState;
  /** Calls that wait for its answer. */
  readonly inFlight: number;
  /** Of its answers lately, in milliseconds. */
  readonly latencyMs?: number;
  /** What was met there last, where that was a failure. */
  readonly last?: EndpointFailure;
}

export interface Connection {
  endpoints(): readonly EndpointInfo[];

  /** @throws LedgerError (by rejection) */
  call<Req, Res>(
    method: UnaryMethod<Req, Res>,
    request: Req,
    repeat: Repeat,
    options?: ConnectionCallOptions,
  ): Promise<Res>;

  /** One attempt at a stream. @throws LedgerError (by rejection) */
  stream<Req, Res>(
    method: StreamMethod<Req, Res>,
    request: Req,
    options: StreamOptions,
  ): AsyncIterable<Res>;

  /** The error of a call whose time is up while the request that it travels in goes on. */
  overdue(call: string, deadlineMs: number): LedgerError;

  close(): void;
}

/** What a client is surrounded by. */
export interface Surroundings {
  /** @throws LedgerError INVALID_ARGUMENT */
  connect(options: ClientOptions): Connection;
  readonly nowMs: () => number;
  /** What proofs are computed with. */
  readonly crypto: LightClientDeps;
}
