/** Explanations in words, for people who ask why. */
import type { ExplainedTuple, Explanation } from "./decision.js";
import type { StepKind } from "./trace.js";

interface Step {
  readonly kind: StepKind;
  readonly object: string;
  readonly relation: string;
  readonly children: readonly Explanation[];
  readonly tuples: readonly ExplainedTuple[];
  readonly omitted: number;
}

export function reasonOf(step: Step, outcome: Explanation["outcome"], subject: string): string {
  const why = textOf(step, outcome, subject);
  return step.omitted === 0 ? why : `${why}; ${step.omitted} more parts are not shown`;
}

function textOf(step: Step, outcome: Explanation["outcome"], subject: string): string {
  const { kind, object, relation, tuples } = step;
  const what = `${object}#${relation}`;
  switch (kind) {
    case "self":
      return `${subject} is ${what} itself`;
    case "unreachable":
      return `no tuple can give ${subject} ${what}: the model allows no such subject`;
    case "cycle":
      return `${what} rests on itself here`;
    case "known":
      return `${what} was decided before, ${asWord(outcome)}`;
    case "too_deep":
      return `the path is too deep at ${what}`;
    case "direct":
      return tuples.length === 0 ? `no tuple ${what}@${subject}` : ofTuples(tuples, outcome);
    case "usersets":
    case "tuple_to_userset":
      return throughTuples(step, outcome);
    default:
      return ofOperands(step, outcome);
  }
}

function ofTuples(tuples: readonly ExplainedTuple[], outcome: Explanation["outcome"]): string {
  const deciding = tuples.find((found) => found.outcome === outcome) ?? tuples[0]!;
  const { tuple } = deciding;
  const shown = `${tuple.object}#${tuple.relation}@${tuple.subject}`;
  const condition = tuple.condition?.name;
  if (deciding.outcome === "undecided") return `condition ${condition} of ${shown} is undecided`;
  if (deciding.outcome === "true") {
    return condition === undefined ? `tuple ${shown}` : `tuple ${shown}, whose condition holds`;
  }
  if (condition === undefined) return `the model does not allow ${shown} without a condition`;
  return `condition ${condition} of ${shown} does not hold, or is not the model's`;
}

function throughTuples(step: Step, outcome: Explanation["outcome"]): string {
  const { kind, object, relation, tuples, children } = step;
  const [winner] = children;
  const of = kind === "usersets" ? `groups in ${object}#${relation}` : `objects above ${object}`;
  if (outcome === "true" && winner) return `through ${winner.object}#${winner.relation}`;
  if (tuples.length === 0) return `no ${of}`;
  return `through none of the ${tuples.length} ${of}`;
}

function ofOperands({ kind, children, object, relation }: Step, outcome: Explanation["outcome"]) {
  if (outcome === "cycle") return `${kind} rests on a cycle, which is false`;
  if (outcome === "undecided") return `${kind} depends on what could not be evaluated`;
  const isTrue = outcome === "true";
  switch (kind) {
    case "union":
      return isTrue ? "one operand is true" : "no operand is true";
    case "intersection":
      return isTrue ? "all operands are true" : "one operand is not true";
    case "exclusion":
      if (isTrue) return "the base is true, and what is subtracted is false";
      return children.length < 2 ? "the base is false" : "what is subtracted is true";
    default:
      return `${object}${relation === "" ? "" : `#${relation}`} is ${asWord(outcome)}`;
  }
}

function asWord(outcome: Explanation["outcome"]): string {
  return outcome === "cycle" ? "false by a cycle" : outcome;
}
