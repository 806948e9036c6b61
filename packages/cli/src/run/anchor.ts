/** Where the verification of a file begins. */
import {
  adoptPolicyReceipt,
  decodePolicy,
  NONCE_BYTES,
  type PolicyReceipt,
  parseTrustAnchor,
  type TrustState,
  trustFromAnchor,
} from "@authledger/proof";
import { FileRoots, mayNeedPolicy, nodeCrypto, parsePinned } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { readText } from "./read-text.js";
import type { Run } from "./run.js";

/** What a file is held against. */
export interface FileTrust {
  /** The anchor, and the same with the policy that the pinned root has come to since: one of them must accept the file. */
  readonly trusts: readonly TrustState[];
  readonly from: string;
}

/** Never from the file itself: that would prove only that the file agrees with itself. */
export async function trustFor(
  { settings }: Run,
  { organization, vault }: { readonly organization: string; readonly vault: string },
): Promise<FileTrust> {
  const { anchorFile, pins } = settings;
  if (anchorFile !== undefined) {
    return { trusts: [anchored(await readText(anchorFile))], from: anchorFile };
  }
  const name = `${organization}-${vault}`;
  const text = await new FileRoots(pins).load(name);
  if (text !== undefined) {
    const { anchor, trust } = parsePinned(nodeCrypto.hasher, text);
    const first = anchored(anchor);
    const { policy } = trust;
    const later = policy.epoch > first.policy.epoch ? [{ ...first, policy }] : [];
    return { trusts: [first, ...later], from: `the pinned root in ${pins}` };
  }
  const message = `no anchor for vault ${vault} of organization ${organization}: give --anchor FILE (authledger vault anchor prints it)`;
  throw new LedgerError("TRUST_ANCHOR_MISSING", message, { details: { pins } });
}

function anchored(text: string): TrustState {
  return trustFromAnchor(parseTrustAnchor(nodeCrypto.hasher, text));
}

/**
 * What a file shows under the first policy that accepts its signatures: one that is trusted, or one that such a policy leads to.
 * @param policies what lies with the file, in order; each is believed only when it is proven under the one before
 * @throws LedgerError as `judge` under the first, and PROOF_INVALID for a policy that is not proven
 */
export function underPolicies<T>(
  { trusts }: FileTrust,
  policies: readonly PolicyReceipt[],
  judge: (trust: TrustState) => T,
): T {
  const refusals: unknown[] = [];
  for (const trust of withPolicies(trusts, policies)) {
    try {
      return judge(trust);
    } catch (error) {
      if (!mayNeedPolicy(error)) throw error;
      refusals.push(error);
    }
  }
  throw refusals[0];
}

function* withPolicies(
  trusts: readonly TrustState[],
  policies: readonly PolicyReceipt[],
): Generator<TrustState, void, undefined> {
  yield* trusts;
  const { hasher } = nodeCrypto;
  for (const trust of trusts) {
    let now = trust;
    for (const policy of policies) {
      const { epoch } = decodePolicy(hasher, policy.policyValue.subarray(NONCE_BYTES));
      if (epoch <= now.policy.epoch) continue;
      now = adoptPolicyReceipt(now, policy, nodeCrypto);
      yield now;
    }
  }
}
