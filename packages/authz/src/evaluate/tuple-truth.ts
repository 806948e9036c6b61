/**
 * What a stored tuple says by itself: nothing where the model does not allow it, else what its condition comes to.
 *
 *   INV-EVAL-3  A tuple that the model does not allow changes no answer.
 */
import { LedgerError } from "@authledger/types";
import type { ConditionContext, ConditionOutcome } from "../condition/context.js";
import type { CompiledModel, CompiledRelation } from "../model/compiled-model.js";
import type { FirstFailure } from "./failure.js";
import { FALSE, TRUE, type Truth, UNKNOWN } from "./truth.js";
import type { RelationTuple } from "./tuple-reader.js";

const NO_CONTEXT: ConditionContext = {};

export class TupleTruth {
  readonly #model: CompiledModel;
  readonly #context: ConditionContext;
  readonly #failures: FirstFailure;

  constructor(model: CompiledModel, context: ConditionContext | undefined, failures: FirstFailure) {
    this.#model = model;
    this.#failures = failures;
    this.#context = context ?? NO_CONTEXT;
  }

  /** @param relation of which the tuple is, with a subject of a kind that it allows */
  of(relation: CompiledRelation, tuple: RelationTuple): Truth {
    if (!relation.isConditional) return tuple.condition === undefined ? TRUE : FALSE;
    const { condition } = tuple;
    if (!relation.allows(tuple.subject, condition?.name)) return FALSE;
    if (condition === undefined) return TRUE;
    const compiled = this.#model.conditions.get(condition.name);
    if (compiled === undefined) return FALSE;
    const outcome = compiled.evaluate(this.#context, condition.context);
    if (outcome.kind === "true") return TRUE;
    if (outcome.kind === "false") return FALSE;
    this.#failures.note(() => failureOf(tuple, condition.name, outcome));
    return UNKNOWN;
  }
}

function failureOf(
  { object, relation, subject }: RelationTuple,
  condition: string,
  outcome: Extract<ConditionOutcome, { kind: "missing" | "error" }>,
): LedgerError {
  const of = `condition ${condition} of the tuple ${object}#${relation}@${subject}`;
  if (outcome.kind === "error") {
    return new LedgerError("CONDITION_FAILED", `${of}: ${outcome.why}`, { details: { condition } });
  }
  const parameters = outcome.parameters.join(", ");
  return new LedgerError("CONDITION_FAILED", `${of} has no value for ${parameters}`, {
    details: { condition, parameters },
  });
}
