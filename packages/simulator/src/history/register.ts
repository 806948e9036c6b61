/**
 * What a key is to the checkers: a register that holds a string or nothing. An entity holds its value, a tuple that is
 * there holds the empty string.
 */
import type { Operation, OperationKind } from "./record.js";

/** Null = nothing there. */
export type RegisterValue = string | null;

/** An operation on a register; `out` undefined = the answer is not known and may be anything. */
export interface RegisterOperation {
  readonly op: OperationKind;
  readonly in: string | null;
  readonly exp: string | null;
  readonly out?: Operation["out"] | undefined;
}

/** The answer that an operation gets from a register, and what the register holds then. */
export function run(
  { op, in: value, exp }: RegisterOperation,
  held: RegisterValue,
): { readonly out: Operation["out"]; readonly after: RegisterValue } {
  switch (op) {
    case "put":
      return { out: null, after: value ?? "" };
    case "get":
      return { out: held, after: held };
    case "check":
      return { out: held !== null, after: held };
    case "del":
    case "delete":
      return { out: held !== null, after: null };
    case "create":
      return { out: held === null, after: held ?? value ?? "" };
    case "cas":
      return held === exp ? { out: true, after: value ?? "" } : { out: false, after: held };
  }
}

/** Whether the register may have answered so. */
export function agrees(operation: RegisterOperation, held: RegisterValue): boolean {
  if (operation.out === undefined || operation.op === "put") return true;
  return run(operation, held).out === operation.out;
}

/** Whether the operation, with the answer it got, leaves the register as it is. */
export function isObserver({ op, out }: RegisterOperation): boolean {
  return op === "get" || op === "check" || (out === false && op !== "put");
}

export function isRead({ op }: Pick<Operation, "op">): boolean {
  return op === "get" || op === "check";
}
