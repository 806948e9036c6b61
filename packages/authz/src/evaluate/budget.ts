/** What one question may cost: tuples read and points looked up, and relations on one path. */
import { LedgerError } from "@authledger/types";
import type { EvaluationLimits } from "./decision.js";

export class Budget {
  readonly limits: EvaluationLimits;
  spent = 0;

  constructor(limits: EvaluationLimits) {
    this.limits = limits;
  }

  /** @throws LedgerError EVALUATION_TOO_COMPLEX */
  spend(): void {
    if (++this.spent > this.limits.cost) throw tooCostly(this.limits.cost);
  }

  get isSpent(): boolean {
    return this.spent >= this.limits.cost;
  }
}

function tooCostly(limit: number): LedgerError {
  const message = `the question takes more than ${limit} reads`;
  return new LedgerError("EVALUATION_TOO_COMPLEX", message, { details: { limit } });
}

/** @param limit relations on one path */
export function tooDeep(limit: number): LedgerError {
  const message = `the answer depends on a path of more than ${limit} relations`;
  return new LedgerError("EVALUATION_TOO_COMPLEX", message, { details: { limit } });
}
