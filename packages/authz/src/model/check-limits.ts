/** Checks a model against its limits before anything is made of it: it may come from a record or a proof. */
import {
  CONDITION_PARAMETERS_MAX,
  checkLimit,
  EXPRESSION_CHARACTERS_MAX,
  MODEL_CONDITIONS_MAX,
  MODEL_RELATIONS_MAX,
  MODEL_TYPES_MAX,
  RELATION_RESTRICTIONS_MAX,
  REWRITE_DEPTH_MAX,
  REWRITE_NODES_MAX,
} from "./limits.js";
import type { AuthorizationModel, Rewrite } from "./model.js";

/** @throws LedgerError LIMIT_EXCEEDED naming the part */
export function checkModelLimits(model: AuthorizationModel): void {
  const types = Object.entries(model.types);
  checkLimit("types of the model", types.length, MODEL_TYPES_MAX);
  let count = 0;
  for (const [type, { relations }] of types) {
    for (const [name, { rewrite, directTypes }] of Object.entries(relations)) {
      const place = `${type}#${name}`;
      checkLimit(`type restrictions of ${place}`, directTypes.length, RELATION_RESTRICTIONS_MAX);
      checkLimit(`rewrites of ${place}`, countNodes(rewrite, place, 0), REWRITE_NODES_MAX);
      count++;
    }
  }
  checkLimit("relations of the model", count, MODEL_RELATIONS_MAX);
  const conditions = Object.entries(model.conditions);
  checkLimit("conditions of the model", conditions.length, MODEL_CONDITIONS_MAX);
  for (const [name, { parameters, expression }] of conditions) {
    const parameterCount = Object.keys(parameters).length;
    checkLimit(`parameters of condition ${name}`, parameterCount, CONDITION_PARAMETERS_MAX);
    checkLimit(`characters of condition ${name}`, expression.length, EXPRESSION_CHARACTERS_MAX);
  }
}

function countNodes(rewrite: Rewrite, place: string, depth: number): number {
  checkLimit(`nesting of ${place}`, depth, REWRITE_DEPTH_MAX);
  switch (rewrite.kind) {
    case "union":
    case "intersection":
      return rewrite.children.reduce((sum, child) => sum + countNodes(child, place, depth + 1), 1);
    case "exclusion":
      return (
        1 +
        countNodes(rewrite.base, place, depth + 1) +
        countNodes(rewrite.subtract, place, depth + 1)
      );
    default:
      return 1;
  }
}
