/**
 * Canonical transactions, "LVT1": the bytes that are hashed into a block's tx_root (commitment.md,
 * "Transactions"). Values are not in them, only length and digest; they travel beside them.
 */
import { ByteReader, ByteWriter, LedgerError, limits, type Tuple } from "@authledger/types";
import { reject } from "./rejection.js";
import type { ValueCommitment } from "./trie/record.js";

const MAGIC = "LVT1";

export const OpCode = {
  createTuple: 0x01,
  deleteTuple: 0x02,
  setEntity: 0x03,
  deleteEntity: 0x04,
  expireEntity: 0x05,
  expireTuple: 0x06,
  setRecord: 0x07,
  tupleMustExist: 0x08,
  tupleMustNotExist: 0x09,
  setVaultHead: 0x0a,
} as const;

export type CanonicalCondition =
  | { readonly kind: "none" }
  | { readonly kind: "must_not_exist" }
  | { readonly kind: "must_exist" }
  | { readonly kind: "version_equals"; readonly version: number }
  | { readonly kind: "value_equals"; readonly value: ValueCommitment };

export type CanonicalOp =
  | {
      readonly op: "create_tuple";
      readonly tuple: Tuple;
      readonly expiresAtMs: number;
      readonly value: ValueCommitment | undefined;
    }
  | { readonly op: "delete_tuple"; readonly tuple: Tuple }
  | {
      readonly op: "set_entity";
      readonly key: string;
      readonly expiresAtMs: number;
      readonly value: ValueCommitment;
      readonly condition: CanonicalCondition;
    }
  | { readonly op: "delete_entity"; readonly key: string; readonly condition: CanonicalCondition }
  | { readonly op: "expire_entity"; readonly key: string; readonly expiredAtMs: number }
  | { readonly op: "expire_tuple"; readonly tuple: Tuple; readonly expiredAtMs: number }
  | {
      readonly op: "set_record";
      readonly partition: string;
      readonly group: string;
      readonly item: string;
      readonly value: ValueCommitment;
    }
  | { readonly op: "tuple_must_exist"; readonly tuple: Tuple }
  | { readonly op: "tuple_must_not_exist"; readonly tuple: Tuple }
  | {
      readonly op: "set_vault_head";
      readonly vaultRef: Uint8Array;
      readonly size: bigint;
      readonly root: Uint8Array;
    };

export interface CanonicalTransaction {
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly clientId: string;
  readonly sequence: number;
  readonly actor: string;
  readonly reason: string;
  readonly timestampMs: number;
  readonly ops: readonly CanonicalOp[];
}

const transactionWriter = new ByteWriter(1_024);

export function encodeTransaction(transaction: CanonicalTransaction): Uint8Array {
  const out = transactionWriter.clear();
  out.utf8(MAGIC).bytes(transaction.id).lp16(transaction.clientId).u64(transaction.sequence);
  out.lp16(transaction.actor).lp16(transaction.reason).u64(transaction.timestampMs);
  out.u16(transaction.ops.length);
  for (const op of transaction.ops) writeOp(out, op);
  return out.finish();
}

/** Reads canonical bytes that nobody vouches for. @throws LedgerError PROOF_INVALID, UNKNOWN_OP_CODE */
export function decodeTransaction(bytes: Uint8Array): CanonicalTransaction {
  try {
    const input = new ByteReader(bytes, "transaction");
    const transaction = readTransaction(input);
    input.end();
    return transaction;
  } catch (error) {
    if (error instanceof LedgerError && error.code === "CODEC_DECODE") {
      throw reject("transaction", error.message);
    }
    throw error;
  }
}

function readTransaction(input: ByteReader): CanonicalTransaction {
  if (String.fromCharCode(...input.bytes(4, "magic")) !== MAGIC) {
    throw reject("transaction", "a transaction begins with LVT1");
  }
  const about = {
    id: input.bytes(16, "id"),
    clientId: input.lp16("client id"),
    sequence: input.safeU64("sequence"),
    actor: input.lp16("actor"),
    reason: input.lp16("reason"),
    timestampMs: input.safeU64("timestamp"),
  };
  const count = input.u16("operations");
  if (count > limits.TRANSACTION_OPERATIONS_MAX) {
    throw reject("transaction", `${count} operations, over ${limits.TRANSACTION_OPERATIONS_MAX}`);
  }
  const ops: CanonicalOp[] = [];
  for (let i = 0; i < count; i++) ops.push(readOp(input));
  return { ...about, ops };
}

