/**
 * One question, one proof, one verified answer: what a program calls that does not care how proofs are made.
 *
 *   INV-VERIFY-1  An answer is "present", "absent" or a whole list. What the proof does not show is an error
 *                 (PROOF_INSUFFICIENT), never one of them.
 *   INV-VERIFY-2  A list by subject is given out only with the authoritative twin of each hit checked.
 *   INV-VERIFY-3  One time T judges everything of one answer.
 *
 * Source: commitment.md, "Light client" rule 5, "Lists by subject", "Expiry", "Receipts".
 * Not here: trust and freshness (light-client.ts), values (value.ts).
 */
import { equalBytes, LedgerError } from "@authledger/types";
import type { BlockHeader } from "./header.js";
import {
  type FreshnessRules,
  type LightClientDeps,
  type ProvenAnswer,
  provenState,
  requireSameRoot,
  type TrustState,
  type VerifiedAnswer,
  type VerifiedCheckpoint,
  verifyAnswer,
  verifyCheckpoint,
  verifyHeader,
  type Wanted,
} from "./light-client.js";
import { decodeTransactionProof, parseReceipt, verifyTransactionProof } from "./receipt.js";
import { reject } from "./rejection.js";
import type { CanonicalTransaction } from "./transaction.js";
import { Kind, type LedgerKey, twinOf } from "./trie/key.js";
import { isLive, type ListedRecord, type ProvenTrie } from "./trie/proven-trie.js";
import type { LedgerRecord, StoredRecord } from "./trie/record.js";
import { type ListQuery, STATE_PROOF_MAGIC } from "./trie/state-proof-encode.js";

/** What is asked of a proven state. */
export type StateQuery =
  | { readonly kind: "get"; readonly key: LedgerKey }
  /** With an interval [from, to) of paths the answer is that page of the list, and complete as such. */
  | { readonly kind: "list"; readonly list: ListQuery };

/** What a proven state answers at a time. */
export type StateAnswer =
  | { readonly kind: "present"; readonly record: LedgerRecord; readonly bytes: Uint8Array }
  /** `expired`: the record is there, but not collected yet. */
  | { readonly kind: "absent"; readonly expired: boolean }
  /** All that are alive, in the order of their paths. */
  | { readonly kind: "list"; readonly records: readonly ListedRecord[] };

/**
 * Asks a proven state.
 * @param timeMs - the T of the answer: `VerifiedAnswer.timeMs`
 * @throws LedgerError PROOF_INSUFFICIENT; PROOF_INVALID with reason "twin"
 */
export function askState(state: ProvenTrie, query: StateQuery, timeMs: bigint): StateAnswer {
  return query.kind === "get" ? askGet(state, query.key, timeMs) : askList(state, query, timeMs);
}

function askGet(state: ProvenTrie, key: LedgerKey, timeMs: bigint): StateAnswer {
  const answer = state.get(key);
  if (answer.kind === "insufficient") throw insufficient("the key");
  if (answer.kind === "absent") return { kind: "absent", expired: false };
  if (!isLive(answer.record, timeMs)) return { kind: "absent", expired: true };
  if (key.kind === Kind.tupleBySubject) checkTwin(state, answer.record);
  return answer;
}

function askList(
  state: ProvenTrie,
  { list }: { readonly list: ListQuery },
  timeMs: bigint,
): StateAnswer {
  const answer = state.list(list);
  if (answer.kind === "insufficient") throw insufficient("the whole list");
  const records = answer.records.filter(({ record }) => isLive(record, timeMs));
  if (list.kind === Kind.tupleBySubject) for (const { record } of records) checkTwin(state, record);
  return { kind: "list", records };
}

/**
 * A list of a proven state, one record after the other: those that are alive, in the order of their paths. Who stops early
 * has read a part of the list without gaps, and needs no proof of the rest.
 * @param isWanted others are passed over, and need no twin
 * @throws LedgerError PROOF_INSUFFICIENT where the next record is not shown; PROOF_INVALID with reason "twin"
 */
export function* scanState(
  state: ProvenTrie,
  list: ListQuery,
  timeMs: bigint,
  isWanted: (record: LedgerRecord) => boolean = () => true,
): Generator<ListedRecord, void, undefined> {
  const walk = state.walk(list);
  let step = walk.next();
  for (; step.done !== true; step = walk.next()) {
    const { record } = step.value;
    if (!isLive(record, timeMs) || !isWanted(record)) continue;
    if (list.kind === Kind.tupleBySubject) checkTwin(state, record);
    yield step.value;
  }
  if (step.value === "insufficient") throw insufficient("the whole list");
}

