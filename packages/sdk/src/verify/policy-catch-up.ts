/**
 * Moves a trust to the newest policy of its vault: one bundle for each epoch, in order, each judged by the policy before
 * (commitment.md, "Signing rules", 6).
 */
import {
  adoptPolicy,
  type LightClientDeps,
  type PolicyBundle,
  type TrustState,
} from "@authledger/proof";
import { LedgerError } from "@authledger/types";

/** Asks for bundles behind an epoch, for a client that trusts a head of this size. */
export type AskForBundles = (
  epoch: number,
  trustedSize: bigint,
) => Promise<{ readonly bundles: readonly PolicyBundle[]; readonly newestEpoch: number }>;

/** Rejections that another policy may cure: the heads that are served now are signed by others. */
const CURABLE = new Set(["quorum", "cosignatures", "signature", "policy"]);

/** May the answer be right under a policy that the client has not got yet? */
export function mayNeedPolicy(error: unknown): boolean {
  if (!(error instanceof LedgerError) || error.code !== "PROOF_INVALID") return false;
  return CURABLE.has(String(error.details["reason"]));
}

/**
 * The trust under the newest policy that has a bundle; the same object when there is none.
 * @throws LedgerError PROOF_INVALID when a bundle does not prove its policy; EQUIVOCATION
 */
export async function catchUp(
  trust: TrustState,
  ask: AskForBundles,
  crypto: LightClientDeps,
): Promise<TrustState> {
  let now = trust;
  for (;;) {
    const { bundles, newestEpoch } = await ask(now.policy.epoch, now.head.size);
    for (const bundle of bundles) now = adoptPolicy(now, bundle, crypto);
    if (bundles.length === 0 || now.policy.epoch >= newestEpoch) return now;
  }
}
