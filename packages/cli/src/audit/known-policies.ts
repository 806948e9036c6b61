/**
 * The policies that an auditor has come to from that of its anchor: one epoch at a time, each by a bundle that the policy
 * before accepts, and kept as they lie beside receipts (docs/format/commitment.md, "Policies beside a receipt"), so that
 * whoever holds the anchor can follow.
 */
import {
  adoptPolicy,
  adoptPolicyReceipt,
  decodePolicy,
  type LightClientDeps,
  NONCE_BYTES,
  type Policy,
  type PolicyBundle,
  type PolicyReceipt,
  parseCheckpoint,
  parseReceipt,
  type TrustedHead,
  type TrustState,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from "@authledger/proof";
import { mayNeedPolicy } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { policyReceipt } from "../run/policy-list.js";

interface Known {
  readonly policy: Policy;
  /** Size of the head that showed the next policy: no larger one is signed under this one alone. Absent for the newest. */
  readonly until?: bigint;
}

export class KnownPolicies {
  readonly #anchor: TrustState;
  readonly #crypto: LightClientDeps;
  readonly #receipts: PolicyReceipt[] = [];
  /** The newest last. */
  readonly #known: Known[];

  /**
   * @param saved `receipts` of before
   * @throws LedgerError CODEC_DECODE when they do not lead on from the anchor
   */
  constructor(anchor: TrustState, saved: readonly PolicyReceipt[], crypto: LightClientDeps) {
    this.#anchor = anchor;
    this.#crypto = crypto;
    this.#known = [{ policy: anchor.policy }];
    try {
      for (const receipt of saved) {
        const trust = { ...anchor, policy: this.newest };
        this.#add(adoptPolicyReceipt(trust, receipt, crypto).policy, receipt);
      }
    } catch (cause) {
      const { message: why } = LedgerError.from(cause);
      const message = `the saved head of the audit cannot be read: its policies are not proven: ${why}`;
      throw new LedgerError("CODEC_DECODE", message, { cause });
    }
  }

  get newest(): Policy {
    return this.#known.at(-1)!.policy;
  }

  /** All behind the anchor's, in order. */
  get receipts(): readonly PolicyReceipt[] {
    return [...this.#receipts];
  }

  /**
   * A late replica's head may be signed under a policy before the newest one only.
   * @throws LedgerError PROOF_INVALID as under the newest policy
   */
  judge(note: string): VerifiedCheckpoint {
    const refusals: unknown[] = [];
    for (const { policy, until } of this.#known.toReversed()) {
      try {
        const head = verifyCheckpoint(note, this.#anchor.origin, policy, this.#crypto);
        if (until === undefined || head.size <= until) return head;
      } catch (error) {
        if (!mayNeedPolicy(error)) throw error;
        refusals.push(error);
      }
    }
    throw refusals[0];
  }

  /** No known policy says who signed heads of this size: the first one begins behind it. */
  isBefore(size: bigint): boolean {
    return size < BigInt(this.#anchor.policy.fromSize);
  }

  /** @throws LedgerError PROOF_INVALID when the bundle has no policy */
  has({ policyValue }: PolicyBundle): boolean {
    const { epoch } = decodePolicy(this.#crypto.hasher, policyValue.subarray(NONCE_BYTES));
    return epoch <= this.newest.epoch;
  }

  /**
   * Takes the next policy.
   * @param bundle with the proof that its head and the trusted one are of one history
   * @returns the newer of the two heads
   * @throws LedgerError PROOF_INVALID, EQUIVOCATION
   */
  adopt(head: TrustedHead, bundle: PolicyBundle): TrustedHead {
    const trust = { ...this.#anchor, policy: this.newest, head };
    const next = adoptPolicy(trust, bundle, this.#crypto);
    this.#add(next.policy, policyReceipt(bundle));
    return next.head;
  }

  #add(policy: Policy, receipt: PolicyReceipt): void {
    const until = parseCheckpoint(parseReceipt(receipt.receipt).checkpoint).size;
    this.#known.push({ policy: this.#known.pop()!.policy, until }, { policy });
    this.#receipts.push(receipt);
  }
}
