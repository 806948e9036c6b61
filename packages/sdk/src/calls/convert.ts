/** Between messages and values. Bytes of a message are views of its buffer; what is given out is copied. */

import {
  type ConditionContext,
  canonicalJson,
  decodeTupleCondition,
  type TupleCondition,
} from "@authledger/authz";
import type { PolicyBundle, ProvenAnswer } from "@authledger/proof";
import type { common, read, write } from "@authledger/proto";
import {
  assertNever,
  LedgerError,
  OperationStatus as OPERATION_STATUS,
  type OperationStatus,
  parseTuple,
  type SetCondition,
  type Tuple,
  validateTuple,
} from "@authledger/types";
import type {
  Entity,
  Proof,
  Relationship,
  TransactionInput,
  TransactionResult,
  TupleInput,
  WriteOperation,
} from "./values.js";

/** A copy that keeps nothing else alive. */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** @throws LedgerError INVALID_TUPLE, LIMIT_EXCEEDED */
export function tupleOf(input: TupleInput): Tuple {
  if (typeof input === "string") return parseTuple(input);
  validateTuple(input);
  return input;
}

export function proofOf(message: common.Proof): Proof {
  return {
    stateProof: plain(message.stateProof),
    header: plain(message.header),
    historyProof: message.historyProof.map(plain),
    checkpoint: message.checkpoint,
    consistencyProof: message.consistencyProof.map(plain),
    pageFrom: plain(message.pageFrom),
    pageTo: plain(message.pageTo),
  };
}

/** The part of a proof that the light client judges. */
export function provenAnswerOf(proof: Proof): ProvenAnswer {
  const { checkpoint, header, historyProof, consistencyProof, stateProof } = proof;
  return { checkpoint, header, historyProof, consistencyProof, stateProof };
}

/** A bundle of a policy, as the light client adopts it. @throws LedgerError PROOF_INSUFFICIENT when it has no proof */
export function policyBundleOf({ policyValue, proof }: read.PolicyBundle): PolicyBundle {
  if (proof === undefined) {
    throw new LedgerError("PROOF_INSUFFICIENT", "the server sent a policy without its proof", {
      details: { reason: "insufficient" },
    });
  }
  return { ...provenAnswerOf(proofOf(proof)), policyValue: plain(policyValue) };
}

export function entityOf(message: common.Entity | undefined): Entity | undefined {
  if (message === undefined) return undefined;
  const { key, value, version, expiresAtMs, erased } = message;
  return { key, value: plain(value), version, expiresAtMs, ...(erased && { erased }) };
}

export function relationshipOf(message: common.Relationship): Relationship {
  const { tuple, version, expiresAtMs, condition, erased } = message;
  if (tuple === undefined) throw malformed("a relationship without a tuple");
  const carried = condition && tupleConditionOf(condition);
  const about = { tuple, version, expiresAtMs, ...(erased && { erased }) };
  return { ...about, ...(carried && { condition: carried }) };
}

export function tupleConditionMessage({ name, context }: TupleCondition): common.TupleCondition {
  return { name, contextJson: canonicalJson(context) };
}

/** @throws LedgerError CODEC_DECODE for what is no JSON object */
export function tupleConditionOf({ name, contextJson }: common.TupleCondition): TupleCondition {
  return { name, context: contextJson === "" ? {} : contextOf(contextJson) };
}

/** @throws LedgerError CODEC_DECODE for what is no JSON object */
export function contextOf(json: string): ConditionContext {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as ConditionContext;
  }
  throw malformed("a context that is no JSON object");
}

export function transactionMessage(
  input: TransactionInput,
  clientId: string,
  idempotencyKey: string,
): write.Transaction {
  const operations = input.operations.map((operation) => ({ operation: operationOf(operation) }));
  return { operations, clientId, idempotencyKey, reason: input.reason ?? "" };
}

function operationOf(operation: WriteOperation): write.Operation["operation"] {
  switch (operation.op) {
    case "create_tuple": {
      const { tuple, expiresAtMs, value } = operation;
      const condition = value && tupleConditionMessage(decodeTupleCondition(value));
      const created = { tuple, expiresAtMs: timeOf(expiresAtMs), condition };
      return { $case: "createRelationship", value: created };
    }
    case "delete_tuple":
      return { $case: "deleteRelationship", value: { tuple: operation.tuple } };
    case "set_entity": {
      const { key, value, expiresAtMs } = operation;
      const condition = conditionOf(operation.condition);
      const message = { key, value, expiresAtMs: timeOf(expiresAtMs), condition };
      return { $case: "setEntity", value: message };
    }
    case "delete_entity": {
      const { key, condition } = operation;
      return { $case: "deleteEntity", value: { key, condition: conditionOf(condition) } };
    }
    case "tuple_must_exist":
      return { $case: "tupleMustExist", value: operation.tuple };
    case "tuple_must_not_exist":
      return { $case: "tupleMustNotExist", value: operation.tuple };
    default:
      return assertNever(operation, "operation");
  }
}

function conditionOf(condition: SetCondition): write.EntityCondition | undefined {
  switch (condition.kind) {
    case "none":
      return undefined;
    case "must_not_exist":
      return { condition: { $case: "mustNotExist", value: {} } };
    case "must_exist":
      return { condition: { $case: "mustExist", value: {} } };
    case "version_equals":
      return { condition: { $case: "versionEquals", value: timeOf(condition.version) } };
    case "value_equals":
      return { condition: { $case: "valueEquals", value: condition.value } };
  }
}

/** A number that travels as u64. @throws LedgerError INVALID_ARGUMENT */
function timeOf(value: number): bigint {
  if (Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new LedgerError("INVALID_ARGUMENT", `${value} is not a whole number from 0 to 2^53 - 1`);
}

const STATUS_NAMES: ReadonlyMap<number, OperationStatus> = new Map(
  Object.entries(OPERATION_STATUS).map(([name, number]) => [number, name as OperationStatus]),
);

export function resultOf(
  message: write.TransactionResult | undefined,
  idempotencyKey: string,
): TransactionResult {
  if (message === undefined) throw malformed("a write without a result");
  const { transactionId, sequence, height, statuses, replayed } = message;
  return {
    transactionId: plain(transactionId),
    sequence,
    height,
    statuses: statuses.map(statusOf),
    replayed,
    idempotencyKey,
  };
}

function statusOf(status: number): OperationStatus {
  const name = STATUS_NAMES.get(status);
  if (name === undefined) throw malformed(`the operation status ${status}`);
  return name;
}

/** The answer of a server that does not keep to the API. */
export function malformed(what: string): LedgerError {
  return new LedgerError("CODEC_DECODE", `the server sent ${what}`);
}
