/**
 * Asserts for invariants that must hold whatever the input was. A failed one is a bug or damaged memory:
 * it throws `AssertionError`, which nothing converts and which stops the node. Bad input never gets here;
 * it gets a LedgerError.
 */

/** A broken invariant. Carries the facts that show how it was broken. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(why: string, facts: Readonly<Record<string, unknown>>) {
    super(`${why} ${describe(facts)}`.trim());
    this.facts = facts;
  }
}

/** Throws unless `condition`; `why` says why it must hold and names the invariant. */
export function assert(
  condition: boolean,
  why: string,
  facts: Readonly<Record<string, unknown>> = {},
): asserts condition {
  if (!condition) throw new AssertionError(why, facts);
}

/** For the default branch of an exhaustive switch. */
export function assertNever(value: never, what: string): never {
  throw new AssertionError(`unhandled ${what}`, { value });
}

let costly = false;

/** Turns on the checks given to `verify`: in tests, simulation and `authledger debug check`. */
export function enableCostlyChecks(on: boolean): void {
  costly = on;
}

/** Runs a check that is too costly for production, where such checks are on. */
export function verify(check: () => void): void {
  if (costly) check();
}

function describe(facts: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(facts).map(([name, value]) => `${name}=${String(value)}`);
  return parts.length === 0 ? "" : `(${parts.join(", ")})`;
}
