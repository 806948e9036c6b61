/**
 * What blocks changed, told from their transactions: tuples, entities and records that were created, replaced,
 * deleted or expired, in the order in which that happened. Operations that changed nothing are not among them.
 *
 *   INV-CHANGES-1  Joining the pages from one position on gives every change behind it once and in order,
 *                  whatever the limits of the pages are.
 */
import {
  type CanonicalOp,
  type CanonicalTransaction,
  decodeHeader,
  decodeTransaction,
} from "@authledger/proof";
import type { OperationStatus, Tuple } from "@authledger/types";
import type { OpenVault } from "./open-vault.js";
import { transactionRow } from "./reader.js";
import type { Tables } from "./tables.js";
import { decodeTransactionRow } from "./transaction-row.js";

/** Operations that one page looks at, at most: about 20 ms. A filter that matches little must not stop the engine. */
const SCAN_OPERATIONS_MAX = 20_000;
/** What reading a block costs beside its operations. */
const BLOCK_WORK = 4;

export type ChangeKind = "created" | "replaced" | "deleted" | "expired";

const KINDS: { readonly [S in OperationStatus]?: ChangeKind } = {
  created: "created",
  updated: "replaced",
  deleted: "deleted",
  expired: "expired",
};

/** What a changed value is committed as. */
interface ChangedValue {
  readonly length: number;
  readonly digest: Uint8Array;
}

export type ChangeTarget =
  | { readonly kind: "tuple"; readonly tuple: Tuple; readonly expiresAtMs: number }
  | {
      readonly kind: "entity";
      readonly key: string;
      readonly expiresAtMs: number;
      readonly value: ChangedValue | undefined;
    }
  | {
      readonly kind: "record";
      readonly partition: string;
      readonly group: string;
      readonly item: string;
    };

/** Where a change is: of all changes of a vault only one is there. */
export interface ChangePosition {
  readonly height: number;
  /** Of the transaction in its block. */
  readonly index: number;
  /** Of the operation in its transaction. */
  readonly operation: number;
}

export interface Change extends ChangePosition {
  readonly change: ChangeKind;
  readonly target: ChangeTarget;
  readonly timeMs: number;
  readonly transactionId: Uint8Array;
  readonly actor: string;
  readonly reason: string;
}

/** Fields of tuples select tuples, the prefix entities, both both; none of them everything. */
export interface ChangeFilter {
  readonly resourceType?: string | undefined;
  readonly resource?: string | undefined;
  readonly relation?: string | undefined;
  readonly subject?: string | undefined;
  readonly subjectType?: string | undefined;
  readonly entityPrefix?: string | undefined;
}

export interface ChangePage {
  readonly changes: readonly Change[];
  /** Where the next page begins; everything before it is in this one, or does not match. */
  readonly next: ChangePosition;
}

/**
 * The changes from a position on, of blocks below `end`.
 * @throws LedgerError HEIGHT_UNAVAILABLE where a body has been removed
 */
export function listChanges(
  vault: OpenVault,
  tables: Tables,
  filter: ChangeFilter,
  page: { readonly from: ChangePosition; readonly end: number; readonly limit: number },
): ChangePage {
  const wanted = matcherOf(filter);
  const changes: Change[] = [];
  let work = 0;
  for (let { height } = page.from; height < page.end; height++) {
    const isFirst = height === page.from.height;
    work += BLOCK_WORK;
    const count = countOf(vault, height);
    for (let index = isFirst ? page.from.index : 0; index < count; index++) {
      const { transaction, statuses } = storedTransaction(vault, tables, height, index);
      const skip = isFirst && index === page.from.index ? page.from.operation : 0;
      for (const [operation, op] of transaction.ops.entries()) {
        if (operation < skip) continue;
        const at = { height, index, operation };
        if (changes.length >= page.limit || work >= SCAN_OPERATIONS_MAX)
          return { changes, next: at };
        work++;
        const change = changeOf(transaction, op, statuses[operation]!, at);
        if (change !== undefined && wanted(change.target)) changes.push(change);
      }
    }
    if (work >= SCAN_OPERATIONS_MAX) {
      return { changes, next: { height: height + 1, index: 0, operation: 0 } };
    }
  }
  return {
    changes,
    next: { height: Math.max(page.end, page.from.height), index: 0, operation: 0 },
  };
}

function countOf(vault: OpenVault, height: number): number {
  return decodeHeader(vault.header(height)!).transactionCount;
}

function storedTransaction(
  vault: OpenVault,
  tables: Tables,
  height: number,
  index: number,
): { transaction: CanonicalTransaction; statuses: readonly OperationStatus[] } {
  const row = decodeTransactionRow(transactionRow(vault, tables, height, index));
  return { transaction: decodeTransaction(row.canonical.slice()), statuses: row.statuses };
}

function changeOf(
  { timestampMs, id, actor, reason }: CanonicalTransaction,
  op: CanonicalOp,
  status: OperationStatus,
  at: ChangePosition,
): Change | undefined {
  const change = KINDS[status];
  const target = change && targetOf(op);
  if (change === undefined || target === undefined) return undefined;
  return { ...at, change, target, timeMs: timestampMs, transactionId: id, actor, reason };
}

function targetOf(op: CanonicalOp): ChangeTarget | undefined {
  switch (op.op) {
    case "create_tuple":
      return { kind: "tuple", tuple: op.tuple, expiresAtMs: op.expiresAtMs };
    case "delete_tuple":
      return { kind: "tuple", tuple: op.tuple, expiresAtMs: 0 };
    case "expire_tuple":
      return { kind: "tuple", tuple: op.tuple, expiresAtMs: op.expiredAtMs };
    case "set_entity":
      return { kind: "entity", key: op.key, expiresAtMs: op.expiresAtMs, value: op.value };
    case "delete_entity":
      return { kind: "entity", key: op.key, expiresAtMs: 0, value: undefined };
    case "expire_entity":
      return { kind: "entity", key: op.key, expiresAtMs: op.expiredAtMs, value: undefined };
    case "set_record":
      return { kind: "record", partition: op.partition, group: op.group, item: op.item };
    case "tuple_must_exist":
    case "tuple_must_not_exist":
    case "set_vault_head":
      return undefined;
  }
}

function matcherOf(filter: ChangeFilter): (target: ChangeTarget) => boolean {
  const { entityPrefix, ...ofTuple } = filter;
  const hasTuple = Object.values(ofTuple).some((value) => value !== undefined);
  if (!hasTuple && entityPrefix === undefined) return () => true;
  return (target) => {
    if (target.kind === "tuple") return hasTuple && matchesTuple(target.tuple, filter);
    return (
      target.kind === "entity" && entityPrefix !== undefined && target.key.startsWith(entityPrefix)
    );
  };
}

function matchesTuple(tuple: Tuple, filter: ChangeFilter): boolean {
  const { resource, relation, subject, resourceType, subjectType } = filter;
  return (
    (resource === undefined || resource === tuple.resource) &&
    (relation === undefined || relation === tuple.relation) &&
    (subject === undefined || subject === tuple.subject) &&
    (resourceType === undefined || tuple.resource.startsWith(`${resourceType}:`)) &&
    (subjectType === undefined || tuple.subject.startsWith(`${subjectType}:`))
  );
}
