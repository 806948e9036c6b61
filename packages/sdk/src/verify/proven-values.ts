/**
 * From a verified state to the values that a caller asked for (INV-SDK-4). A page of a list is complete
 * between its ends, and pages are joined only where one ends and the next begins.
 *
 *   INV-ERASE-4  Of an erased value a verifying client says what the proven record says: its length and its digest. It takes
 *                the server's word that the value is gone only as of a height that was asked for.
 */
import { encodeTupleCondition } from "@authledger/authz";
import {
  askState,
  blockHash,
  checkValue,
  decodeHeader,
  entityKey,
  Kind,
  type LedgerRecord,
  leafHash,
  requireCommitment,
  type StateAnswer,
  type StateQuery,
  treeRoot,
  tupleKey,
  tupleOfKey,
  type VerifiedAnswer,
} from "@authledger/proof";
import type { common } from "@authledger/proto";
import { concatBytes, equalBytes, formatTuple, LedgerError, type Tuple } from "@authledger/types";
import { tupleConditionOf } from "../calls/convert.js";
import type { Entity, Relationship, RelationshipFilter } from "../calls/values.js";
import { nodeCrypto } from "./node-crypto.js";

const { hasher } = nodeCrypto;
const NO_BYTES = new Uint8Array(0);

export function provenTuple(verified: VerifiedAnswer, tuple: Tuple): boolean {
  return ask(verified, { kind: "get", key: tupleKey(tuple) }).kind === "present";
}

/** What came beside the proof of an entity. */
interface SentEntity {
  readonly value: Uint8Array;
  readonly nonce: Uint8Array;
  readonly erased?: boolean | undefined;
}

/**
 * The entity that the state shows; `sent` supplies the value, which the state has only as a digest. Of one that was erased
 * the state shows that the record was there, its length and its digest (INV-ERASE-4).
 * @param isAtHeight the question named a height: the newest state has the values of all its records
 */
export function provenEntity(
  verified: VerifiedAnswer,
  key: string,
  sent: SentEntity | undefined,
  isAtHeight: boolean,
): Entity | undefined {
  const answer = ask(verified, { kind: "get", key: entityKey(key) });
  if (answer.kind !== "present") return undefined;
  const { record } = answer;
  const { version, expiresAtMs } = record;
  if (isAtHeight && sent?.erased === true) return erasedEntity(key, record);
  if (sent === undefined || sent.erased === true) throw insufficient(`the value of "${key}"`);
  const value = checkValue(hasher, record, concatBytes(sent.nonce, sent.value));
  return { key, value: new Uint8Array(value), version, expiresAtMs };
}

/** Everything but the server's word that the value is gone is read from the proven record. */
function erasedEntity(key: string, record: LedgerRecord): Entity {
  const { version, expiresAtMs } = record;
  const { length, digest } = requireCommitment(record);
  const commitment = { length, digest: new Uint8Array(digest) };
  return { key, value: NO_BYTES, version, expiresAtMs, erased: true, commitment };
}

/** Where a page lies in its list; empty = the start, the end. */
export interface PageBounds {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** The relationships of a page, all of them. @throws LedgerError PROOF_INSUFFICIENT, PROOF_INVALID */
export function provenPage(
  verified: VerifiedAnswer,
  filter: RelationshipFilter,
  bounds: PageBounds,
  sent: readonly common.Relationship[],
): Relationship[] {
  const relationshipOf = (record: LedgerRecord): Relationship => provenRelationship(record, sent);
  const { resource, relation, subject } = filter;
  if (resource !== undefined && relation !== undefined && subject !== undefined) {
    const key = tupleKey({ resource, relation, subject });
    const answer = ask(verified, { kind: "get", key });
    return answer.kind === "present" ? [relationshipOf(answer.record)] : [];
  }
  const partition = resource ?? subject;
  if (partition === undefined) throw unprovable();
  const kind = resource === undefined ? Kind.tupleBySubject : Kind.tupleByResource;
  const [from, to] = [given(bounds.from), given(bounds.to)];
  const list = { kind, partition, group: relation, from, to };
  const answer = ask(verified, { kind: "list", list });
  if (answer.kind !== "list") throw insufficient("the list");
  const found = answer.records.map(({ record }) => relationshipOf(record));
  return found.filter(({ tuple }) => subject === undefined || tuple.subject === subject);
}

/** Pages of one list, as they come. */
export class PageChain {
  #end: Uint8Array = new Uint8Array(0);
  #first:
    | { readonly height: bigint; readonly stateRoot: Uint8Array; readonly timeMs: bigint }
    | undefined;

