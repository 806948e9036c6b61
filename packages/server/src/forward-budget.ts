/** What calls that are being passed on may take of this node's memory; more are refused before anything happens. */
import { LedgerError } from "@authledger/types";

const CALLS_MAX = 4_096;
const BYTES_MAX = 64 * 1024 * 1024;

export class ForwardBudget {
  #calls = 0;
  #bytes = 0;

  /** @returns what gives it back. @throws LedgerError OVERLOADED */
  take(bytes: number): () => void {
    if (this.#calls >= CALLS_MAX || this.#bytes + bytes > BYTES_MAX) {
      const message = `${this.#calls} calls with ${this.#bytes} bytes are on their way to the leader already`;
      throw new LedgerError("OVERLOADED", message, { retryAfterMs: 100 });
    }
    this.#calls++;
    this.#bytes += bytes;
    return () => {
      this.#calls--;
      this.#bytes -= bytes;
    };
  }
}
