/** What conditions are evaluated over: JSON values by parameter, as requests and tuples carry them. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export type ConditionContext = Readonly<Record<string, JsonValue>>;

/** A condition that a tuple carries: it counts only where that holds. */
export interface TupleCondition {
  readonly name: string;
  /** Overrides what the request says of the same parameters. */
  readonly context: ConditionContext;
}

/** What a condition came to. */
export type ConditionOutcome =
  | { readonly kind: "true" }
  | { readonly kind: "false" }
  /** Parameters without a value: an error for a check, "conditional" for a list that may say so. */
  | { readonly kind: "missing"; readonly parameters: readonly string[] }
  /** A value of the wrong type, or an expression that failed or cost too much. */
  | { readonly kind: "error"; readonly why: string };

/** A condition of a model, type-checked once and evaluated often. */
export interface CompiledCondition {
  readonly name: string;
  /**
   * Deterministic: no clock, no time zone. `timeMs` is the time of the block that is asked; an expression reads it only
   * where the model has a parameter for it, which the caller fills.
   * @param tuple overrides `request`, parameter by parameter
   */
  evaluate(request: ConditionContext, tuple: ConditionContext): ConditionOutcome;
  /** Why a tuple must not say this of the parameters: it has no such parameter, or of another type. Undefined: it may. */
  contextProblem(tuple: ConditionContext): string | undefined;
}
