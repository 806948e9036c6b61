/** What the frames of unary and of streaming calls share: strict requests, deadlines, and the errors they meet. */
import { decodeStrictly } from "@authledger/proto";
import { type AssertionError, LedgerError } from "@authledger/types";
import { MESSAGE_BYTES_MAX } from "./config.js";
import type { Connections } from "./connections.js";
import type { Gate } from "./gate/gate.js";
import type { RpcMeters } from "./metrics.js";
import type { OverloadGuard } from "./protection/overload-guard.js";

export type { CallContext } from "./gate/gated-call.js";

/** What makes requests of bytes, by method; throws for bytes that are none. */
export type Decoders<T> = { readonly [K in keyof T]: (bytes: Buffer) => unknown };

/** Decodes with a generated codec. */
export function strict(codec: Parameters<typeof decodeStrictly>[0]): (bytes: Buffer) => unknown {
  return (bytes) => decodeStrictly(codec, bytes);
}

/** What all frames of a node share. */
export interface FrameDeps {
  readonly meters: RpcMeters;
  readonly connections: Connections;
  readonly gate: Gate;
  readonly overload: OverloadGuard;
  /** The node has stopped: nothing is answered any more but that. */
  readonly isStopped: () => boolean;
  /** An invariant is broken: the node must stop. */
  readonly onBug: (error: AssertionError) => void;
}

/** Stands for a request whose bytes are not one. */
export class Malformed {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** Malformed requests reach the frame, not the library, which would answer without details. */
export function orMalformed(decode: (bytes: Buffer) => unknown): (bytes: Buffer) => unknown {
  return (bytes) => {
    try {
      return decode(bytes);
    } catch (cause) {
      return new Malformed(cause);
    }
  };
}

export function malformed({ cause }: Malformed): LedgerError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LedgerError("MALFORMED_MESSAGE", `the request's bytes are not its message: ${why}`, {
    cause,
  });
}

export function stopped(): LedgerError {
  return new LedgerError("NODE_STOPPED", "the node has stopped after a failure");
}

/**
 * For answers whose parts were not bounded before; see `answer-budget.ts`.
 * @throws LedgerError LIMIT_EXCEEDED
 */
export function requireMessageSize(bytes: number): void {
  if (bytes <= MESSAGE_BYTES_MAX) return;
  const message = `the answer has ${bytes} bytes; the limit of a message is ${MESSAGE_BYTES_MAX}: ask for less at once`;
  throw new LedgerError("LIMIT_EXCEEDED", message, {
    details: { field: "answer", limit: MESSAGE_BYTES_MAX, actual: bytes },
  });
}
