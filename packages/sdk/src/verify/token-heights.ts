/**
 * How high the vault was with each consistency token that this client was given. Tokens are the server's business and say nothing
 * that could be checked; what came with them can be.
 */
import { LedgerError } from "@authledger/types";
import type { Consistency, ConsistencyToken } from "../consistency.js";

/** The newest ones; a program that hands a token on does so soon. */
const KEPT_MAX = 4_096;

export class TokenHeights {
  readonly #heights = new Map<ConsistencyToken, bigint>();

  /** The token came with something that is in the block of this height, or below. */
  note(token: ConsistencyToken, height: bigint): void {
    const known = this.#heights.get(token) ?? 0n;
    this.#heights.delete(token);
    this.#heights.set(token, known > height ? known : height);
    if (this.#heights.size <= KEPT_MAX) return;
    const [oldest] = this.#heights.keys();
    if (oldest !== undefined) this.#heights.delete(oldest);
  }

  /** @throws LedgerError PROOF_STALE for an answer about a height below that of the token it was asked with (INV-SDK-3) */
  requireReached(consistency: Consistency | undefined, height: bigint): void {
    if (consistency?.kind !== "at_least") return;
    const least = this.#heights.get(consistency.token);
    if (least === undefined || height >= least) return;
    const message = `the answer is about height ${height}; its token came with height ${least}`;
    throw new LedgerError("PROOF_STALE", message, { details: { reason: "not-current" } });
  }
}