/** A hit by subject stands only beside its authoritative twin, equal in all but the key. */
function checkTwin(state: ProvenTrie, hit: LedgerRecord): void {
  const twin = state.get(twinOf(hit.key));
  if (twin.kind === "insufficient") throw insufficient("the tuple by its resource");
  if (twin.kind === "present" && isEqualRecord(twin.record, hit)) return;
  const { partition, group, item } = hit.key;
  throw reject("twin", `${item}#${group}@${partition} is not committed equally by its resource`);
}

function isEqualRecord(a: StoredRecord, b: StoredRecord): boolean {
  if (a.version !== b.version || a.expiresAtMs !== b.expiresAtMs) return false;
  if (a.value === undefined || b.value === undefined) return a.value === b.value;
  return a.value.length === b.value.length && equalBytes(a.value.digest, b.value.digest);
}

function insufficient(what: string): LedgerError {
  const message = `the proof does not show ${what}`;
  return new LedgerError("PROOF_INSUFFICIENT", message, { details: { reason: "insufficient" } });
}

/** An answer with what it says to a question. */
export interface AnsweredQuery {
  readonly verified: VerifiedAnswer;
  readonly answer: StateAnswer;
}

/**
 * Verifies what a server sent and asks it one question. Keep `verified.trust`.
 * @throws LedgerError as `verifyAnswer` and `askState`
 * @example
 * const trust = trustFromAnchor(parseTrustAnchor(hasher, text));
 * const query = { kind: "get", key: tupleKey(tuple) };
 * const { answer, verified } = verifyQuery(trust, sent, query, wanted, { hasher, verifier });
 * if (answer.kind === "present") grant();
 */
export function verifyQuery(
  trust: TrustState,
  sent: ProvenAnswer,
  query: StateQuery,
  wanted: { readonly want: Wanted; readonly nowMs: number } & FreshnessRules,
  deps: LightClientDeps,
): AnsweredQuery {
  const verified = verifyAnswer(trust, sent, wanted, deps);
  if (verified.state === undefined) throw insufficient("a state");
  return { verified, answer: askState(verified.state, query, verified.timeMs) };
}

/** What a receipt shows of its block. */
export type ReceiptContent =
  | { readonly kind: "state"; readonly state: ProvenTrie }
  | {
      readonly kind: "transaction";
      readonly transaction: CanonicalTransaction;
      /** The canonical bytes. */
      readonly bytes: Uint8Array;
    }
  /** Nothing but the block: its header is what is shown. */
  | { readonly kind: "block" };

export interface VerifiedReceipt {
  readonly checkpoint: VerifiedCheckpoint;
  readonly header: BlockHeader;
  /** T: a receipt is about the past, so it is the block's time. Milliseconds. */
  readonly timeMs: bigint;
  /**
   * So long the block was the newest one, by its checkpoint: the quorum's time where it covers no later block and that is after
   * T, else T itself. What was a current answer then may be judged by any time between the two. Milliseconds.
   */
  readonly newestUntilMs: bigint;
  readonly content: ReceiptContent;
}

/**
 * Verifies a receipt without a server, under the policy in the trust. It is not linked to the trusted head,
 * for which a proof of consistency would be needed; a head of the same size must have the same root.
 * @throws LedgerError PROOF_INVALID with its reason; EQUIVOCATION with both notes
 */
export function verifyReceipt(
  trust: Pick<TrustState, "origin" | "salt" | "policy" | "head">,
  text: string,
  deps: LightClientDeps,
): VerifiedReceipt {
  const receipt = parseReceipt(text);
  const checkpoint = verifyCheckpoint(receipt.checkpoint, trust.origin, trust.policy, deps);
  requireSameRoot(trust.head, checkpoint, receipt.checkpoint);
  const header = verifyHeader(trust, checkpoint, receipt, deps);
  if (BigInt(header.height) !== receipt.height) {
    throw reject("receipt", `index ${receipt.height} with the header of height ${header.height}`);
  }
  const content = contentOf(trust.salt, header, receipt.inside, deps);
  const timeMs = BigInt(header.timestampMs);
  const isTip = receipt.height === checkpoint.size - 1n;
  const quorumMs = 1000n * checkpoint.times[trust.policy.quorum - 1]!;
  const newestUntilMs = isTip && quorumMs > timeMs ? quorumMs : timeMs;
  return { checkpoint, header, timeMs, newestUntilMs, content };
}

function contentOf(
  salt: Uint8Array,
  header: BlockHeader,
  inside: Uint8Array,
  { hasher }: LightClientDeps,
): ReceiptContent {
  if (inside.length === 0) return { kind: "block" };
  const magic = String.fromCharCode(...inside.subarray(0, STATE_PROOF_MAGIC.length));
  if (magic === STATE_PROOF_MAGIC) {
    return { kind: "state", state: provenState(header, inside, salt, hasher) };
  }
  const proof = decodeTransactionProof(inside);
  const transaction = verifyTransactionProof(hasher, header, proof);
  return { kind: "transaction", transaction, bytes: proof.transaction };
}
