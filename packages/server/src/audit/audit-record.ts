/**
 * What the audit log keeps of a call: an entity of the system vault, `audit:<id>`, whose ids ascend with time. The value is
 * JSON, so that a proof of it can be read without this program.
 */
import type { iam } from "@authledger/proto";
import { utf8 } from "@authledger/types";
import { roleName } from "../iam/role-bindings.js";

const AUDIT_PREFIX = "audit:";
/** Of one transaction. */
export const RECORDS_MAX = 64;

/** `refused`: the caller was not let in; such calls of a minute are told of together. */
export type AuditOutcome = "success" | "failure" | "refused";

export interface AuditRecord {
  /** Since 1970; of a summary the first of its calls. */
  readonly timeMs: number;
  /** Name of the principal. */
  readonly actor: string;
  /** `AdminService/createVault`. */
  readonly action: string;
  /** What the request names, as far as it is no secret and names nobody but principals. */
  readonly resource: Readonly<Record<string, string>>;
  readonly outcome: AuditOutcome;
  /** Code of the error, and what it said. */
  readonly code?: string;
  readonly message?: string;
  /** Of a summary that of its first call. */
  readonly requestId: string;
  /** Address of the client, without the port. */
  readonly client: string;
  /** The node that the call reached, or that executed it. */
  readonly node: string;
  /** Calls that a summary stands for. */
  readonly count?: number;
  /** The last of them. */
  readonly untilMs?: number;
}

const MESSAGE_LENGTH_MAX = 512;
const TEXT_LENGTH_MAX = 256;
/** Fields of requests that say what a call is about. Values, tuples and models are in the vaults, and may be erased there. */
const NAMED_FIELDS = [
  ...["organization", "vault", "name", "nodeId", "address", "principal", "group", "keyId", "id"],
  ...[
    "modelId",
    "version",
    "field",
    "tier",
    "assignedTier",
    "retentionBlocks",
    "dryRun",
    "status",
    "to",
  ],
];

/** 48 bits of time and 32 of counting and chance, in hex: the order of keys is the order of time. */
export function auditKey(timeMs: number, suffix: string): string {
  return `${AUDIT_PREFIX}${Math.max(0, timeMs).toString(16).padStart(12, "0")}-${suffix}`;
}

export function auditValue(record: AuditRecord): Uint8Array {
  const message = record.message?.slice(0, MESSAGE_LENGTH_MAX);
  return utf8(JSON.stringify({ ...record, ...(message !== undefined && { message }) }));
}

/** What of a request is told: what it names, what its binding of a role names, and which fields of the configuration it changes. */
export function resourceOf(request: unknown): Readonly<Record<string, string>> {
  if (typeof request !== "object" || request === null) return {};
  const { binding, values } = request as {
    readonly binding?: Partial<iam.RoleBinding>;
    readonly values?: Readonly<Record<string, string>>;
  };
  const role = binding?.role === undefined ? undefined : roleName(binding.role);
  return {
    ...namedFields(request),
    ...(binding !== undefined && namedFields(binding)),
    ...(role !== undefined && { role }),
    ...(values !== undefined && { fields: short(Object.keys(values).sort().join(" ")) }),
  };
}

function namedFields(message: object): Record<string, string> {
  const named: Record<string, string> = {};
  for (const field of NAMED_FIELDS) {
    const value = (message as Readonly<Record<string, unknown>>)[field];
    const isTold = ["string", "bigint", "number", "boolean"].includes(typeof value);
    if (!isTold || value === "" || value === 0n || value === 0) continue;
    named[field] = short(String(value));
  }
  return named;
}

function short(text: string): string {
  return text.slice(0, TEXT_LENGTH_MAX);
}
