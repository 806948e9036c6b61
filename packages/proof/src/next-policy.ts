/**
 * How a client moves to the next policy epoch: the new policy is a record of the vault, and it counts only
 * when it is included under a checkpoint that satisfies the policy before it (commitment.md, "Signing rules",
 * 6). A client that was away catches up in order, one bundle per epoch.
 *
 * Beside a receipt each policy is shown by a receipt of its own, which needs no server and no other head.
 *
 *   INV-EPOCH-1  A client's epoch grows by exactly one with each bundle, and never because of an answer.
 */
import {
  type LightClientDeps,
  type ProvenAnswer,
  type TrustState,
  verifyAnswer,
} from "./light-client.js";
import { decodePolicy, type Policy } from "./note/policy.js";
import { reject } from "./rejection.js";
import { ledgerRecordKey } from "./trie/key.js";
import type { ProvenTrie } from "./trie/proven-trie.js";
import { NONCE_BYTES } from "./trie/record.js";
import { checkValue } from "./value.js";
import { verifyReceipt } from "./verify.js";

/** What a vault keeps for ever, once per epoch. */
export interface PolicyBundle extends ProvenAnswer {
  /** The new policy as it is stored: nonce16 || text. */
  readonly policyValue: Uint8Array;
}

/**
 * The trust with the next policy in it.
 * @throws LedgerError as `verifyAnswer`; PROOF_INVALID with reason "policy" when the bundle does not show the
 *   policy record, or the record is not the next epoch of this origin
 */
export function adoptPolicy(
  trust: TrustState,
  bundle: PolicyBundle,
  deps: LightClientDeps,
): TrustState {
  const anyTime = { want: "any", nowMs: 0, maxAgeS: 0, maxSkewS: 0 } as const;
  const verified = verifyAnswer(trust, bundle, anyTime, deps);
  const policy = shownPolicy(trust, verified.state, bundle.policyValue, deps);
  return { ...verified.trust, policy };
}

/** A policy as it lies beside receipts (docs/format/commitment.md, "Policies beside a receipt"). */
export interface PolicyReceipt {
  /** Shows the record of the policy. */
  readonly receipt: string;
  /** nonce16 || text. */
  readonly policyValue: Uint8Array;
}

/**
 * The trust with the next policy in it, from its receipt. The head stays what it was: a receipt is not linked to it.
 * @throws LedgerError as `verifyReceipt` and `adoptPolicy`
 */
export function adoptPolicyReceipt(
  trust: TrustState,
  { receipt, policyValue }: PolicyReceipt,
  deps: LightClientDeps,
): TrustState {
  const { content } = verifyReceipt(trust, receipt, deps);
  const state = content.kind === "state" ? content.state : undefined;
  return { ...trust, policy: shownPolicy(trust, state, policyValue, deps) };
}

function shownPolicy(
  trust: TrustState,
  state: ProvenTrie | undefined,
  policyValue: Uint8Array,
  { hasher }: LightClientDeps,
): Policy {
  const shown = state?.get(ledgerRecordKey("ledger", "policy"));
  if (shown?.kind !== "present") throw reject("policy", "the bundle does not show the policy");
  checkValue(hasher, shown.record, policyValue);
  const policy = decodePolicy(hasher, policyValue.subarray(NONCE_BYTES));
  checkSuccession(trust, policy);
  return policy;
}

function checkSuccession({ origin, policy: before }: TrustState, policy: Policy): void {
  if (policy.epoch !== before.epoch + 1) {
    throw reject("policy", `epoch ${policy.epoch} does not follow epoch ${before.epoch}`);
  }
  if (policy.fromSize < before.fromSize) {
    throw reject("policy", `epoch ${policy.epoch} begins before epoch ${before.epoch}`);
  }
  if (policy.logKeys.some(({ name }) => name !== origin)) {
    throw reject("policy", `epoch ${policy.epoch} has a log key of another origin`);
  }
}
