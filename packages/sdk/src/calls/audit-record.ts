/** One record of the audit log, from the entity that holds it: JSON that any version of a node may have written. */
import { decodeUtf8 } from "@authledger/types";
import { malformed } from "./convert.js";
import type { Entity } from "./values.js";

export const AUDIT_PREFIX = "audit:";

/** `refused`: the caller was not let in; such calls of a minute are told of together. */
export type AuditOutcome = "success" | "failure" | "refused";

export interface AuditRecord {
  /** Of its entity in the system vault. */
  readonly key: string;
  /** Milliseconds since 1970; of a summary that of its first call. */
  readonly timeMs: bigint;
  /** Name of the principal. */
  readonly actor: string;
  /** `AdminService/CreateVault`. */
  readonly action: string;
  /** What the request named. */
  readonly resource: Readonly<Record<string, string>>;
  readonly outcome: AuditOutcome;
  /** Code of the error, and what it said. */
  readonly code?: string;
  readonly message?: string;
  readonly requestId: string;
  /** Address of the client. */
  readonly client: string;
  /** The node that the call reached. */
  readonly node: string;
  /** Calls that a summary stands for. */
  readonly count?: number;
  /** The last of them. */
  readonly untilMs?: bigint;
  /** Height of the system vault's block that holds it. */
  readonly version: bigint;
  /** It was computed from its proof: the client verifies. */
  readonly isProven: boolean;
}

/** @throws LedgerError CODEC_DECODE */
export function auditRecordOf({ key, value, version }: Entity, isProven: boolean): AuditRecord {
  const fields = fieldsOf(value);
  const { actor, action, outcome, requestId, client, node, code, message } = fields;
  const texts = { actor, action, requestId, client, node };
  const isWhole =
    Object.values(texts).every((text) => typeof text === "string") && isOutcome(outcome);
  if (!isWhole || !key.startsWith(AUDIT_PREFIX)) throw malformed(`no audit record under ${key}`);
  const { timeMs, untilMs, count, resource } = fields;
  return {
    ...{ key, timeMs: wholeOf(timeMs) },
    ...(texts as Record<keyof typeof texts, string>),
    ...{ resource: textsOf(resource), outcome },
    ...(typeof code === "string" && { code }),
    ...(typeof message === "string" && { message }),
    ...(typeof count === "number" && { count }),
    ...(untilMs !== undefined && { untilMs: wholeOf(untilMs) }),
    ...{ version, isProven },
  };
}

function fieldsOf(value: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const fields: unknown = JSON.parse(decodeUtf8(value) ?? "");
    if (typeof fields === "object" && fields !== null) return fields as Record<string, unknown>;
  } catch {
    // told below
  }
  throw malformed("an audit record that is no JSON");
}

function isOutcome(value: unknown): value is AuditOutcome {
  return value === "success" || value === "failure" || value === "refused";
}

function wholeOf(value: unknown): bigint {
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  throw malformed("an audit record without a time");
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const [name, text] of Object.entries(value ?? {})) texts[name] = String(text);
  return texts;
}
