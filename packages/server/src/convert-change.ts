/** Changes and their filters, between messages and the engine. */
import type { Change, ChangeFilter, ChangePosition } from "@authledger/engine";
import { read } from "@authledger/proto";
import {
  ByteReader,
  ByteWriter,
  LedgerError,
  limits,
  utf8Length,
  validateRelation,
  validateResource,
  validateSubject,
  validateType,
} from "@authledger/types";

/** @throws LedgerError INVALID_ARGUMENT, INVALID_TUPLE, LIMIT_EXCEEDED naming the field */
export function changeFilterOf(message: read.ChangeFilter | undefined): ChangeFilter {
  if (message === undefined) return {};
  const { resourceType, resource, relation, subject, subjectType } = message;
  if (resourceType !== undefined) validateType(resourceType, "resource_type");
  if (subjectType !== undefined) validateType(subjectType, "subject_type");
  if (resource !== undefined) validateResource(resource);
  if (relation !== undefined) validateRelation(relation);
  if (subject !== undefined) validateSubject(subject);
  const { entityKeyPrefix: entityPrefix } = message;
  if (entityPrefix !== undefined) requirePrefix(entityPrefix);
  return { resourceType, resource, relation, subject, subjectType, entityPrefix };
}

function requirePrefix(prefix: string): void {
  const limit = limits.ENTITY_KEY_BYTES_MAX;
  const actual = utf8Length(prefix);
  if (actual >= 0 && actual <= limit) return;
  const message = `entity_key_prefix has ${actual} bytes; the limit is ${limit}`;
  throw new LedgerError("LIMIT_EXCEEDED", message, {
    details: { field: "entity_key_prefix", limit, actual },
  });
}

const KINDS: { readonly [K in Change["change"]]: read.ChangeKind } = {
  created: read.ChangeKind.CHANGE_KIND_CREATED,
  replaced: read.ChangeKind.CHANGE_KIND_REPLACED,
  deleted: read.ChangeKind.CHANGE_KIND_DELETED,
  expired: read.ChangeKind.CHANGE_KIND_EXPIRED,
};

export function changeMessage(change: Change): read.Change {
  return {
    kind: KINDS[change.change],
    target: targetMessage(change.target),
    height: BigInt(change.height),
    transactionIndex: change.index,
    operationIndex: change.operation,
    timeMs: BigInt(change.timeMs),
    transactionId: change.transactionId,
    actor: change.actor,
    reason: change.reason,
  };
}

function targetMessage(target: Change["target"]): read.Change["target"] {
  switch (target.kind) {
    case "tuple": {
      const { tuple, expiresAtMs } = target;
      return { $case: "tuple", value: { tuple, expiresAtMs: BigInt(expiresAtMs) } };
    }
    case "entity": {
      const { key, expiresAtMs, value } = target;
      const message = {
        key,
        expiresAtMs: BigInt(expiresAtMs),
        valueLength: value?.length ?? 0,
        valueDigest: value?.digest ?? new Uint8Array(0),
      };
      return { $case: "entity", value: message };
    }
    case "record": {
      const { partition, group, item } = target;
      return { $case: "record", value: { partition, group, item } };
    }
  }
}

/** A position as tokens carry it: `u64 height || u32 transaction || u32 operation`. */
export function encodePosition({ height, index, operation }: ChangePosition): Uint8Array {
  return new ByteWriter(16).u64(height).u32(index).u32(operation).finish();
}

/** Of bytes whose token has been authenticated. */
export function decodePosition(bytes: Uint8Array): ChangePosition {
  const input = new ByteReader(bytes, "position");
  const position = {
    height: input.safeU64("height"),
    index: input.u32("transaction"),
    operation: input.u32("operation"),
  };
  input.end();
  return position;
}

export function startOf(height: number): ChangePosition {
  return { height, index: 0, operation: 0 };
}
