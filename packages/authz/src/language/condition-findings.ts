/** Conditions that do not compile, as findings about the model that has them. */

import { LedgerError } from "@authledger/types";
import { compileCondition } from "../condition/compile-condition.js";
import { ExpressionProblem } from "../condition/expression.js";
import type { AuthorizationModel } from "../model/model.js";
import type { Finding } from "../model/model-rules.js";

export function conditionFindings(model: AuthorizationModel): Finding[] {
  return Object.entries(model.conditions).flatMap(([name, condition]): Finding[] => {
    try {
      compileCondition(name, condition);
      return [];
    } catch (thrown) {
      if (!(thrown instanceof LedgerError)) throw thrown;
      const { message, cause } = thrown;
      const about = { kind: "invalid-condition", message, symbol: name, condition: name } as const;
      if (!(cause instanceof ExpressionProblem) || cause.line === undefined) {
        return [{ ...about, at: "condition" }];
      }
      const within = { line: cause.line, column: cause.column ?? 1 };
      return [{ ...about, at: "condition", within }];
    }
  });
}
