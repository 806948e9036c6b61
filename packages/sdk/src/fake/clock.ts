/** The time of a fake ledger: it stands still until it is told to go on. */
import { LedgerError } from "@authledger/types";

export class FakeClock {
  #nowMs: number;

  constructor(nowMs: number) {
    this.#nowMs = checked(nowMs);
  }

  /** Milliseconds since 1970. */
  readonly nowMs = (): number => this.#nowMs;

  /** @example ledger.clock.advance(60_000); // what lives for a minute has expired */
  advance(byMs: number): void {
    this.#nowMs = checked(this.#nowMs + byMs);
  }

  /** Also backwards: the ledger's own time never goes back, as a node's does not. */
  set(nowMs: number): void {
    this.#nowMs = checked(nowMs);
  }
}

function checked(ms: number): number {
  if (Number.isSafeInteger(ms) && ms >= 0) return ms;
  const message = `${ms} is not a time in whole milliseconds since 1970`;
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "nowMs" } });
}
