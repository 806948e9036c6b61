/**
 * What operations do (commitment.md, "What operations do"): one executor for the server, which reads records
 * from its tables, and for auditors, who read them from a block proof.
 *
 *   INV-EXEC-1  A transaction happens whole or not at all: a failed one leaves no trace.
 *   INV-EXEC-2  Everything depends on the records, the height and the block's time alone.
 *   INV-EXEC-3  Both directions of a tuple change together, with equal version, expiry and value.
 */
import { equalBytes, type OperationStatus, type Tuple, toHex } from "@authledger/types";
import type { CanonicalCondition, CanonicalOp, CanonicalTransaction } from "./transaction.js";
import { entityKey, Kind, keyId, type LedgerKey, tupleKey, twinOf } from "./trie/key.js";
import type { StoredRecord, ValueCommitment } from "./trie/record.js";

/** Where the records before the block are read. */
export interface RecordSource {
  /** The record under a key, expired or not. */
  get(key: LedgerKey): StoredRecord | undefined;
}

/** Why a transaction was rejected: which operation, over which key. */
export interface FailedCondition {
  readonly operation: number;
  readonly key: LedgerKey;
  readonly condition: string;
  /** What is there; absent when nothing is. */
  readonly found: StoredRecord | undefined;
}

export type ExecutionResult =
  | { readonly kind: "accepted"; readonly statuses: readonly OperationStatus[] }
  | { readonly kind: "rejected"; readonly failure: FailedCondition };

/** A record that the block changed. */
export interface NetChange {
  readonly key: LedgerKey;
  readonly before: StoredRecord | undefined;
  readonly after: StoredRecord | undefined;
}

interface Slot {
  readonly key: LedgerKey;
  readonly before: StoredRecord | undefined;
  now: StoredRecord | undefined;
  written: boolean;
}

/** What a slot was before the transaction. */
interface Undo {
  readonly slot: Slot;
  readonly now: StoredRecord | undefined;
  readonly written: boolean;
}

class Rejected extends Error {
  readonly failure: Omit<FailedCondition, "operation">;

  constructor(key: LedgerKey, condition: string, found: StoredRecord | undefined) {
    super(condition);
    this.failure = { key, condition, found };
  }
}

export class BlockExecutor {
  readonly #source: RecordSource;
  /** Of what the block changes. */
  readonly #version: bigint;
  readonly #timeMs: bigint;
  readonly #slots = new Map<string, Slot>();
  #journal: Undo[] = [];

  /** `version`: the block's height, in a restored vault that of its incarnation (`versionAt`). */
  constructor(source: RecordSource, version: number, timeMs: number) {
    this.#source = source;
    this.#version = BigInt(version);
    this.#timeMs = BigInt(timeMs);
  }

  /** Runs one transaction over what the ones before it left. */
  run(transaction: CanonicalTransaction): ExecutionResult {
    return this.runOps(transaction.ops);
  }

  runOps(ops: readonly CanonicalOp[]): ExecutionResult {
    this.#journal = [];
    const statuses: OperationStatus[] = [];
    try {
      for (const op of ops) statuses.push(this.#apply(op));
      return { kind: "accepted", statuses };
    } catch (error) {
      for (const { slot, now, written } of this.#journal.reverse()) {
        slot.now = now;
        slot.written = written;
      }
      if (!(error instanceof Rejected)) throw error;
      return { kind: "rejected", failure: { operation: statuses.length, ...error.failure } };
    }
  }

  /** The record under a key as the transactions so far left it. */
  current(key: LedgerKey): StoredRecord | undefined {
    return this.#slot(key).now;
  }

  /** What the block changed, both directions of tuples, in no order. */
  netChanges(): NetChange[] {
    const changes: NetChange[] = [];
    for (const { key, before, now, written } of this.#slots.values()) {
      if (!written || (before === undefined && now === undefined)) continue;
      changes.push({ key, before, after: now });
      if (key.kind === Kind.tupleByResource) changes.push({ key: twinOf(key), before, after: now });
    }
    return changes;
  }

  #apply(op: CanonicalOp): OperationStatus {
    switch (op.op) {
      case "create_tuple":
        return this.#create(op.tuple, op.expiresAtMs, op.value);
      case "delete_tuple":
        return this.#delete(this.#slot(tupleKey(op.tuple)));
      case "set_entity": {
        const slot = this.#slot(entityKey(op.key));
        this.#require(slot, op.condition);
        return this.#put(slot, { expiresAtMs: BigInt(op.expiresAtMs), value: op.value });
      }
      case "delete_entity": {
        const slot = this.#slot(entityKey(op.key));
        this.#require(slot, op.condition);
        return this.#delete(slot);
      }
      case "expire_entity":
        return this.#expire(this.#slot(entityKey(op.key)), op.expiredAtMs);
      case "expire_tuple":
        return this.#expire(this.#slot(tupleKey(op.tuple)), op.expiredAtMs);
      case "set_record": {
        const { partition, group, item, value } = op;
        const slot = this.#slot({ kind: Kind.ledgerRecord, partition, group, item });
        return this.#put(slot, { expiresAtMs: 0n, value });
      }
      case "tuple_must_exist":
      case "tuple_must_not_exist":
        return this.#precondition(op.tuple, op.op);
      case "set_vault_head":
        throw new Rejected(
          { kind: Kind.vaultHead, partition: "heads", group: "", item: toHex(op.vaultRef) },
          "vault heads are set in region vaults only",
          undefined,
        );
    }
  }

