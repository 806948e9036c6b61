/** From replies of the engine to messages. */
import type {
  AnswerPoint,
  AnswerProof,
  EngineReply,
  OrganizationInfo,
  StoredEntity,
  StoredTuple,
  TransactionOutcome,
  VaultInfo,
} from "@authledger/engine";
import { admin, type common, type write } from "@authledger/proto";
import { LedgerError, OperationStatus } from "@authledger/types";
import { storedConditionMessage } from "./authorization/convert-condition.js";
import { errorDetailsOf } from "./grpc-error.js";
import { encodeConsistencyToken } from "./tokens.js";
import type { VaultName } from "./vault-directory.js";

const NO_BYTES = new Uint8Array(0);

/** Where in a vault's history an answer is, for people and as a token. */
export function answeredAt(
  name: VaultName,
  at: AnswerPoint,
): { readonly height: bigint; readonly token: Uint8Array } {
  return { height: BigInt(at.height), token: tokenOf(name, at) };
}

export function tokenOf({ organization, vault }: VaultName, at: AnswerPoint): Uint8Array {
  return encodeConsistencyToken({ organization, vault, height: at.height, index: at.index });
}

type Applied = Extract<TransactionOutcome, { kind: "applied" }>;

export function proofMessage(proof: AnswerProof | undefined): common.Proof | undefined {
  if (proof === undefined) return undefined;
  return {
    stateProof: proof.stateProof,
    header: proof.header,
    historyProof: [...proof.historyProof],
    checkpoint: proof.checkpoint,
    consistencyProof: [...proof.consistencyProof],
    pageFrom: proof.pageFrom,
    pageTo: proof.pageTo,
  };
}

export function entityMessage(entity: StoredEntity | undefined): common.Entity | undefined {
  if (entity === undefined) return undefined;
  const { key, value, nonce, version, expiresAtMs, erasedAtMs } = entity;
  const at = { version: BigInt(version), expiresAtMs: BigInt(expiresAtMs) };
  return { key, value, nonce, ...at, ...(erasedAtMs !== undefined && { erased: true }) };
}

export function relationshipMessage(stored: StoredTuple): common.Relationship {
  const { tuple, version, expiresAtMs, condition, erased } = stored;
  return {
    tuple,
    version: BigInt(version),
    expiresAtMs: BigInt(expiresAtMs),
    conditionNonce: condition?.nonce ?? NO_BYTES,
    ...(condition && { condition: storedConditionMessage(condition.value) }),
    ...(erased && { erased }),
  };
}

export function resultMessage(outcome: Applied): write.TransactionResult {
  const { transactionId, sequence, height, statuses, replayed, inclusion } = outcome;
  return {
    transactionId,
    sequence: BigInt(sequence),
    height: BigInt(height),
    statuses: statuses.map((status) => OperationStatus[status] as write.OperationStatus),
    replayed,
    proof: inclusion && { ...inclusion, path: [...inclusion.path] },
  };
}

/** The error of a refused transaction. */
export function refusalError(
  outcome: Extract<TransactionOutcome, { kind: "refused" }>,
): LedgerError {
  const { code, message, details, retryAfterMs } = outcome;
  return new LedgerError(code, message, {
    details,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

export function batchResultMessage(outcome: TransactionOutcome): write.BatchWriteResponse_Result {
  if (outcome.kind === "applied") {
    return { outcome: { $case: "applied", value: resultMessage(outcome) } };
  }
  const value = errorDetailsOf(refusalError(outcome));
  return { outcome: { $case: "refused", value } };
}

const ORGANIZATION_STATUS = {
  active: admin.OrganizationStatus.ORGANIZATION_STATUS_ACTIVE,
  migrating: admin.OrganizationStatus.ORGANIZATION_STATUS_MIGRATING,
  suspended: admin.OrganizationStatus.ORGANIZATION_STATUS_SUSPENDED,
  deleting: admin.OrganizationStatus.ORGANIZATION_STATUS_DELETING,
  deleted: admin.OrganizationStatus.ORGANIZATION_STATUS_DELETED,
} as const;

const VAULT_STATUS = {
  active: admin.VaultStatus.VAULT_STATUS_ACTIVE,
  read_only: admin.VaultStatus.VAULT_STATUS_READ_ONLY,
  deleting: admin.VaultStatus.VAULT_STATUS_DELETING,
  deleted: admin.VaultStatus.VAULT_STATUS_DELETED,
} as const;

export function organizationMessage(info: OrganizationInfo): admin.Organization {
  const { slug, name, status, createdAtMs } = info;
  return { slug, name, status: ORGANIZATION_STATUS[status], createdAtMs: BigInt(createdAtMs) };
}

export function usageMessage(usage: EngineReply<"get_usage">["usage"]): admin.Usage {
  return {
    vaults: BigInt(usage.vaults),
    entities: BigInt(usage.entities),
    tuples: BigInt(usage.tuples),
    records: BigInt(usage.records),
    liveBytes: BigInt(usage.liveBytes),
    historyBytes: BigInt(usage.historyBytes),
    blocks: BigInt(usage.blocks),
  };
}

export function vaultMessage(info: VaultInfo): admin.Vault {
  const { organization, slug, name, status, createdAtMs, origin, height } = info;
  const { retentionBlocks, oldestHeight } = info;
  return {
    organization,
    slug,
    name,
    status: VAULT_STATUS[status],
    createdAtMs: BigInt(createdAtMs),
    origin,
    height: BigInt(height),
    retentionBlocks: BigInt(retentionBlocks),
    oldestHeight: BigInt(oldestHeight),
  };
}
