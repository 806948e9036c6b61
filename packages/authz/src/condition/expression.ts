/**
 * The syntax tree of a condition: parsed, bounded, and with a meter in its macros. What the parser walks by recursion
 * is bounded before, so that no machine runs out of stack where another does not.
 */
import { parse } from "@bufbuild/cel";
import { STEP_FUNCTION } from "./step-meter.js";

export type Expression = NonNullable<ReturnType<typeof parse>["expr"]>;
type Macro = Extract<Expression["exprKind"], { case: "comprehensionExpr" }>["value"];

/** Brackets within brackets, and `?:` altogether. */
const NESTING_MAX = 64;
/** Nodes above each other. `a && b && c` is two deep. */
const DEPTH_MAX = 160;

/** Where and why an expression is not one. Lines and columns count from 1, within the expression. */
export class ExpressionProblem extends Error {
  readonly line: number | undefined;
  readonly column: number | undefined;

  constructor(message: string, place?: { readonly line: number; readonly column: number }) {
    super(message);
    this.line = place?.line;
    this.column = place?.column;
  }
}

/** A syntax tree, and where in the text its nodes stand. */
export class ParsedExpression {
  readonly expression: Expression;
  readonly #text: string;
  readonly #offsets: Readonly<Record<string, number>>;

  constructor(expression: Expression, text: string, offsets: Readonly<Record<string, number>>) {
    this.expression = expression;
    this.#text = text;
    this.#offsets = offsets;
  }

  /** A problem with this node, with its line and column. */
  problem(at: Expression, message: string): ExpressionProblem {
    const offset = this.#offsets[String(at.id)];
    if (offset === undefined) return new ExpressionProblem(message);
    // The library has operators start at the space before them.
    const space = /^\s*/.exec(this.#text.slice(offset))?.[0].length ?? 0;
    const lines = this.#text.slice(0, offset + space).split("\n");
    return new ExpressionProblem(message, {
      line: lines.length,
      column: lines.at(-1)!.length + 1,
    });
  }
}

/** @throws ExpressionProblem */
export function parseExpression(text: string): ParsedExpression {
  checkNesting(text);
  const { expr, sourceInfo } = parseText(text);
  if (expr === undefined) throw new ExpressionProblem("the expression is empty");
  checkDepth(expr, 0);
  return new ParsedExpression(expr, text, sourceInfo?.positions ?? {});
}

/** Counts nodes, and makes every macro charge what a round of it costs. Changes the tree. */
export function meterMacros(expression: Expression): number {
  const own = 1 + childrenOf(expression).reduce((sum, child) => sum + meterMacros(child), 0);
  if (expression.exprKind.case === "comprehensionExpr") meterMacro(expression.exprKind.value);
  return own;
}

/** The nodes right below. */
function childrenOf({ exprKind }: Expression): readonly Expression[] {
  const found: (Expression | undefined)[] = [];
  switch (exprKind.case) {
    case "callExpr":
      found.push(exprKind.value.target, ...exprKind.value.args);
      break;
    case "selectExpr":
      found.push(exprKind.value.operand);
      break;
    case "listExpr":
      found.push(...exprKind.value.elements);
      break;
    case "structExpr":
      for (const { keyKind, value } of exprKind.value.entries) {
        if (keyKind.case === "mapKey") found.push(keyKind.value);
        found.push(value);
      }
      break;
    case "comprehensionExpr": {
      const { iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
      found.push(iterRange, accuInit, loopCondition, loopStep, result);
      break;
    }
  }
  return found.filter((child) => child !== undefined);
}

function meterMacro(macro: Macro): void {
  const { loopCondition, loopStep } = macro;
  if (loopCondition === undefined || loopStep === undefined) return;
  const steps = countNodes(loopCondition) + countNodes(loopStep);
  macro.loopCondition = node({
    case: "callExpr",
    value: {
      $typeName: "cel.expr.Expr.Call",
      function: STEP_FUNCTION,
      args: [
        loopCondition,
        node({
          case: "constExpr",
          value: {
            $typeName: "cel.expr.Constant",
            constantKind: { case: "int64Value", value: BigInt(steps) },
          },
        }),
      ],
    },
  });
}

function countNodes(expression: Expression): number {
  return childrenOf(expression).reduce((sum, child) => sum + countNodes(child), 1);
}

function node(exprKind: Expression["exprKind"]): Expression {
  return { $typeName: "cel.expr.Expr", id: 0n, exprKind };
}

function parseText(text: string): ReturnType<typeof parse> {
  try {
    return parse(text);
  } catch (thrown) {
    throw new ExpressionProblem(messageOf(thrown), placeOf(thrown));
  }
}

function messageOf(thrown: unknown): string {
  if (typeof thrown === "object" && thrown !== null && "rawMessage" in thrown) {
    return String(thrown.rawMessage);
  }
  return thrown instanceof Error ? thrown.message : String(thrown);
}

interface Located {
  readonly location?: { readonly start?: { readonly line: number; readonly column: number } };
}

function placeOf(thrown: unknown): { readonly line: number; readonly column: number } | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  return (thrown as Located).location?.start;
}

function checkNesting(text: string): void {
  let depth = 0;
  let choices = 0;
  let run = 0;
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quote !== "") {
      if (c === "\\") i++;
      else if (c === quote) quote = "";
      continue;
    }
    if (c === '"' || c === "'") quote = c;
    if ("([{".includes(c)) depth++;
    else if (")]}".includes(c)) depth--;
    if (c === "?") choices++;
    run = c === "!" || c === "-" ? run + 1 : c === " " ? run : 0;
    if (depth + choices > NESTING_MAX || run > NESTING_MAX) {
      throw new ExpressionProblem(`the expression nests deeper than ${NESTING_MAX}`);
    }
  }
}

function checkDepth(expression: Expression, depth: number): void {
  if (depth > DEPTH_MAX) {
    throw new ExpressionProblem(`the expression is more than ${DEPTH_MAX} operations deep`);
  }
  for (const child of childrenOf(expression)) checkDepth(child, depth + 1);
}
