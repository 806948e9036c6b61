/**
 * How a client moves to the next policy epoch: the new policy is a record of the vault, and it counts only
 * when it is included under a checkpoint that satisfies the policy before it (commitment.md, "Signing rules",
 * 6). A client that was away catches up in order, one bundle per epoch.
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
import { NONCE_BYTES } from "./trie/record.js";
import { checkValue } from "./value.js";

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
  const shown = verified.state?.get(ledgerRecordKey("ledger", "policy"));
  if (shown?.kind !== "present") throw reject("policy", "the bundle does not show the policy");
  checkValue(deps.hasher, shown.record, bundle.policyValue);
  const policy = decodePolicy(deps.hasher, bundle.policyValue.subarray(NONCE_BYTES));
  checkSuccession(trust, policy);
  return { ...verified.trust, policy };
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
