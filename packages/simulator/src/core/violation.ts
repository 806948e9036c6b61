/** What the simulator throws when it has found a bug. */
import { AssertionError } from "@authledger/types";

/** A rule that the core broke, and the facts that show it. */
export class Violation extends Error {
  override readonly name = "Violation";
  /** Short and stable: the minimizer keeps what breaks the same rule. */
  readonly rule: string;

  constructor(rule: string, facts: Readonly<Record<string, unknown>> = {}) {
    const parts = Object.entries(facts).map(([name, value]) => `${name}=${String(value)}`);
    super(`${rule}${parts.length === 0 ? "" : ` (${parts.join(", ")})`}`);
    this.rule = rule;
  }
}

/** An assert of the core that failed is a violation too: its rule is what it said. */
export function asViolation(error: unknown): Violation {
  if (error instanceof Violation) return error;
  if (error instanceof AssertionError || error instanceof Error) {
    const rule = error.message.replace(/ \(.*$/s, "").slice(0, 120);
    const violation = new Violation(`${error.name}: ${rule}`, { said: error.message });
    violation.cause = error;
    return violation;
  }
  throw error;
}
