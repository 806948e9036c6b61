/**
 * Checks the types of an expression against the parameters of its condition before it is ever evaluated: a condition
 * that names what is not there, compares what cannot be equal, or is no bool, is refused with its place. The library
 * checks single names and constants only, so this is ours; it knows the functions from the library's own table.
 */
import type { CelEnv, CelFunc } from "@bufbuild/cel";
import type { ParameterType } from "../model/model.js";
import { ZONED_FUNCTIONS } from "./cel-functions.js";
import { type Expression, ExpressionProblem, type ParsedExpression } from "./expression.js";
import {
  areComparable,
  type ExpressionType,
  fits,
  joined,
  nameOfExpressionType,
  ofLibrary,
  ofParameter,
} from "./expression-type.js";

type Scope = ReadonlyMap<string, ExpressionType>;
type Of<C extends string> = Extract<Expression["exprKind"], { case: C }>["value"];

/** @throws ExpressionProblem with the place */
export function checkExpression(
  parsed: ParsedExpression,
  parameters: Readonly<Record<string, ParameterType>>,
  functions: CelEnv["funcs"],
): void {
  const scope = new Map(
    Object.entries(parameters).map(([name, type]) => [name, ofParameter(type)] as const),
  );
  const type = new Check(parsed, functions).typeOf(parsed.expression, scope);
  if (type === "bool") return;
  const name = nameOfExpressionType(type);
  throw parsed.problem(parsed.expression, `the expression is of type ${name}; a bool is needed`);
}

class Check {
  readonly #parsed: ParsedExpression;
  readonly #functions: CelEnv["funcs"];

  constructor(parsed: ParsedExpression, functions: CelEnv["funcs"]) {
    this.#parsed = parsed;
    this.#functions = functions;
  }

  typeOf(at: Expression | undefined, scope: Scope): ExpressionType {
    if (at === undefined) throw new ExpressionProblem("a part of the expression is missing");
    const { exprKind } = at;
    switch (exprKind.case) {
      case "constExpr":
        return constantType(exprKind.value);
      case "identExpr": {
        const type = scope.get(exprKind.value.name);
        if (type !== undefined) return type;
        throw this.#problem(at, `\`${exprKind.value.name}\` is not a parameter`);
      }
      case "selectExpr":
        return this.#select(at, exprKind.value, scope);
      case "listExpr":
        return { list: this.#join(exprKind.value.elements, scope) };
      case "structExpr":
        return this.#struct(at, exprKind.value, scope);
      case "callExpr":
        return this.#call(at, exprKind.value, scope);
      case "comprehensionExpr":
        return this.#macro(at, exprKind.value, scope);
      default:
        throw this.#problem(at, "a part of the expression is empty");
    }
  }

  #select(at: Expression, { operand, field, testOnly }: Of<"selectExpr">, scope: Scope) {
    const of = this.typeOf(operand, scope);
    if (of !== "dyn" && !(typeof of === "object" && "map" in of)) {
      throw this.#problem(at, `a value of type ${nameOfExpressionType(of)} has no \`${field}\``);
    }
    if (testOnly) return "bool";
    return of === "dyn" ? "dyn" : of.map;
  }