  /** What the whole list is about; undefined before its first page. */
  get height(): bigint | undefined {
    return this.#first?.height;
  }

  /**
   * Takes the next page: it begins where the one before ended, and is of the same state.
   * @returns the time that all pages are judged by: that of the first one
   * @throws LedgerError PROOF_INVALID
   */
  add(verified: VerifiedAnswer, bounds: PageBounds, isLast: boolean): bigint {
    const { height, timeMs } = verified;
    const { stateRoot } = verified.header;
    this.#first ??= { height: BigInt(height), stateRoot, timeMs };
    if (!equalBytes(this.#first.stateRoot, stateRoot)) {
      throw refuse("page", "the pages of the list are of different states");
    }
    const isJoined = equalBytes(bounds.from, this.#end) && isLast === (bounds.to.length === 0);
    if (!isJoined) throw refuse("page", "the pages of the list do not meet");
    this.#end = bounds.to;
    return this.#first.timeMs;
  }
}

/** Are these all transactions of the block, in order? @throws LedgerError PROOF_INVALID */
export function checkTransactions(header: Uint8Array, transactions: readonly Uint8Array[]): void {
  const { transactionCount, transactionRoot } = decodeHeader(header);
  const leaves = transactions.map((transaction) => leafHash(hasher, transaction));
  const isWhole =
    leaves.length === transactionCount && equalBytes(treeRoot(hasher, leaves), transactionRoot);
  if (!isWhole) throw refuse("inclusion", "the transactions are not those of the block");
}

export function hashOfHeader(header: Uint8Array): Uint8Array {
  return blockHash(hasher, header);
}

/** Only lists with a resource or a subject are one subtree of the commitment. */
export function checkProvable({ resource, subject }: RelationshipFilter): void {
  if (resource === undefined && subject === undefined) throw unprovable();
}

function ask(verified: VerifiedAnswer, query: StateQuery): StateAnswer {
  if (verified.state === undefined) throw insufficient("a state");
  return askState(verified.state, query, verified.timeMs);
}

/** The state has a digest of a tuple's condition; `sent` supplies what is behind it. */
function provenRelationship(
  record: LedgerRecord,
  sent: readonly common.Relationship[],
): Relationship {
  const { key, version, expiresAtMs } = record;
  const tuple = tupleOfKey(key);
  const plain = { tuple, version, expiresAtMs };
  if (record.value === undefined) return plain;
  const name = formatTuple(tuple);
  const found = sent.find((row) => row.tuple !== undefined && formatTuple(row.tuple) === name);
  // The record proves that it has a condition; who hides one by this says less, never more.
  if (found?.erased === true) return { ...plain, erased: true };
  if (found?.condition === undefined) throw insufficient(`the condition of ${name}`);
  const condition = tupleConditionOf(found.condition);
  checkValue(hasher, record, concatBytes(found.conditionNonce, encodeTupleCondition(condition)));
  return { ...plain, condition };
}

function given(path: Uint8Array): Uint8Array | undefined {
  return path.length === 0 ? undefined : path;
}

function insufficient(what: string): LedgerError {
  return new LedgerError("PROOF_INSUFFICIENT", `the answer does not show ${what}`, {
    details: { reason: "insufficient" },
  });
}

function unprovable(): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", "a verified list needs a resource or a subject", {
    details: { field: "resource" },
  });
}

function refuse(reason: string, message: string): LedgerError {
  return new LedgerError("PROOF_INVALID", message, { details: { reason } });
}
