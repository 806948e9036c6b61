/** Errors as Connect writes them: JSON with a code, a text, and the details that gRPC clients get, too. */
import {
  errorDetailsIn,
  type errors,
  STATUS_DETAILS_KEY,
  type StatusDetail,
  statusDetails,
} from "@authledger/proto";
import { GrpcStatus } from "@authledger/types";
import type { ServiceError } from "@grpc/grpc-js";

/** connectrpc.com/docs/protocol, "Error codes": the name on the wire and the status of HTTP, by gRPC's number. */
const CODES: readonly (readonly [string, number])[] = [
  ["ok", 200],
  ["canceled", 499],
  ["unknown", 500],
  ["invalid_argument", 400],
  ["deadline_exceeded", 504],
  ["not_found", 404],
  ["already_exists", 409],
  ["permission_denied", 403],
  ["resource_exhausted", 429],
  ["failed_precondition", 400],
  ["aborted", 409],
  ["out_of_range", 400],
  ["unimplemented", 501],
  ["internal", 500],
  ["unavailable", 503],
  ["data_loss", 500],
  ["unauthenticated", 401],
];

export interface ConnectError {
  readonly httpStatus: number;
  readonly json: {
    readonly code: string;
    readonly message: string;
    readonly details: readonly ConnectDetail[];
  };
  /** In whole seconds; undefined where the error names no time. */
  readonly retryAfterS: number | undefined;
}

interface ConnectDetail {
  /** Full name of the message. */
  readonly type: string;
  /** The message's bytes in base64 without padding. */
  readonly value: string;
  /** For people: the same as JSON. */
  readonly debug?: unknown;
}

export function connectError({ code, details, metadata }: Partial<ServiceError>): ConnectError {
  const [name, httpStatus] = CODES[code ?? GrpcStatus.UNKNOWN] ?? CODES[GrpcStatus.UNKNOWN]!;
  const [status] = metadata?.get(STATUS_DETAILS_KEY) ?? [];
  const found = status instanceof Uint8Array ? detailsOf(status) : [];
  const retryAfterMs = Number(found.map(errorDetailsOf).find(Boolean)?.retryAfterMs ?? 0n);
  return {
    httpStatus,
    json: { code: name, message: details ?? "", details: found.map(connectDetail) },
    retryAfterS: retryAfterMs > 0 ? Math.ceil(retryAfterMs / 1_000) : undefined,
  };
}

/** What another node answered is passed on as it came, whatever it is. */
function detailsOf(status: Uint8Array): readonly StatusDetail[] {
  try {
    return statusDetails(status);
  } catch {
    return [];
  }
}

function errorDetailsOf(detail: StatusDetail): errors.ErrorDetails | undefined {
  try {
    return errorDetailsIn(detail);
  } catch {
    return undefined;
  }
}

function connectDetail(detail: StatusDetail): ConnectDetail {
  const value = Buffer.from(detail.value).toString("base64").replace(/=+$/, "");
  const ours = errorDetailsOf(detail);
  if (ours === undefined) return { type: detail.type, value };
  return { type: detail.type, value, debug: { ...ours, retryAfterMs: `${ours.retryAfterMs}` } };
}
