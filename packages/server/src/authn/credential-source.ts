/** One way to find out whom a bearer credential stands for. */
import { LedgerError } from "@authledger/types";
import type { Principal } from "../gate/principal.js";

export interface Verified {
  readonly principal: Principal;
  /** Milliseconds since 1970; Infinity = never. */
  readonly expiresAtMs: number;
}

export interface CredentialSource {
  /** What was verified at this generation holds while it is the same. */
  readonly generation: number;
  /** @throws LedgerError UNAUTHENTICATED, CREDENTIAL_EXPIRED, and what keeps it from finding out (by rejection) */
  verify(text: string): Promise<Verified>;
}

/** One text for everything that is wrong with a credential: who guesses learns nothing from it. */
export function unauthenticated(
  message = "the credential of this call is not one that this ledger accepts",
  cause?: unknown,
): LedgerError {
  return new LedgerError("UNAUTHENTICATED", message, { cause });
}

/** Only for who has shown a credential that was good. */
export function expired(expiredAtMs: number): LedgerError {
  const message = `the credential expired at ${new Date(expiredAtMs).toISOString()}`;
  return new LedgerError("CREDENTIAL_EXPIRED", message);
}
