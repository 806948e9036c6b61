/** What calls take and give, in the types of the language: bigint for u64, plain bytes, tokens as text. */

import type { TupleCondition } from "@authledger/authz";
import type { LedgerError, Operation, OperationStatus, Tuple } from "@authledger/types";
import type { Consistency, ConsistencyToken } from "../consistency.js";
import type { CallOptions } from "../options.js";
import type { Verified } from "../verify/verify.js";

/** `resource#relation@subject` as text, or its parts. */
export type TupleInput = string | Tuple;

/**
 * What a list literal must be beside its own type: `[]` is refused by the compiler. A list that is only known when the program
 * runs is checked by the ledger.
 */
export type NotEmpty<L extends readonly unknown[]> = L extends readonly [] ? never : unknown;

/** The same of transactions: a literal with `operations: []` is refused by the compiler. */
export type NoneEmpty<L extends readonly TransactionInput[]> = {
  readonly [I in keyof L]: L[I] extends { readonly operations: readonly [] } ? never : unknown;
};

/** A tuple as it is stored. */
export interface Relationship {
  readonly tuple: Tuple;
  /** Height of the block that last changed it. */
  readonly version: bigint;
  /** Milliseconds since 1970; 0 = never. */
  readonly expiresAtMs: bigint;
  /** Where it has one: the tuple counts only where it holds. */
  readonly condition?: TupleCondition;
  /** As of an older height: it has a condition, which was erased since. It does not count always. */
  readonly erased?: true;
}

/** A key with a value, as it is stored. */
export interface Entity {
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: bigint;
  readonly expiresAtMs: bigint;
  /** As of an older height: the value was erased since, and is empty here. */
  readonly erased?: true;
  /** Of an erased value that was proven: what its record says of it for ever. */
  readonly commitment?: { readonly length: number; readonly digest: Uint8Array };
}

/** Each is a filter where it is set. */
export interface RelationshipFilter {
  readonly resource?: string | undefined;
  readonly relation?: string | undefined;
  readonly subject?: string | undefined;
}

/** A proof as the server sent it: canonical bytes, for a file or another verifier. */
export interface Proof {
  readonly stateProof: Uint8Array;
  readonly header: Uint8Array;
  readonly historyProof: readonly Uint8Array[];
  readonly checkpoint: string;
  readonly consistencyProof: readonly Uint8Array[];
  readonly pageFrom: Uint8Array;
  readonly pageTo: Uint8Array;
}

export interface ReadOptions extends CallOptions {
  /** Default: linearizable. */
  readonly consistency?: Consistency | undefined;
  /**
   * Return the proof as bytes, from this trusted size (1 = the genesis block). A verifying client returns the
   * proof anyway, from the size that it trusts.
   */
  readonly prove?: { readonly trustedSize: bigint } | undefined;
}

/** Of what every read returns. */
export interface Answer {
  readonly height: bigint;
  readonly token: ConsistencyToken;
  readonly proof?: Proof;
  /** Present when the client verifies. */
  readonly verified?: Verified;
}

export interface StoredAnswer extends Answer {
  /** The tuple is stored, and not expired; what a model makes of it is another question. */
  readonly stored: boolean;
}

export interface BatchStoredAnswer extends Answer {
  /** One for each tuple, in order. */
  readonly stored: readonly boolean[];
}

export interface ReadAnswer extends Answer {
  /** Absent when there is none, or it is expired. */
  readonly entity: Entity | undefined;
  /** Hashed in front of the value in its digest; needed to check the value against a proof. */
  readonly nonce?: Uint8Array;
}

export interface BatchReadAnswer extends Answer {
  /** One for each key, in order. */
  readonly entities: readonly (Entity | undefined)[];
}

export interface RelationshipPage extends Answer {
  readonly relationships: readonly Relationship[];
}

/** What a client may write; expiry is the ledger's own business. */
export type WriteOperation = Exclude<
  Operation,
  { readonly op: "expire_entity" } | { readonly op: "expire_tuple" }
>;

/** One atomic transaction. */
export interface TransactionInput<L extends readonly WriteOperation[] = readonly WriteOperation[]> {
  /** 1 to 1,000, applied in order. */
  readonly operations: L & NotEmpty<L>;
  /** Default: a random UUID. The same key with the same content is applied once in 24 hours. */
  readonly idempotencyKey?: string | undefined;
  /** Why, for the record. */
  readonly reason?: string | undefined;
}

/** What became of a transaction that was applied. */
export interface TransactionResult {
  readonly transactionId: Uint8Array;
  /** The server's number of it among those of its client in this vault. */
  readonly sequence: bigint;
  /** The block that holds it. */
  readonly height: bigint;
  /** One for each operation. */
  readonly statuses: readonly OperationStatus[];
  /** This is the answer of an earlier request with the same idempotency key. */
  readonly replayed: boolean;
  readonly idempotencyKey: string;
}

export interface WriteAnswer extends TransactionResult {
  /** Pass it as `atLeast(token)` to read this write from any replica. */
  readonly token: ConsistencyToken;
}

/** What became of one transaction of a batch. */
export type BatchOutcome =
  | ({ readonly kind: "applied" } & TransactionResult)
  | { readonly kind: "refused"; readonly error: LedgerError };

export interface BatchWriteAnswer {
  /** One for each transaction, in order. */
  readonly outcomes: readonly BatchOutcome[];
  readonly token: ConsistencyToken;
}

export interface Tip {
  readonly height: bigint;
  /** 244 bytes. */
  readonly header: Uint8Array;
  readonly blockHash: Uint8Array;
  readonly token: ConsistencyToken;
  readonly verified?: Verified;
}

export interface Block {
  readonly header: Uint8Array;
  readonly blockHash: Uint8Array;
  /** Canonical bytes in order; empty unless asked for. */
  readonly transactions: readonly Uint8Array[];
  readonly token: ConsistencyToken;
  readonly proof?: Proof;
  readonly verified?: Verified;
}

export interface Checkpoint {
  /** The signed note, as text. */
  readonly checkpoint: string;
  readonly consistencyProof: readonly Uint8Array[];
  readonly token: ConsistencyToken;
  /** The client verifies, and has pinned this head or a newer one. */
  readonly isVerified: boolean;
}
