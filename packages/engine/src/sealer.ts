/**
 * Makes the canonical transaction of a request, as the leader does: id, sequence, time, nonces, value digests.
 * Everything that applying needs is in what it returns; nothing is invented later (commitment.md,
 * "Transactions").
 */

import type { Random } from "@authledger/io";
import {
  type CanonicalCondition,
  type CanonicalOp,
  commitToValue,
  encodeTransaction,
  entityKey,
  type LedgerKey,
  NONCE_BYTES,
  tupleKey,
  type ValueCommitment,
} from "@authledger/proof";
import type { GroupState, NoncedValue, OpenVault, SealedTransaction } from "@authledger/state";
import {
  ByteWriter,
  equalBytes,
  formatTuple,
  type Hasher,
  type Operation,
  type SetCondition,
  type TransactionRequest,
} from "@authledger/types";

/** A record of the ledger's own, and what it is to hold. */
export interface LedgerRecordValue {
  readonly partition: "ledger" | "model";
  readonly group: string;
  readonly item: string;
  readonly value: Uint8Array;
}

/** What the leader stamps. */
export interface Stamp {
  readonly sequence: number;
  readonly actor: string;
  readonly timeMs: number;
}

const ID_BYTES = 16;

export class Sealer {
  readonly #state: GroupState;
  readonly #hasher: Hasher;
  readonly #random: Random;

  constructor(state: GroupState, hasher: Hasher, random: Random) {
    this.#state = state;
    this.#hasher = hasher;
    this.#random = random;
  }

  seal(vault: OpenVault, request: TransactionRequest, stamp: Stamp): SealedTransaction {
    const values: NoncedValue[] = [];
    const written = new Map<string, NoncedValue>();
    const ops = request.operations.map((op) => this.#canonical(vault, op, values, written));
    const canonical = encodeTransaction({
      id: this.#random.bytes(ID_BYTES),
      clientId: request.clientId,
      sequence: stamp.sequence,
      actor: stamp.actor,
      reason: request.reason,
      timestampMs: stamp.timeMs,
      ops,
    });
    return { canonical, values };
  }

  /** A transaction that sets records. No request of a client can: its operations have none of them. */
  sealRecords(
    records: readonly LedgerRecordValue[],
    { actor, reason, timeMs }: Omit<Stamp, "sequence"> & { readonly reason: string },
  ): SealedTransaction {
    const values: NoncedValue[] = [];
    const ops = records.map(({ value, ...name }): CanonicalOp => {
      return { op: "set_record", ...name, value: this.#commit(value, values) };
    });
    const id = this.#random.bytes(ID_BYTES);
    const about = { id, clientId: "", sequence: 0, actor, reason, timestampMs: timeMs };
    return { canonical: encodeTransaction({ ...about, ops }), values };
  }

  #canonical(
    vault: OpenVault,
    op: Operation,
    values: NoncedValue[],
    written: Map<string, NoncedValue>,
  ): CanonicalOp {
    switch (op.op) {
      case "create_tuple": {
        const { tuple, expiresAtMs, value } = op;
        if (value === undefined) return { op: "create_tuple", tuple, expiresAtMs, value };
        const id = formatTuple(tuple);
        const before = written.get(id) ?? this.#stored(vault, tupleKey(tuple));
        const commitment = this.#commit(value, values, before);
        written.set(id, values.at(-1)!);
        return { op: "create_tuple", tuple, expiresAtMs, value: commitment };
      }
      case "set_entity": {
        const { key, expiresAtMs, value } = op;
        const condition = this.#condition(vault, key, op.condition, written);
        const commitment = this.#commit(value, values);
        written.set(key, values.at(-1)!);
        return { op: "set_entity", key, expiresAtMs, value: commitment, condition };
      }
      case "delete_entity": {
        const condition = this.#condition(vault, op.key, op.condition, written);
        return { op: "delete_entity", key: op.key, condition };
      }
      default:
        return op;
    }
  }

  /** A value that is stored already keeps its nonce, so that writing it again changes nothing. */
  #commit(value: Uint8Array, values: NoncedValue[], stored?: NoncedValue): ValueCommitment {
    const isSame = stored !== undefined && equalBytes(stored.value, value);
    const nonce = isSame ? stored.nonce : this.#random.bytes(NONCE_BYTES);
    values.push({ nonce, value });
    return commitToValue(this.#hasher, nonce, value);
  }

  /** The leader compares values and copies the digest of what is there; applying compares digests. */
  #condition(
    vault: OpenVault,
    key: string,
    condition: SetCondition,
    written: ReadonlyMap<string, NoncedValue>,
  ): CanonicalCondition {
    if (condition.kind !== "value_equals") return condition;
    const current = written.get(key) ?? this.#stored(vault, entityKey(key));
    const isSame = current !== undefined && equalBytes(current.value, condition.value);
    const nonce = isSame ? current.nonce : this.#random.bytes(NONCE_BYTES);
    return {
      kind: "value_equals",
      value: commitToValue(this.#hasher, nonce, condition.value),
    };
  }

  #stored(vault: OpenVault, key: LedgerKey): NoncedValue | undefined {
    const row = this.#state.tables.value.get(vault.rowKey(vault.paths.path(key)));
    return row && { nonce: row.slice(0, NONCE_BYTES), value: row.slice(NONCE_BYTES) };
  }
}

const requestWriter = new ByteWriter(1_024);

/** SHA-256 of what a client asked for, to tell a repeated request from a reused key. */
export function payloadHash(hasher: Hasher, request: TransactionRequest): Uint8Array {
  const out = requestWriter.clear().lp16(request.reason).u32(request.operations.length);
  for (const op of request.operations) writeOperation(out, op);
  return hasher.sha256(out.view());
}

function writeOperation(out: ByteWriter, op: Operation): void {
  out.lp16(op.op);
  if ("tuple" in op) {
    out.lp16(op.tuple.resource).lp16(op.tuple.relation).lp16(op.tuple.subject);
  }
  if ("key" in op) out.lp16(op.key);
  if ("expiresAtMs" in op) out.u64(op.expiresAtMs);
  if ("expiredAtMs" in op) out.u64(op.expiredAtMs);
  if ("value" in op && op.value !== undefined) out.lp32(op.value);
  if (!("condition" in op)) return;
  const { condition } = op;
  out.lp16(condition.kind);
  if (condition.kind === "version_equals") out.u64(condition.version);
  if (condition.kind === "value_equals") out.lp32(condition.value);
}
