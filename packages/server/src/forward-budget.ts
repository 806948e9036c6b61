/**
 * What calls that are being passed on may take of this node's memory; more are refused before anything happens.
 *
 * A call on its way holds its decoded message, which is far larger than its bytes, so that it can be answered here when this
 * node leads by then: measured, a transaction of 1,000 tuples is 41 KiB of bytes and 262 KiB decoded, and half as much again is made of it for
 * the engine. The bytes are there three times: as they came, in the frames that leave, and in the library's hands.
 */
import { LedgerError } from "@authledger/types";

const CALLS_MAX = 4_096;
const BYTES_MAX = 32 * 1024 * 1024;
/** Of each byte of a request, and of each operation in it. */
const COPIES = 3;
const OPERATION_BYTES = 400;
/** What a refused client is told to wait. */
const RETRY_MS = 250;

export class ForwardBudget {
  #calls = 0;
  #bytes = 0;

  /** Bytes of memory that calls on their way hold, near enough for a limit. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * One call alone is always let through, however large.
   *
   * @param bytes of memory, see `heldBytes`
   * @returns what gives it back
   * @throws LedgerError OVERLOADED
   */
  take(bytes: number): () => void {
    const isFull = this.#calls >= CALLS_MAX || this.#bytes + bytes > BYTES_MAX;
    if (isFull && this.#calls > 0) {
      const message = `${this.#calls} calls that hold ${this.#bytes} bytes are on their way to the leader already`;
      throw new LedgerError("OVERLOADED", message, { retryAfterMs: RETRY_MS });
    }
    this.#calls++;
    this.#bytes += bytes;
    return () => {
      this.#calls--;
      this.#bytes -= bytes;
    };
  }
}

/** What a request holds while it is passed on, near enough. @param length of its bytes */
export function heldBytes(request: unknown, length: number): number {
  return COPIES * length + OPERATION_BYTES * operationsOf(request);
}

interface Written {
  readonly transaction?: { readonly operations: readonly unknown[] } | undefined;
  readonly transactions?: readonly { readonly operations: readonly unknown[] }[];
}

/** Of a write or a batch of writes; other requests have none. */
function operationsOf(request: unknown): number {
  const { transaction, transactions = [] } = request as Written;
  return transactions.reduce(
    (sum, { operations }) => sum + operations.length,
    transaction?.operations.length ?? 0,
  );
}
