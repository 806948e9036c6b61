/** How errors leave the server: status code, text, and details that programs read. */
import { encodeRpcStatus, type errors, STATUS_DETAILS_KEY } from "@authledger/proto";
import { GrpcStatus, LedgerError, utf8Length } from "@authledger/types";
import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { REQUEST_ID_KEY } from "./trace/request-id.js";

/**
 * Bytes of UTF-8 of a message, of a fact, and of all facts together. Many clients accept 8 KiB of headers: the
 * message goes there four times (once percent-encoded, which triples it), the facts twice, and details grow by
 * a third in base64: 3 * 512 + 4/3 * (3 * 512 + 2 * 1,024) + about 1 KiB for names and actions.
 */
const MESSAGE_BYTES_MAX = 512;
const FACT_BYTES_MAX = 256;
const FACTS_BYTES_MAX = 1_024;
/** What `fact` costs beside its texts: tags and lengths. */
const FACT_FRAME_BYTES = 8;

export function errorDetailsOf(error: LedgerError): errors.ErrorDetails {
  const { row, code, details, retryAfterMs } = error;
  return {
    code,
    number: row.number,
    message: headerText(error.message, MESSAGE_BYTES_MAX),
    action: row.action,
    retryable: row.retry === "safe",
    retryAfterMs: BigInt(Math.ceil(retryAfterMs ?? 0)),
    context: factsOf(details),
  };
}

/** As many facts as fit, in their order. */
function factsOf(details: LedgerError["details"]): Record<string, string> {
  const facts: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(details)) {
    const text = headerText(String(value), FACT_BYTES_MAX);
    bytes += utf8Length(name) + utf8Length(text) + FACT_FRAME_BYTES;
    if (bytes > FACTS_BYTES_MAX) break;
    facts[name] = text;
  }
  return facts;
}

/**
 * The beginning of a text, well-formed and at most `limit` bytes. Messages quote what was wrong and may have cut
 * it inside a surrogate pair; percent-encoding such a text for `grpc-message` throws.
 */
function headerText(text: string, limit: number): string {
  let bytes = 0;
  let out = "";
  for (const character of text) {
    const shown = utf8Length(character) < 0 ? REPLACEMENT : character;
    bytes += utf8Length(shown);
    if (bytes > limit) break;
    out += shown;
  }
  return out;
}

const REPLACEMENT = "\ufffd";

/** An error that another node answered with, handed on as it came. */
export class ForeignError extends Error {
  /** As the error table names it; another version may have others. */
  readonly code: string;
  readonly status: Partial<ServiceError>;

  constructor(code: string, status: Partial<ServiceError>) {
    super(status.details);
    this.code = code;
    this.status = status;
  }
}

/** Of errors that are thrown again and again. */
const prepared = new WeakMap<object, Partial<ServiceError>>();

/** Makes the status of an error that many calls are answered with. @returns the error */
export function prepareError(error: LedgerError): LedgerError {
  prepared.set(error, toServiceError(error));
  return error;
}

/** A status with `grpc-status-details-bin` and the id that the node's log has of the call. What is not a LedgerError tells nothing of its inside. */
export function toServiceError(thrown: unknown, requestId?: string): Partial<ServiceError> {
  if (thrown instanceof ForeignError) {
    if (requestId !== undefined) thrown.status.metadata?.set(REQUEST_ID_KEY, requestId);
    return thrown.status;
  }
  const ready = thrown instanceof LedgerError ? prepared.get(thrown) : undefined;
  if (ready !== undefined) return ready;
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
  if (requestId !== undefined) metadata.set(REQUEST_ID_KEY, requestId);
  metadata.set(
    STATUS_DETAILS_KEY,
    Buffer.from(encodeRpcStatus({ code, message, details, violations })),
  );
  return { code, details: `${details.code}: ${message}`, metadata };
}
