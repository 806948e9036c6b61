/**
 * From what gRPC reports to the one error type. A node's own errors travel in `grpc-status-details-bin` and
 * arrive with code and facts; whatever else a transport says is given the code that fits.
 */
import { decodeErrorDetails, type errors } from "@authledger/proto";
import {
  ERROR_DETAILS,
  type ErrorCode,
  type ErrorDetails,
  GrpcStatus,
  isErrorCode,
  LedgerError,
} from "@authledger/types";
import type { WireError } from "./wire.js";

/** Why an endpoint could not be used, for programs. */
export type TransportCause =
  | "refused"
  | "dns"
  | "tls"
  | "not-grpc"
  | "timeout"
  | "dropped"
  | "other";

/** What was last met at an endpoint. */
export interface EndpointFailure {
  readonly endpoint: string;
  readonly cause: TransportCause;
  /** In words, for people. */
  readonly message: string;
}

/** No endpoint could be used; each says what the connection met. */
export class UnreachableError extends LedgerError {
  readonly endpoints: readonly EndpointFailure[];

  constructor(
    call: string,
    endpoints: readonly EndpointFailure[],
    options: { readonly details: ErrorDetails; readonly cause: unknown },
  ) {
    const count = `${endpoints.length} endpoint${endpoints.length === 1 ? "" : "s"}`;
    const found = endpoints.map(({ endpoint, message }) => `${endpoint}: ${message}`).join("; ");
    super("UNAVAILABLE", `cannot reach any of ${count} for "${call}": ${found}`, options);
    this.endpoints = endpoints;
  }
}

/** What one attempt came to when it failed. */
export type Failure =
  /** The server, or a proxy of it, answered with an error. */
  | { readonly kind: "answered"; readonly error: LedgerError }
  /** There was no usable connection. `sent`: the request may have reached a server. */
  | {
      readonly kind: "transport";
      readonly cause: TransportCause;
      readonly message: string;
      readonly sent: boolean;
      readonly error: unknown;
    };

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  [GrpcStatus.INVALID_ARGUMENT]: "INVALID_ARGUMENT",
  [GrpcStatus.DEADLINE_EXCEEDED]: "DEADLINE_EXCEEDED",
  [GrpcStatus.NOT_FOUND]: "ENTITY_NOT_FOUND",
  [GrpcStatus.ALREADY_EXISTS]: "IDEMPOTENCY_KEY_REUSED",
  [GrpcStatus.RESOURCE_EXHAUSTED]: "OVERLOADED",
  [GrpcStatus.FAILED_PRECONDITION]: "PRECONDITION_FAILED",
  [GrpcStatus.ABORTED]: "PRECONDITION_FAILED",
  [GrpcStatus.OUT_OF_RANGE]: "HEIGHT_UNAVAILABLE",
  [GrpcStatus.UNIMPLEMENTED]: "UNIMPLEMENTED",
  [GrpcStatus.UNAUTHENTICATED]: "UNAUTHENTICATED",
  [GrpcStatus.PERMISSION_DENIED]: "PERMISSION_DENIED",
  [GrpcStatus.UNAVAILABLE]: "UNAVAILABLE",
};

/** Judges a failed call; `facts` (request id, endpoint) go into the details. */
export function failureOf(error: WireError, facts: ErrorDetails): Failure {
  const details = detailsOf(error);
  if (details !== undefined) return { kind: "answered", error: typedError(details, error, facts) };
  const text = error.details;
  const isForeignHttp = /^Received HTTP status code/.test(text);
  // What the caller gives up is not judged here: a server that is torn down resets its calls so.
  if (error.code === GrpcStatus.CANCELLED) {
    const message = "the server ended the call";
    return { kind: "transport", cause: "dropped", message, sent: true, error };
  }
  // A node's own errors have details: here its end of the connection failed, and all calls on it with it.
  if (error.code === GrpcStatus.INTERNAL && /^Received RST_STREAM/.test(text)) {
    const message = "the server dropped the connection";
    return { kind: "transport", cause: "dropped", message, sent: true, error };
  }
  if (error.code === GrpcStatus.UNAVAILABLE || isForeignHttp) {
    const sent = !/^(No connection established|Name resolution failed)/.test(text);
    return { kind: "transport", ...describeTransport(text), sent, error };
  }
  const tooLarge = /message larger than max/.test(text);
  const code = tooLarge ? "LIMIT_EXCEEDED" : (BY_STATUS[error.code] ?? "INTERNAL");
  return { kind: "answered", error: new LedgerError(code, text, { details: facts, cause: error }) };
}

/** The error of one refused transaction of a batch. */
export function refusalOf(details: errors.ErrorDetails): LedgerError {
  return typedError(details, undefined, {});
}

function detailsOf({ statusDetails }: WireError): errors.ErrorDetails | undefined {
  if (statusDetails === undefined) return undefined;
  try {
    return decodeErrorDetails(statusDetails);
  } catch {
    return undefined; // another server's, or damaged on the way: the status itself still counts
  }
}

function typedError(
  details: errors.ErrorDetails,
  cause: WireError | undefined,
  facts: ErrorDetails,
): LedgerError {
  const { code, message, context, retryAfterMs } = details;
  const isKnown = isErrorCode(code);
  const known: ErrorCode = isKnown ? code : (BY_STATUS[cause?.code ?? -1] ?? "INTERNAL");
  return new LedgerError(known, message, {
    details: { ...factsOf(known, context), ...facts, ...(!isKnown && { serverCode: code }) },
    ...(retryAfterMs > 0n && { retryAfterMs: Number(retryAfterMs) }),
    ...(cause !== undefined && { cause }),
  });
}

/** Facts travel as text; those that the table knows as numbers become numbers again. */
export function factsOf(code: ErrorCode, context: Readonly<Record<string, string>>): ErrorDetails {
  const kinds = ERROR_DETAILS[code] ?? {};
  const facts = Object.entries(context).map(([name, text]) => {
    const isNumber = kinds[name] === "number" && /^\d{1,16}$/.test(text);
    return [name, isNumber && Number.isSafeInteger(Number(text)) ? Number(text) : text];
  });
  return Object.fromEntries(facts) as ErrorDetails;
}

const PATTERNS: readonly (readonly [RegExp, TransportCause, string])[] = [
  [/ECONNREFUSED/, "refused", "connection refused"],
  [/Name resolution failed|ENOTFOUND|EAI_AGAIN/, "dns", "no such host"],
  [/certificate|altnames|SSL|TLS|self.signed/i, "tls", ""],
  [/Protocol error|HTTP status code|HTTP\/2/, "not-grpc", "it does not speak gRPC"],
  [/ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timed out/i, "timeout", "no route, or no answer"],
  [/ECONNRESET|Connection dropped|socket hang up|EPIPE/, "dropped", "the connection was dropped"],
];

/** In the words of people; what is not known keeps the words of the transport. */
function describeTransport(text: string): { cause: TransportCause; message: string } {
  for (const [pattern, cause, message] of PATTERNS) {
    if (pattern.test(text)) return { cause, message: message || lastErrorIn(text) };
  }
  return { cause: "other", message: lastErrorIn(text) };
}

function lastErrorIn(text: string): string {
  const last = /Last error: (?:Error: )?(.*?)(?:\. Resolution note:.*)?$/s.exec(text);
  return (last?.[1] ?? text).slice(0, 300);
}
