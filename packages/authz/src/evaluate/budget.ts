/**
 * What one question may cost: tuples read and points looked up, relations on one path, and definitions within definitions.
 *
 *   INV-EVAL-11  No question within the limits takes more of the stack than there is: definitions that are evaluated within
 *               each other are counted, also those that take no tuple to come to.
 */
import { LedgerError } from "@authledger/types";
import type { EvaluationLimits } from "./decision.js";

/**
 * Definitions that are under way within each other: 25 relations on a path with forty definitions each. Twice as many filled
 * the stack of Node (984 KiB).
 */
const NESTED_MAX = 1_000;

export class Budget {
  readonly limits: EvaluationLimits;
  spent = 0;
  #nested = 0;

  constructor(limits: EvaluationLimits) {
    this.limits = limits;
  }

  /** @throws LedgerError EVALUATION_TOO_COMPLEX */
  spend(): void {
    if (++this.spent > this.limits.cost) throw tooCostly(this.limits.cost);
  }

  /** A definition is evaluated within others, until `leave`. @throws LedgerError EVALUATION_TOO_COMPLEX, and nothing goes on */
  enter(): void {
    if (++this.#nested > NESTED_MAX) throw tooNested();
  }

  leave(): void {
    this.#nested--;
  }

  get isSpent(): boolean {
    return this.spent >= this.limits.cost;
  }
}

function tooCostly(limit: number): LedgerError {
  const message = `the question takes more than ${limit} reads`;
  return new LedgerError("EVALUATION_TOO_COMPLEX", message, { details: { limit } });
}

function tooNested(): LedgerError {
  const message = `the answer depends on more than ${NESTED_MAX} definitions within each other`;
  return new LedgerError("EVALUATION_TOO_COMPLEX", message, { details: { limit: NESTED_MAX } });
}

/** @param limit relations on one path */
export function tooDeep(limit: number): LedgerError {
  const message = `the answer depends on a path of more than ${limit} relations`;
  return new LedgerError("EVALUATION_TOO_COMPLEX", message, { details: { limit } });
}
