/** Checks an expression against the parameters of its condition before it is ever evaluated. */
import type { CelEnv } from "@bufbuild/cel";
import type { ParameterType } from "../model/model.js";
import { ZONED_FUNCTIONS } from "./cel-functions.js";
import { childrenOf, type Expression, ExpressionProblem } from "./expression.js";

/** Operators that are not functions of the environment. */
const BUILT_IN: ReadonlySet<string> = new Set([
  "_[_]",
  "_?_:_",
  "_&&_",
  "_||_",
  "@not_strictly_false",
]);

/** @throws ExpressionProblem */
export function checkExpression(
  expression: Expression,
  parameters: Readonly<Record<string, ParameterType>>,
  functions: CelEnv["funcs"],
): void {
  const { exprKind } = expression;
  let own = parameters;
  if (exprKind.case === "identExpr" && !Object.hasOwn(parameters, exprKind.value.name)) {
    throw new ExpressionProblem(`\`${exprKind.value.name}\` is not a parameter`);
  }
  if (exprKind.case === "callExpr") {
    const { function: name, args, target } = exprKind.value;
    if (!BUILT_IN.has(name) && functions.find(name) === undefined) {
      throw new ExpressionProblem(`there is no function \`${name}\``);
    }
    if (target !== undefined && ZONED_FUNCTIONS.has(name) && args.length > 0) {
      throw new ExpressionProblem(`\`${name}\` takes no time zone in conditions: all is UTC`);
    }
  }
  if (exprKind.case === "comprehensionExpr") {
    const { iterVar, accuVar } = exprKind.value;
    own = { ...parameters, [iterVar]: "any", [accuVar]: "any" };
  }
  for (const child of childrenOf(expression)) checkExpression(child, own, functions);
}