  #create(tuple: Tuple, expiresAtMs: number, value: ValueCommitment | undefined): OperationStatus {
    const slot = this.#slot(tupleKey(tuple));
    const { now } = slot;
    const expires = BigInt(expiresAtMs);
    const isSame =
      now !== undefined &&
      this.#isLive(now) &&
      now.expiresAtMs === expires &&
      isEqualValue(now.value, value);
    return isSame ? "already_exists" : this.#put(slot, { expiresAtMs: expires, value });
  }

  #put(slot: Slot, content: Omit<StoredRecord, "version">): OperationStatus {
    const isUpdate = slot.now !== undefined && this.#isLive(slot.now);
    this.#write(slot, { version: this.#version, ...content });
    return isUpdate ? "updated" : "created";
  }

  #delete(slot: Slot): OperationStatus {
    if (slot.now === undefined) return "not_found";
    this.#write(slot, undefined);
    return "deleted";
  }

  #expire(slot: Slot, expiredAtMs: number): OperationStatus {
    const { now } = slot;
    const at = BigInt(expiredAtMs);
    if (now === undefined || at <= 0n || now.expiresAtMs !== at || at > this.#timeMs) {
      throw new Rejected(slot.key, "expired_at", now);
    }
    this.#write(slot, undefined);
    return "expired";
  }

  #precondition(
    tuple: Tuple,
    condition: "tuple_must_exist" | "tuple_must_not_exist",
  ): OperationStatus {
    const slot = this.#slot(tupleKey(tuple));
    const exists = slot.now !== undefined && this.#isLive(slot.now);
    if (exists === (condition === "tuple_must_exist")) return "satisfied";
    throw new Rejected(slot.key, condition, exists ? slot.now : undefined);
  }

  #require(slot: Slot, condition: CanonicalCondition): void {
    if (condition.kind === "none") return;
    const live = slot.now !== undefined && this.#isLive(slot.now) ? slot.now : undefined;
    if (!holds(condition, live)) throw new Rejected(slot.key, condition.kind, live);
  }

  #isLive({ expiresAtMs }: StoredRecord): boolean {
    return expiresAtMs === 0n || expiresAtMs > this.#timeMs;
  }

  #write(slot: Slot, now: StoredRecord | undefined): void {
    this.#journal.push({ slot, now: slot.now, written: slot.written });
    slot.now = now;
    slot.written = true;
  }

  #slot(key: LedgerKey): Slot {
    const id = keyId(key);
    let slot = this.#slots.get(id);
    if (slot === undefined) {
      const before = this.#source.get(key);
      slot = { key, before, now: before, written: false };
      this.#slots.set(id, slot);
    }
    return slot;
  }
}

function holds(condition: CanonicalCondition, live: StoredRecord | undefined): boolean {
  switch (condition.kind) {
    case "none":
      return true;
    case "must_not_exist":
      return live === undefined;
    case "must_exist":
      return live !== undefined;
    case "version_equals":
      return live !== undefined && live.version === BigInt(condition.version);
    case "value_equals":
      return live !== undefined && isEqualValue(live.value, condition.value);
  }
}

function isEqualValue(a: ValueCommitment | undefined, b: ValueCommitment | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && equalBytes(a.digest, b.digest);
}
