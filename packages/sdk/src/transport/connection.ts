/** What a client needs of the way to its ledger: gRPC, or the memory of a fake. */
import type { LightClientDeps } from "@authledger/proof";
import type { LedgerError } from "@authledger/types";
import type { CallOptions, ClientOptions } from "../options.js";
import type { StreamMethod, StreamOptions } from "./stream.js";

/** A method of a generated service definition. */
export interface UnaryMethod<Req, Res> {
  readonly path: string;
  readonly requestSerialize: (request: Req) => Uint8Array;
  readonly responseDeserialize: (bytes: Buffer) => Res;
}

/** May the request be sent a second time when it may have happened? Reads and keyed writes may. */
export type Repeat = "repeatable" | "once";

export interface Connection {
  /** @throws LedgerError (by rejection) */
  call<Req, Res>(
    method: UnaryMethod<Req, Res>,
    request: Req,
    repeat: Repeat,
    options?: CallOptions,
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
