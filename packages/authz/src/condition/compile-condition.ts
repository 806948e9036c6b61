/**
 * Conditions: expressions in CEL (https://github.com/google/cel-spec) over parameters with types, compiled once and
 * evaluated for every tuple that carries one.
 *
 * INV-MODEL-5  A condition is a function of its expression and its parameters alone: it sees no clock, no time zone
 *              and no machine.
 *
 * Parameters are all needed, even where the expression would decide without one: whether an answer exists must not
 * depend on the order in which an expression is evaluated.
 */
import { type CelInput, type CelResult, celEnv, isCelError, plan } from "@bufbuild/cel";
import type { ConditionDefinition, ParameterType } from "../model/model.js";
import { modelInvalid } from "../model/model-problem.js";
import { conditionFunctions } from "./cel-functions.js";
import { checkExpression } from "./check-expression.js";
import type {
  CompiledCondition,
  ConditionContext,
  ConditionOutcome,
  JsonValue,
} from "./context.js";
import { type Expression, ExpressionProblem, meterMacros, parseExpression } from "./expression.js";
import { celValueOf, WrongValue } from "./parameter-value.js";
import { meteredEnvironment, StepMeter } from "./step-meter.js";

/** Evaluation runs to its end without a break, so one meter serves all. */
const meter = new StepMeter();
const environment = meteredEnvironment(celEnv({ funcs: conditionFunctions() }), meter);

/**
 * @example compileCondition("small", { parameters: { x: "int" }, expression: "x < 3" }).evaluate({ x: 2 }, {})
 * @throws LedgerError MODEL_INVALID when the expression does not parse or does not type-check
 */
export function compileCondition(name: string, definition: ConditionDefinition): CompiledCondition {
  try {
    const parsed = parseExpression(definition.expression);
    checkExpression(parsed, definition.parameters, environment.funcs);
    return new Condition(name, definition, parsed.expression);
  } catch (thrown) {
    if (!(thrown instanceof ExpressionProblem)) throw thrown;
    const message = `condition \`${name}\`: ${thrown.message}`;
    throw modelInvalid([{ kind: "invalid-condition", message, symbol: name }], thrown);
  }
}

class Condition implements CompiledCondition {
  readonly name: string;
  readonly #parameters: readonly (readonly [string, ParameterType])[];
  readonly #nodes: number;
  readonly #run: (bindings: Record<string, CelInput>) => CelResult;

  constructor(name: string, definition: ConditionDefinition, expression: Expression) {
    this.name = name;
    this.#parameters = Object.entries(definition.parameters);
    this.#nodes = meterMacros(expression);
    this.#run = plan(environment, expression);
  }

  evaluate(request: ConditionContext, tuple: ConditionContext): ConditionOutcome {
    const bindings: Record<string, CelInput> = Object.create(null);
    const missing: string[] = [];
    for (const [parameter, type] of this.#parameters) {
      const value = valueIn(tuple, parameter) ?? valueIn(request, parameter);
      if (value === undefined) {
        missing.push(parameter);
        continue;
      }
      try {
        bindings[parameter] = celValueOf(value.value, type);
      } catch (thrown) {
        if (!(thrown instanceof WrongValue)) throw thrown;
        return { kind: "error", why: `parameter ${parameter} ${thrown.message}` };
      }
    }
    return missing.length > 0 ? { kind: "missing", parameters: missing } : this.#decide(bindings);
  }

  contextProblem(tuple: ConditionContext): string | undefined {
    const types = new Map(this.#parameters);
    for (const [name, value] of Object.entries(tuple)) {
      const type = types.get(name);
      if (type === undefined) return `it has no parameter ${name}`;
      try {
        celValueOf(value, type);
      } catch (thrown) {
        if (!(thrown instanceof WrongValue)) throw thrown;
        return `parameter ${name} ${thrown.message}`;
      }
    }
    return undefined;
  }

  #decide(bindings: Record<string, CelInput>): ConditionOutcome {
    meter.start();
    let result: CelResult;
    try {
      meter.charge(this.#nodes);
      result = this.#run(bindings);
    } catch (thrown) {
      return { kind: "error", why: thrown instanceof Error ? thrown.message : String(thrown) };
    }
    // An operator may have swallowed the error of the step that was one too many.
    if (meter.isExhausted) return { kind: "error", why: "the condition takes too many steps" };
    if (isCelError(result)) return { kind: "error", why: result.message };
    if (typeof result === "boolean") return { kind: result ? "true" : "false" };
    return { kind: "error", why: "the expression is not a bool" };
  }
}

/** Wrapped, since null is a value. Only what the context itself holds counts. */
function valueIn(
  context: ConditionContext,
  name: string,
): { readonly value: JsonValue } | undefined {
  return Object.hasOwn(context, name) ? { value: context[name] as JsonValue } : undefined;
}
