/**
 * What a client asks to be written, free of gRPC. The canonical bytes that are hashed are made of these by
 * the leader (`@authledger/proof`, transaction.ts).
 */
import type { Tuple } from "./tuple.js";

/** When a set or delete of an entity may happen (L-18). */
export type SetCondition =
  | { readonly kind: "none" }
  | { readonly kind: "must_not_exist" }
  | { readonly kind: "must_exist" }
  /** The entity's version (the height of its last change) is this one. */
  | { readonly kind: "version_equals"; readonly version: number }
  | { readonly kind: "value_equals"; readonly value: Uint8Array };

/** One change, or one condition over a tuple, inside a transaction. */
export type Operation =
  | {
      readonly op: "create_tuple";
      readonly tuple: Tuple;
      /** Milliseconds since 1970; 0 = never. */
      readonly expiresAtMs: number;
      /** Canonical encoding of the tuple's condition, where it has one. */
      readonly value?: Uint8Array;
    }
  | { readonly op: "delete_tuple"; readonly tuple: Tuple }
  | {
      readonly op: "set_entity";
      readonly key: string;
      readonly value: Uint8Array;
      readonly expiresAtMs: number;
      readonly condition: SetCondition;
    }
  | { readonly op: "delete_entity"; readonly key: string; readonly condition: SetCondition }
  | { readonly op: "expire_entity"; readonly key: string; readonly expiredAtMs: number }
  | { readonly op: "expire_tuple"; readonly tuple: Tuple; readonly expiredAtMs: number }
  | { readonly op: "tuple_must_exist"; readonly tuple: Tuple }
  | { readonly op: "tuple_must_not_exist"; readonly tuple: Tuple };

/** What an accepted operation did (L-19, L-20). Numbers are stored; they never change. */
export const OperationStatus = {
  /** The tuple or entity was not there and is now. */
  created: 1,
  /** The tuple was there with equal expiry and condition; nothing changed. */
  already_exists: 2,
  /** The tuple or entity was replaced. */
  updated: 3,
  deleted: 4,
  /** A delete of something that was not there; nothing changed. */
  not_found: 5,
  expired: 6,
  /** A condition over a tuple that holds. */
  satisfied: 7,
} as const;
export type OperationStatus = keyof typeof OperationStatus;

/** One atomic transaction as a client sends it. */
export interface TransactionRequest {
  readonly operations: readonly Operation[];
  /** Names the client for sequences and idempotency; empty for none. */
  readonly clientId: string;
  /** Together with the client id names this request for 24 hours; empty for none. */
  readonly idempotencyKey: string;
  /** Why, for the record; hashed with the transaction. */
  readonly reason: string;
}
