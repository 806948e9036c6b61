/**
 * The one border between this library and what carries its calls: encoded messages under the path of a method, with
 * metadata. gRPC (`grpc/`) is behind it; another carrier of the same calls, such as Connect in a browser, implements
 * `WireChannel` and is given to `Transport` as its `dial`.
 *
 * Everything else (which node, how often, how long, who is told) is above this border and knows no library.
 */

/** Names are in small letters; values are ASCII. */
export type WireMetadata = Readonly<Record<string, string>>;

/** One attempt at one call. */
export interface WireCall {
  /** `/authledger.v1.ReadService/Check`. */
  readonly path: string;
  /** The request, encoded. */
  readonly message: Uint8Array;
  readonly metadata: WireMetadata;
  /** By the clock of `Ports.nowMs`; undefined for a stream that ends when its reader ends it. */
  readonly deadlineAtMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Is told what came behind the answer, where somebody wants it. */
  readonly onTrailer?: ((get: (name: string) => string | undefined) => void) | undefined;
}

/** The way to one node. Nothing is connected before it is needed. */
export interface WireChannel {
  /** A call that begins now needs no connection first. */
  readonly isReady: boolean;
  /** Begins to connect, and waits for nothing. */
  wake(): void;
  /**
   * False when there is no connection by then, or the caller gives up; true as soon as a call will succeed or fail at
   * once. A carrier without connections says true.
   */
  connect(untilMs: number, signal: AbortSignal | undefined): Promise<boolean>;
  /** The answer, encoded. @throws WireError (by rejection), and nothing else */
  unary(call: WireCall): Promise<Uint8Array>;
  /** Messages, encoded, as they come; leaving the loop ends the call. @throws WireError */
  serverStream(call: WireCall): AsyncIterable<Uint8Array>;
  /** Ends the connection and whatever runs over it. May be called twice. */
  close(): void;
}

/** How a call failed, as the carrier reports it. */
export class WireError extends Error {
  /** A status code of gRPC. */
  readonly code: number;
  /** What comes with it, in words. */
  readonly details: string;
  /** The bytes of `grpc-status-details-bin`, where there are any. */
  readonly statusDetails: Uint8Array | undefined;

  constructor(
    code: number,
    details: string,
    more: { readonly statusDetails?: Uint8Array | undefined; readonly cause?: unknown } = {},
  ) {
    super(details, { cause: more.cause });
    this.name = "WireError";
    this.code = code;
    this.details = details;
    this.statusDetails = more.statusDetails;
  }
}

/** Generated code reads from a Buffer, where there is one; the bytes are shared, not copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (typeof Buffer === "undefined" || Buffer.isBuffer(bytes)) return bytes as Buffer;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
