/** The moment of the past that a read is about: a state that is no longer the newest, and the time it is judged by. */
import type { OpenVault } from "@authledger/state";
import type { Consistency } from "@authledger/types";
import type { ProvenState } from "./answer-proofs.js";
import type { ListPosition } from "./list-position.js";

export interface PastMoment extends ProvenState {
  /** What is past it counts as expired. */
  readonly timeMs: number;
}

/**
 * The moment that a request names; undefined where it asks about the present. An answer about a height is judged by the time of that block,
 * also when it is the newest one (commitment.md, "Expiry").
 * @throws LedgerError HEIGHT_NOT_REACHED, HEIGHT_UNAVAILABLE
 */
export function momentOf(vault: OpenVault, consistency: Consistency): PastMoment | undefined {
  if (consistency.kind !== "at_height") return undefined;
  const state = vault.at(consistency.height);
  const { header, headerBytes } = state;
  return { state, header, headerBytes, timeMs: header.timestampMs };
}

/** Where a list goes on. @throws LedgerError HEIGHT_NOT_REACHED, HEIGHT_UNAVAILABLE */
export function momentAt(
  vault: OpenVault,
  { height, timeMs }: Pick<ListPosition, "height" | "timeMs">,
): PastMoment {
  if (height === vault.height) {
    const { header, bytes: headerBytes } = vault.tip;
    return { state: vault, header, headerBytes, timeMs };
  }
  const state = vault.at(height);
  const { header, headerBytes } = state;
  return { state, header, headerBytes, timeMs };
}

/** The newest block that a request may see. @throws LedgerError HEIGHT_NOT_REACHED */
export function newestAsOf(vault: OpenVault, consistency: Consistency): number {
  if (consistency.kind !== "at_height") return vault.height;
  if (consistency.height > vault.height) throw vault.notReached(consistency.height);
  return consistency.height;
}
