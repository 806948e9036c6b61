/** From a request to the canonical transaction, as the leader of a node makes it: id, time, nonces, digests. */
import { randomBytes } from "node:crypto";
import {
  type CanonicalCondition,
  type CanonicalOp,
  type CanonicalTransaction,
  commitToValue,
  entityKey,
  keyId,
  ledgerRecordKey,
  NONCE_BYTES,
  tupleKey,
  type ValueCommitment,
} from "@authledger/proof";
import {
  equalBytes,
  type Operation,
  type SetCondition,
  type TransactionRequest,
} from "@authledger/types";
import { nodeCrypto } from "../verify/node-crypto.js";
import type { BlockBuilder, NoncedValue } from "./vault.js";

const ID_BYTES = 16;

export interface Sealed {
  readonly transaction: CanonicalTransaction;
  /** By the identity of their keys. */
  readonly values: ReadonlyMap<string, NoncedValue>;
}

/** A record of the ledger, and what it is to hold. */
export interface RecordValue {
  readonly partition: "ledger" | "model";
  readonly group: string;
  readonly item: string;
  readonly value: Uint8Array;
}

/** Over what the block so far left. */
export function seal(block: BlockBuilder, request: TransactionRequest, sequence: number): Sealed {
  const values = new Map<string, NoncedValue>();
  const ops = request.operations.map((op) => canonicalOp(block, op, values));
  const { clientId, reason } = request;
  const transaction = {
    id: new Uint8Array(randomBytes(ID_BYTES)),
    clientId,
    sequence,
    actor: "anonymous",
    reason,
    timestampMs: block.timeMs,
    ops,
  };
  return { transaction, values };
}

/** The first transaction of a vault. */
export function sealGenesis(
  records: readonly { readonly group: string; readonly value: Uint8Array }[],
  timestampMs: number,
): Sealed {
  const id = new Uint8Array(ID_BYTES);
  const named = records.map((record) => ({ ...record, partition: "ledger" as const, item: "" }));
  return sealSet(named, { id, actor: "system", reason: "", timestampMs });
}

/** A change of the ledger's own records, such as those of a model. */
export function sealRecords(
  records: readonly RecordValue[],
  about: { readonly reason: string; readonly timestampMs: number },
): Sealed {
  const id = new Uint8Array(randomBytes(ID_BYTES));
  return sealSet(records, { id, actor: "anonymous", ...about });
}

function sealSet(
  records: readonly RecordValue[],
  about: Pick<CanonicalTransaction, "id" | "actor" | "reason" | "timestampMs">,
): Sealed {
  const values = new Map<string, NoncedValue>();
  const ops = records.map(({ partition, group, item, value }): CanonicalOp => {
    const id = keyId(ledgerRecordKey(partition, group, item));
    return { op: "set_record", partition, group, item, value: commit(id, value, values) };
  });
  return { transaction: { clientId: "", sequence: 0, ...about, ops }, values };
}

function canonicalOp(
  block: BlockBuilder,
  op: Operation,
  values: Map<string, NoncedValue>,
): CanonicalOp {
  switch (op.op) {
    case "create_tuple": {
      const key = tupleKey(op.tuple);
      const before = values.get(keyId(key)) ?? block.value(key);
      return { ...op, value: op.value && commit(keyId(key), op.value, values, before) };
    }
    case "set_entity": {
      const condition = canonicalCondition(block, op.key, op.condition, values);
      const value = commit(keyId(entityKey(op.key)), op.value, values);
      return { ...op, value, condition };
    }
    case "delete_entity":
      return { ...op, condition: canonicalCondition(block, op.key, op.condition, values) };
    default:
      return op;
  }
}

/** A value that is stored already keeps its nonce, so that writing it again changes nothing. */
function commit(
  id: string,
  value: Uint8Array,
  values: Map<string, NoncedValue>,
  before?: NoncedValue,
): ValueCommitment {
  const isSame = before !== undefined && equalBytes(before.value, value);
  const nonce = isSame ? before.nonce : new Uint8Array(randomBytes(NONCE_BYTES));
  values.set(id, { nonce, value });
  return commitToValue(nodeCrypto.hasher, nonce, value);
}

/** Values are compared here; what is executed compares digests. */
function canonicalCondition(
  block: BlockBuilder,
  key: string,
  condition: SetCondition,
  values: ReadonlyMap<string, NoncedValue>,
): CanonicalCondition {
  if (condition.kind !== "value_equals") return condition;
  const id = entityKey(key);
  const current = values.get(keyId(id)) ?? block.value(id);
  const isSame = current !== undefined && equalBytes(current.value, condition.value);
  const nonce = isSame ? current.nonce : new Uint8Array(NONCE_BYTES);
  return { kind: "value_equals", value: commitToValue(nodeCrypto.hasher, nonce, condition.value) };
}
