/** How errors leave the server: status code, text, and details that programs read. */
import { encodeRpcStatus, type errors, STATUS_DETAILS_KEY } from "@authledger/proto";
import { GrpcStatus, LedgerError } from "@authledger/types";
import { Metadata, type ServiceError } from "@grpc/grpc-js";

/** Longest text of a message or a fact in a trailer: HTTP/2 headers are bounded. */
const TEXT_MAX = 1_000;
const FACTS_MAX = 20;

export function errorDetailsOf(error: LedgerError): errors.ErrorDetails {
  const { row, code, details, retryAfterMs } = error;
  const context: Record<string, string> = {};
  for (const [name, value] of Object.entries(details).slice(0, FACTS_MAX)) {
    context[name] = String(value).slice(0, TEXT_MAX);
  }
  return {
    code,
    number: row.number,
    message: error.message.slice(0, TEXT_MAX),
    action: row.action,
    retryable: row.retry === "safe",
    retryAfterMs: BigInt(Math.ceil(retryAfterMs ?? 0)),
    context,
  };
}

/** A status with `grpc-status-details-bin`. What is not a LedgerError tells nothing of its inside. */
export function toServiceError(thrown: unknown): Partial<ServiceError> {
  const error =
    thrown instanceof LedgerError
      ? thrown
      : new LedgerError("INTERNAL", "an internal error; the node's log has the details");
  const details = errorDetailsOf(error);
  const code = GrpcStatus[error.row.grpc];
  const field = details.context["field"];
  const message = `${details.message}. ${details.action}`;
  const violations = field === undefined ? [] : [{ field, description: details.message }];
  const metadata = new Metadata();
  metadata.set(
    STATUS_DETAILS_KEY,
    Buffer.from(encodeRpcStatus({ code, message, details, violations })),
  );
  return { code, details: `${details.code}: ${message}`, metadata };
}
