/** From the errors of Connect, and of what stands between, to those of the wire. */
import { fromBase64 } from "@authledger/proof";
import { encodeRpcStatus, errors } from "@authledger/proto";
import { GrpcStatus } from "@authledger/types";
import { WireError } from "../transport/wire.js";

const OUR_DETAILS = "authledger.v1.ErrorDetails";

/** Codes that Connect writes otherwise than gRPC. */
const CODES: ReadonlyMap<string, number> = new Map([
  ...Object.entries(GrpcStatus).map(([name, code]) => [name.toLowerCase(), code] as const),
  ["canceled", GrpcStatus.CANCELLED],
]);

/** What a proxy means that answers without a word of Connect (connectrpc.com/docs/protocol, "HTTP to error code"). */
const BY_HTTP: Readonly<Record<number, number>> = {
  400: GrpcStatus.INTERNAL,
  401: GrpcStatus.UNAUTHENTICATED,
  403: GrpcStatus.PERMISSION_DENIED,
  404: GrpcStatus.UNIMPLEMENTED,
  429: GrpcStatus.UNAVAILABLE,
  502: GrpcStatus.UNAVAILABLE,
  503: GrpcStatus.UNAVAILABLE,
  504: GrpcStatus.UNAVAILABLE,
};

/** The error of a response that is none of success. */
export function connectFailure(httpStatus: number, body: Uint8Array): WireError {
  const error = failureOf(jsonOf(body));
  if (error !== undefined) return error;
  const code = BY_HTTP[httpStatus] ?? GrpcStatus.UNKNOWN;
  return new WireError(code, `Received HTTP status code ${httpStatus}`);
}

/** How a stream ended; undefined when it went well. */
export function endFailure(message: Uint8Array): WireError | undefined {
  const end = jsonOf(message);
  if (typeof end !== "object" || end === null) return lostConnection("its end is damaged");
  const { error } = end as { readonly error?: unknown };
  if (error === undefined) return undefined;
  return failureOf(error) ?? new WireError(GrpcStatus.UNKNOWN, "the stream failed");
}

/** A browser tells nobody why it had no answer; Node does. */
export function lostConnection(thrown: unknown): WireError {
  const { cause } = Object(thrown) as { readonly cause?: { readonly code?: unknown } };
  const code = typeof cause?.code === "string" ? cause.code : "";
  const why = thrown instanceof Error ? thrown.message : String(thrown);
  const isUnsent = code === "ECONNREFUSED" || code === "ENOTFOUND";
  const text = `${isUnsent ? "No connection established. Last error: " : ""}${code} ${why}${pageHint()}`;
  return new WireError(GrpcStatus.UNAVAILABLE, text.trim(), { cause: thrown });
}

/** What a page can know: it was not answered, or its browser kept the answer from it. Empty where there is no page. */
function pageHint(): string {
  const { location } = globalThis as { readonly location?: { readonly origin?: unknown } };
  if (typeof location?.origin !== "string") return "";
  return ` (no node there, no Connect, or pages of ${location.origin} are not let in: authledger start --connect --cors-origin)`;
}

function failureOf(json: unknown): WireError | undefined {
  const {
    code: name,
    message,
    details,
  } = Object(json) as {
    readonly code?: unknown;
    readonly message?: unknown;
    readonly details?: unknown;
  };
  const code = typeof name === "string" ? CODES.get(name) : undefined;
  if (code === undefined) return undefined;
  const text = typeof message === "string" ? message : "";
  return new WireError(code, text, { statusDetails: statusOf(code, text, details) });
}

/** Our own details as the rest of the library knows them: inside the bytes of a status. */
function statusOf(code: number, message: string, details: unknown): Uint8Array | undefined {
  if (!Array.isArray(details)) return undefined;
  for (const detail of details as readonly {
    readonly type?: unknown;
    readonly value?: unknown;
  }[]) {
    if (detail?.type !== OUR_DETAILS || typeof detail.value !== "string") continue;
    const { value } = detail;
    const bytes = fromBase64(value + "=".repeat((4 - (value.length % 4)) % 4));
    const ours = bytes === undefined ? undefined : detailsIn(bytes);
    if (ours !== undefined)
      return encodeRpcStatus({ code, message, details: ours, violations: [] });
  }
  return undefined;
}

function detailsIn(bytes: Uint8Array): errors.ErrorDetails | undefined {
  try {
    return errors.ErrorDetails.decode(bytes);
  } catch {
    return undefined; // damaged on the way: the code itself still counts
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined; // a proxy's page
  }
}
