/** What the blocks of a fake ledger changed, told from their transactions. */
import type { CanonicalOp } from "@authledger/proof";
import { read } from "@authledger/proto";
import {
  LedgerError,
  limits,
  type OperationStatus,
  utf8Length,
  validateRelation,
  validateResource,
  validateSubject,
  validateType,
} from "@authledger/types";
import type { FakeVault } from "./vault.js";

type Target = NonNullable<read.Change["target"]>;

const KINDS: { readonly [S in OperationStatus]?: read.ChangeKind } = {
  created: read.ChangeKind.CHANGE_KIND_CREATED,
  updated: read.ChangeKind.CHANGE_KIND_REPLACED,
  deleted: read.ChangeKind.CHANGE_KIND_DELETED,
  expired: read.ChangeKind.CHANGE_KIND_EXPIRED,
};
const EMPTY = new Uint8Array(0);

/** Those of the blocks [from, end) that match, in order. */
export function changesOf(
  vault: FakeVault,
  filter: read.ChangeFilter,
  from: number,
  end: number,
): read.Change[] {
  const changes: read.Change[] = [];
  for (let height = from; height < end; height++) {
    const { timeMs, executed } = vault.blocks[height]!;
    executed.forEach(({ transaction, statuses }, transactionIndex) => {
      transaction.ops.forEach((op, operationIndex) => {
        const kind = KINDS[statuses[operationIndex]!];
        const target = kind === undefined ? undefined : targetOf(op);
        if (kind === undefined || target === undefined || !matches(filter, target)) return;
        const { id: transactionId, actor, reason } = transaction;
        const at = { height: BigInt(height), transactionIndex, operationIndex };
        changes.push({ kind, target, ...at, timeMs: BigInt(timeMs), transactionId, actor, reason });
      });
    });
  }
  return changes;
}

/** @throws LedgerError INVALID_ARGUMENT, INVALID_TUPLE, LIMIT_EXCEEDED */
export function checkedFilter(filter: read.ChangeFilter = NO_FILTER): read.ChangeFilter {
  const { resourceType, resource, relation, subject, subjectType, entityKeyPrefix } = filter;
  if (resourceType !== undefined) validateType(resourceType, "resource_type");
  if (subjectType !== undefined) validateType(subjectType, "subject_type");
  if (resource !== undefined) validateResource(resource);
  if (relation !== undefined) validateRelation(relation);
  if (subject !== undefined) validateSubject(subject);
  const limit = limits.ENTITY_KEY_BYTES_MAX;
  const actual = utf8Length(entityKeyPrefix ?? "");
  if (actual >= 0 && actual <= limit) return filter;
  const message = `entity_key_prefix has ${actual} bytes; the limit is ${limit}`;
  const details = { field: "entity_key_prefix", limit, actual };
  throw new LedgerError("LIMIT_EXCEEDED", message, { details });
}

const NO_FILTER: read.ChangeFilter = {};

function targetOf(op: CanonicalOp): Target | undefined {
  switch (op.op) {
    case "create_tuple":
      return tupleTarget(op.tuple, op.expiresAtMs);
    case "delete_tuple":
      return tupleTarget(op.tuple, 0);
    case "set_entity":
      return entityTarget(op.key, op.expiresAtMs, op.value);
    case "delete_entity":
      return entityTarget(op.key, 0, { length: 0, digest: EMPTY });
    case "set_record": {
      const { partition, group, item } = op;
      return { $case: "record", value: { partition, group, item } };
    }
    default:
      return undefined;
  }
}

function tupleTarget(tuple: read.Change_TupleChange["tuple"], expiresAtMs: number): Target {
  return { $case: "tuple", value: { tuple, expiresAtMs: BigInt(expiresAtMs) } };
}

function entityTarget(
  key: string,
  expiresAtMs: number,
  { length, digest }: { readonly length: number; readonly digest: Uint8Array },
): Target {
  const value = { key, expiresAtMs: BigInt(expiresAtMs), valueLength: length, valueDigest: digest };
  return { $case: "entity", value };
}

function matches(filter: read.ChangeFilter, target: Target): boolean {
  const { entityKeyPrefix, ...ofTuple } = filter;
  const hasTuple = Object.values(ofTuple).some((value) => value !== undefined);
  if (!hasTuple && entityKeyPrefix === undefined) return true;
  if (target.$case === "entity") {
    return entityKeyPrefix !== undefined && target.value.key.startsWith(entityKeyPrefix);
  }
  const tuple = target.$case === "tuple" ? target.value.tuple : undefined;
  if (!hasTuple || tuple === undefined) return false;
  const { resource, relation, subject, resourceType, subjectType } = filter;
  return (
    (resource === undefined || resource === tuple.resource) &&
    (relation === undefined || relation === tuple.relation) &&
    (subject === undefined || subject === tuple.subject) &&
    (resourceType === undefined || tuple.resource.startsWith(`${resourceType}:`)) &&
    (subjectType === undefined || tuple.subject.startsWith(`${subjectType}:`))
  );
}