/** Writes one operation; exported for its bytes alone. */
function writeOp(out: ByteWriter, op: CanonicalOp): void {
  switch (op.op) {
    case "create_tuple":
      writeTuple(out.u8(OpCode.createTuple), op.tuple).u64(op.expiresAtMs);
      if (op.value === undefined) out.u8(0);
      else writeValue(out.u8(1), op.value);
      return;
    case "delete_tuple":
      writeTuple(out.u8(OpCode.deleteTuple), op.tuple);
      return;
    case "set_entity":
      writeValue(out.u8(OpCode.setEntity).lp16(op.key).u64(op.expiresAtMs), op.value);
      writeCondition(out, op.condition);
      return;
    case "delete_entity":
      out.u8(OpCode.deleteEntity).lp16(op.key);
      writeCondition(out, op.condition);
      return;
    case "expire_entity":
      out.u8(OpCode.expireEntity).lp16(op.key).u64(op.expiredAtMs);
      return;
    case "expire_tuple":
      writeTuple(out.u8(OpCode.expireTuple), op.tuple).u64(op.expiredAtMs);
      return;
    case "set_record":
      out.u8(OpCode.setRecord).lp16(op.partition).lp16(op.group).lp16(op.item);
      writeValue(out, op.value);
      return;
    case "tuple_must_exist":
      writeTuple(out.u8(OpCode.tupleMustExist), op.tuple);
      return;
    case "tuple_must_not_exist":
      writeTuple(out.u8(OpCode.tupleMustNotExist), op.tuple);
      return;
    case "set_vault_head":
      out.u8(OpCode.setVaultHead).bytes(op.vaultRef).u64(op.size).bytes(op.root);
  }
}

function readOp(input: ByteReader): CanonicalOp {
  const code = input.u8("op code");
  switch (code) {
    case OpCode.createTuple:
      return {
        op: "create_tuple",
        tuple: readTuple(input),
        expiresAtMs: input.safeU64("expires_at"),
        value: readOptionalValue(input),
      };
    case OpCode.deleteTuple:
      return { op: "delete_tuple", tuple: readTuple(input) };
    case OpCode.setEntity: {
      const key = input.lp16("key");
      const expiresAtMs = input.safeU64("expires_at");
      const value = readValue(input);
      return { op: "set_entity", key, expiresAtMs, value, condition: readCondition(input) };
    }
    case OpCode.deleteEntity:
      return { op: "delete_entity", key: input.lp16("key"), condition: readCondition(input) };
    case OpCode.expireEntity:
      return {
        op: "expire_entity",
        key: input.lp16("key"),
        expiredAtMs: input.safeU64("expired_at"),
      };
    case OpCode.expireTuple:
      return {
        op: "expire_tuple",
        tuple: readTuple(input),
        expiredAtMs: input.safeU64("expired_at"),
      };
    default:
      return readRareOp(input, code);
  }
}

function readRareOp(input: ByteReader, code: number): CanonicalOp {
  switch (code) {
    case OpCode.setRecord:
      return {
        op: "set_record",
        partition: input.lp16("partition"),
        group: input.lp16("group"),
        item: input.lp16("item"),
        value: readValue(input),
      };
    case OpCode.tupleMustExist:
      return { op: "tuple_must_exist", tuple: readTuple(input) };
    case OpCode.tupleMustNotExist:
      return { op: "tuple_must_not_exist", tuple: readTuple(input) };
    case OpCode.setVaultHead:
      return {
        op: "set_vault_head",
        vaultRef: input.bytes(32, "vault_ref"),
        size: input.u64("size"),
        root: input.bytes(32, "root"),
      };
    default:
      throw new LedgerError(
        "UNKNOWN_OP_CODE",
        `a transaction holds op code 0x${code.toString(16)}`,
      );
  }
}

function writeTuple(out: ByteWriter, tuple: Tuple): ByteWriter {
  return out.lp16(tuple.resource).lp16(tuple.relation).lp16(tuple.subject);
}

function readTuple(input: ByteReader): Tuple {
  return {
    resource: input.lp16("resource"),
    relation: input.lp16("relation"),
    subject: input.lp16("subject"),
  };
}

function writeValue(out: ByteWriter, value: ValueCommitment): void {
  out.u32(value.length).bytes(value.digest);
}

function readValue(input: ByteReader): ValueCommitment {
  return { length: input.u32("value length"), digest: input.bytes(32, "value digest") };
}

function readOptionalValue(input: ByteReader): ValueCommitment | undefined {
  const flag = input.u8("has_value");
  if (flag === 0) return undefined;
  if (flag === 1) return readValue(input);
  throw reject("transaction", `has_value is ${flag}`);
}

const CONDITION = {
  none: 0,
  must_not_exist: 1,
  must_exist: 2,
  version_equals: 3,
  value_equals: 4,
} as const;

function writeCondition(out: ByteWriter, condition: CanonicalCondition): void {
  out.u8(CONDITION[condition.kind]);
  if (condition.kind === "version_equals") out.u64(condition.version);
  if (condition.kind === "value_equals") writeValue(out, condition.value);
}

function readCondition(input: ByteReader): CanonicalCondition {
  const code = input.u8("condition");
  switch (code) {
    case CONDITION.none:
      return { kind: "none" };
    case CONDITION.must_not_exist:
      return { kind: "must_not_exist" };
    case CONDITION.must_exist:
      return { kind: "must_exist" };
    case CONDITION.version_equals:
      return { kind: "version_equals", version: input.safeU64("version") };
    case CONDITION.value_equals:
      return { kind: "value_equals", value: readValue(input) };
    default:
      throw reject("transaction", `condition 0x${code.toString(16)}`);
  }
}
