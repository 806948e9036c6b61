/** What the leader writes into the audit log for another node. The gate lets nobody but nodes call it. */
import type { cluster } from "@authledger/proto";
import { LedgerError, type Operation } from "@authledger/types";
import type { SystemVault } from "../system/system-vault.js";
import { RECORDS_MAX } from "./audit-record.js";

const KEY = /^audit:[0-9a-f]{12}-[0-9a-f]{8}$/;
const VALUE_BYTES_MAX = 16 * 1024;

/** @throws LedgerError INVALID_ARGUMENT, LIMIT_EXCEEDED, PRECONDITION_FAILED where a key is there, NOT_LEADER */
export async function recordAudit(
  system: Pick<SystemVault, "write">,
  { actor, records }: cluster.RecordAuditRequest,
  deadlineAtMs: number | undefined,
): Promise<cluster.RecordAuditResponse> {
  if (actor === "") throw invalid("actor", "actor is missing");
  if (records.length === 0) throw invalid("records", "no records");
  if (records.length > RECORDS_MAX) throw tooMuch("records", records.length, RECORDS_MAX);
  const operations = records.map(operationOf);
  await system.write(operations, { actor, reason: "audit", deadlineAtMs });
  return {};
}

function operationOf({ key, value, expiresAtMs }: cluster.AuditEntry): Operation {
  if (!KEY.test(key)) throw invalid("key", `"${key.slice(0, 80)}" is no key of the audit log`);
  if (value.length > VALUE_BYTES_MAX) throw tooMuch("value", value.length, VALUE_BYTES_MAX);
  return {
    ...{ op: "set_entity", key, value: new Uint8Array(value) },
    ...{ expiresAtMs: Number(expiresAtMs), condition: { kind: "must_not_exist" } },
  };
}

function invalid(field: string, message: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", message, { details: { field } });
}

function tooMuch(field: string, actual: number, limit: number): LedgerError {
  const message = `${field}: ${actual}, and at most ${limit}`;
  return new LedgerError("LIMIT_EXCEEDED", message, { details: { field, limit, actual } });
}