  #join(elements: readonly Expression[], scope: Scope): ExpressionType {
    const types = elements.map((element) => this.typeOf(element, scope));
    return types.length === 0 ? "dyn" : types.reduce(joined);
  }

  #struct(at: Expression, { messageName, entries }: Of<"structExpr">, scope: Scope) {
    if (messageName !== "") throw this.#problem(at, `there is no type \`${messageName}\``);
    const keys: Expression[] = [];
    const values: Expression[] = [];
    for (const { keyKind, value } of entries) {
      if (keyKind.case === "mapKey") keys.push(keyKind.value);
      if (value !== undefined) values.push(value);
    }
    return { key: this.#join(keys, scope), map: this.#join(values, scope) };
  }

  #call(at: Expression, call: Of<"callExpr">, scope: Scope): ExpressionType {
    const { function: name, target } = call;
    const args = call.args.map((arg) => this.typeOf(arg, scope));
    const on = target === undefined ? undefined : this.typeOf(target, scope);
    const [a = "dyn", b = "dyn", c = "dyn"] = args;
    switch (name) {
      case "_&&_":
      case "_||_":
        return (
          this.#require(
            at,
            name,
            args,
            args.every((type) => fits(type, "bool")),
          ) && "bool"
        );
      case "@not_strictly_false":
        return "bool";
      case "_?_:_":
        return this.#require(at, name, args, fits(a, "bool")) && joined(b, c);
      case "_[_]":
        return this.#index(at, a, b);
      case "_==_":
      case "_!=_":
        return this.#require(at, name, args, areComparable(a, b)) && "bool";
      case "@in":
        return this.#require(at, name, args, canContain(b, a)) && "bool";
      case "ipaddress":
        return this.#require(at, name, args, args.length === 1 && fits(a, "string")) && "ipaddress";
      case "in_cidr": {
        const isRight = on !== undefined && fits(on, "ipaddress") && fits(a, "string");
        return (
          this.#require(at, name, [on ?? "dyn", ...args], isRight && args.length === 1) && "bool"
        );
      }
      case "_+_":
        if (typeof a === "object" && typeof b === "object" && "list" in a && "list" in b) {
          return { list: joined(a.list, b.list) };
        }
    }
    if (on !== undefined && args.length > 0 && ZONED_FUNCTIONS.has(name)) {
      throw this.#problem(at, `\`${name}\` takes no time zone in conditions: all is UTC`);
    }
    return this.#overload(at, { name, on, args });
  }

  #overload(
    at: Expression,
    call: {
      readonly name: string;
      readonly on: ExpressionType | undefined;
      readonly args: readonly ExpressionType[];
    },
  ): ExpressionType {
    const { name, on, args } = call;
    const all = [...(this.#functions.find(name) ?? [])] as readonly CelFunc[];
    if (all.length === 0) throw this.#problem(at, `there is no function \`${name}\``);
    const matching = all.filter(
      (one) =>
        (one.target === undefined) === (on === undefined) &&
        (on === undefined || one.target === undefined || fits(on, ofLibrary(one.target))) &&
        one.arguments.length === args.length &&
        one.arguments.every((type, i) => fits(args[i]!, ofLibrary(type))),
    );
    this.#require(at, name, on === undefined ? args : [on, ...args], matching.length > 0);
    return matching.map(({ result }) => ofLibrary(result)).reduce(joined);
  }

  #index(at: Expression, of: ExpressionType, by: ExpressionType): ExpressionType {
    if (of === "dyn") return "dyn";
    if (typeof of === "object" && "list" in of) {
      return (
        this.#require(
          at,
          "_[_]",
          [of, by],
          ["int", "uint", "double", "dyn"].includes(by as string),
        ) && of.list
      );
    }
    if (typeof of === "object")
      return this.#require(at, "_[_]", [of, by], areComparable(of.key, by)) && of.map;
    throw this.#problem(at, `a value of type ${nameOfExpressionType(of)} has no elements`);
  }

  #macro(at: Expression, macro: Of<"comprehensionExpr">, scope: Scope): ExpressionType {
    const range = this.typeOf(macro.iterRange, scope);
    if (range !== "dyn" && typeof range !== "object") {
      throw this.#problem(at, `a value of type ${nameOfExpressionType(range)} has no elements`);
    }
    const element = range === "dyn" ? "dyn" : "list" in range ? range.list : range.key;
    const inner = new Map(scope);
    inner.set(macro.iterVar, element);
    inner.set(macro.accuVar, this.typeOf(macro.accuInit, scope));
    this.typeOf(macro.loopCondition, inner);
    this.typeOf(macro.loopStep, inner);
    return this.typeOf(macro.result, inner);
  }

  #require(at: Expression, name: string, given: readonly ExpressionType[], isRight: boolean): true {
    if (isRight) return true;
    const types = given.map(nameOfExpressionType).join(", ");
    throw this.#problem(at, `\`${readable(name)}\` cannot be applied to (${types})`);
  }

  #problem(at: Expression, message: string): ExpressionProblem {
    return this.#parsed.problem(at, message);
  }
}

function canContain(all: ExpressionType, one: ExpressionType): boolean {
  if (all === "dyn") return true;
  return typeof all === "object" && areComparable("list" in all ? all.list : all.key, one);
}

/** `_==_` is `==`, `@in` is `in`. */
function readable(name: string): string {
  return name.replace(/^@|(?<=.)_|_(?=[^a-z])/g, "").trim() || name;
}

function constantType({ constantKind }: Of<"constExpr">): ExpressionType {
  switch (constantKind.case) {
    case "boolValue":
      return "bool";
    case "int64Value":
      return "int";
    case "uint64Value":
      return "uint";
    case "doubleValue":
      return "double";
    case "stringValue":
      return "string";
    case "bytesValue":
      return "bytes";
    case "nullValue":
      return "null";
    default:
      return "dyn";
  }
}
