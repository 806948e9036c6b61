/**
 * Facts that errors of a code carry in their `details`, where the code promises some. The SDK's error classes are
 * generated from this table: over gRPC facts are text, and the SDK turns those that are numbers back into numbers.
 *
 * Every fact may be missing: an older server does not know it, or another part of the ledger reports the code.
 */
import type { ErrorCode } from "./error-table.js";

/** What a fact is. Numbers are whole and at most 2^53 - 1. */
type FactKind = "number" | "text";

type Facts = Readonly<Record<string, FactKind>>;

const LIMIT: Facts = { field: "text", limit: "number", actual: "number" };
const FIELD: Facts = { field: "text" };
const FORK: Facts = { reason: "text", trusted: "text", received: "text" };

/** The facts by code; codes that promise none are left out. */
export const ERROR_DETAILS: Readonly<Partial<Record<ErrorCode, Facts>>> = {
  STORE_KEY_INVALID: { limit: "number", actual: "number" },
  PEER_REFUSED: { reason: "text", node: "text" },
  CODEC_DECODE: { field: "text", offset: "number" },
  DEADLINE_EXCEEDED: { endpoint: "text", deadlineMs: "number" },
  NOT_LEADER: { leader: "text", clientAddress: "text" },
  NOT_CAUGHT_UP: { match: "number", last: "number" },
  CLUSTER_MISMATCH: { clusterId: "text" },
  MEMBER_NOT_FOUND: { node: "text" },
  MEMBER_EXISTS: { node: "text" },
  CLOCK_SKEW: { aheadMs: "number" },
  INVALID_ARGUMENT: FIELD,
  INVALID_TUPLE: FIELD,
  LIMIT_EXCEEDED: LIMIT,
  SLUG_REQUIRED: FIELD,
  NAME_INVALID: FIELD,
  ORGANIZATION_NOT_FOUND: { organization: "text" },
  VAULT_NOT_FOUND: { organization: "text", vault: "text" },
  BLOCK_NOT_FOUND: { height: "number", newest: "number" },
  HEIGHT_UNAVAILABLE: { height: "number", oldest: "number", newest: "number" },
  HEIGHT_NOT_REACHED: { height: "number", oldest: "number", newest: "number" },
  PRECONDITION_FAILED: {
    operation: "number",
    key: "text",
    condition: "text",
    version: "number",
    digest: "text",
  },
  IDEMPOTENCY_KEY_REUSED: { key: "text" },
  RECORD_TOO_LARGE: { limit: "number", actual: "number" },
  TOKEN_INVALID: FIELD,
  TOKEN_OTHER_VAULT: FIELD,
  PAGE_TOKEN_INVALID: FIELD,
  SYSTEM_CLOCK: { behindMs: "number" },
  PROOF_INVALID: FORK,
  PROOF_INSUFFICIENT: { reason: "text" },
  PROOF_STALE: { reason: "text" },
  EQUIVOCATION: FORK,
  TRUST_ANCHOR_MISSING: { vault: "text" },
  MODEL_INVALID: { kind: "text", line: "number", column: "number", problems: "text" },
  MODEL_NOT_FOUND: { version: "number" },
  TYPE_NOT_FOUND: { type: "text", ...FIELD },
  RELATION_NOT_FOUND: { type: "text", relation: "text", ...FIELD },
  CONDITION_FAILED: { condition: "text", parameters: "text" },
  MODEL_ASSERTION_FAILED: { failed: "number" },
  ORGANIZATION_SUSPENDED: { organization: "text", status: "text" },
  API_VERSION_UNSUPPORTED: { given: "text", oldest: "number", newest: "number" },
  CONFIG_INVALID: FIELD,
  CONFIG_NOT_RECONFIGURABLE: FIELD,
  VALUE_ERASED: { key: "text", height: "number", erasedAtMs: "number" },
  RATE_LIMITED: { tier: "text", kind: "text", limit: "number", units: "number" },
  DEADLINE_TOO_SHORT: { leftMs: "number", neededMs: "number" },
  EVALUATION_TOO_COMPLEX: { limit: "number", actual: "number" },
};
