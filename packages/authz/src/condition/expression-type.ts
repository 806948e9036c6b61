/** Types of expressions, as the check before deploying sees them: those of parameters, and what CEL makes of them. */
import type { CelFunc } from "@bufbuild/cel";
import type { ParameterType } from "../model/model.js";

export type ExpressionType =
  | "dyn"
  | "bool"
  | "int"
  | "uint"
  | "double"
  | "string"
  | "bytes"
  | "null"
  | "type"
  | "duration"
  | "timestamp"
  | "ipaddress"
  | { readonly list: ExpressionType }
  | { readonly key: ExpressionType; readonly map: ExpressionType };

type LibraryType = CelFunc["result"];

const NUMBERS: ReadonlySet<ExpressionType> = new Set(["int", "uint", "double"] as const);
/** What may be compared with null: values that CEL has as messages. */
const NULLABLE: ReadonlySet<ExpressionType> = new Set([
  "null",
  "duration",
  "timestamp",
  "ipaddress",
] as const);

export function ofParameter(type: ParameterType): ExpressionType {
  if (type === "any") return "dyn";
  if (typeof type === "string") return type;
  if ("list" in type) return { list: ofParameter(type.list) };
  return { key: "string", map: ofParameter(type.map) };
}

/** The library's own; what conditions do not have is undefined. */
export function ofLibrary(type: LibraryType): ExpressionType {
  switch (type.kind) {
    case "list":
      return { list: ofLibrary(type.element) };
    case "map":
      return { key: ofLibrary(type.key), map: ofLibrary(type.value) };
    case "object":
      return type.name === "google.protobuf.Duration" ? "duration" : "timestamp";
    case "scalar":
      return type.scalar === "null_type" ? "null" : type.scalar;
  }
}

/** Can a value of the one type stand where the other is wanted? */
export function fits(given: ExpressionType, wanted: ExpressionType): boolean {
  if (given === "dyn" || wanted === "dyn") return true;
  if (typeof given === "string" || typeof wanted === "string") return given === wanted;
  if ("list" in given) return "list" in wanted && fits(given.list, wanted.list);
  return "map" in wanted && fits(given.key, wanted.key) && fits(given.map, wanted.map);
}

/** Can `==` ever be true? Numbers are compared across types. */
export function areComparable(a: ExpressionType, b: ExpressionType): boolean {
  if (fits(a, b)) return true;
  if (NUMBERS.has(a) && NUMBERS.has(b)) return true;
  if (a === "null" || b === "null") return NULLABLE.has(a) && NULLABLE.has(b);
  if (typeof a === "string" || typeof b === "string") return false;
  if ("list" in a) return "list" in b && areComparable(a.list, b.list);
  return "map" in b && areComparable(a.key, b.key) && areComparable(a.map, b.map);
}

/** One type for values of both. */
export function joined(a: ExpressionType, b: ExpressionType): ExpressionType {
  return nameOfExpressionType(a) === nameOfExpressionType(b) ? a : "dyn";
}

export function nameOfExpressionType(type: ExpressionType): string {
  if (type === "dyn") return "any";
  if (typeof type === "string") return type;
  return "list" in type
    ? `list<${nameOfExpressionType(type.list)}>`
    : `map<${nameOfExpressionType(type.map)}>`;
}
