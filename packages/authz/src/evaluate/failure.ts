/** Why an answer cannot be decided: noted where it happens, made an error only if the answer depends on it. */
import type { LedgerError } from "@authledger/types";

export type Failure = () => LedgerError;

/** Keeps the first since it was cleared. */
export class FirstFailure {
  first: Failure | undefined;

  note(failure: Failure): void {
    this.first ??= failure;
  }

  clear(): void {
    this.first = undefined;
  }
}
