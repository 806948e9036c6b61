/**
 * OpenFGA's language (schema 1.1 and 1.2), read with the project's own grammar. What the text means but cannot mean
 * (relations that do not exist, and so on) is for the rules of validate.ts.
 */

import { utf8Length } from "@authledger/types";
import { errors, transformer } from "@openfga/syntax-transformer";
import { checkLimit, MODEL_TEXT_BYTES_MAX, REWRITE_DEPTH_MAX } from "../model/limits.js";
import type { AuthorizationModel } from "../model/model.js";
import { type ModelProblem, modelInvalid } from "../model/model-problem.js";
import { fromOpenFgaJson } from "./openfga-json.js";

/**
 * Reads a model; syntax errors carry line and column. It does not ask whether what it says makes sense.
 * @example parseOpenFga("model\n  schema 1.1\ntype user\n").types // { user: { relations: {} } }
 * @throws LedgerError MODEL_INVALID with all syntax errors, LIMIT_EXCEEDED
 */
export function parseOpenFga(text: string): AuthorizationModel {
  checkModelText(text);
  return fromOpenFgaJson(readGrammar(text, transformer.transformDSLToJSONObject));
}

/** The parser walks by recursion, so what nests must be bounded before. */
export function checkModelText(text: string): void {
  checkLimit("bytes of the model", utf8Length(text), MODEL_TEXT_BYTES_MAX);
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x28) checkLimit("nested parentheses", ++depth, REWRITE_DEPTH_MAX);
    else if (c === 0x29) depth--;
    else if (c === 0x0a) depth = 0;
  }
}

/** The most empty or comment lines in a row that the grammar sees: its time grows with their square. */
const EMPTY_LINES_MAX = 16;

/** Runs the grammar; what it throws becomes MODEL_INVALID with places in this text. */
export function readGrammar<T>(text: string, read: (text: string) => T, file?: string): T {
  const lines: string[] = [];
  /** By line that the grammar sees: the line of the text. */
  const lineOf: number[] = [];
  let empty = 0;
  for (const [i, line] of text.split("\n").entries()) {
    empty = /^\s*(#|$)/.test(line) ? empty + 1 : 0;
    if (empty > EMPTY_LINES_MAX) continue;
    lines.push(line);
    lineOf.push(i);
  }
  try {
    return read(lines.join("\n"));
  } catch (thrown) {
    if (thrown instanceof errors.DSLSyntaxError) {
      const found = syntaxProblems(thrown.errors, file);
      throw modelInvalid(
        found.map((problem) => {
          const { line } = problem;
          return line === undefined ? problem : { ...problem, line: (lineOf[line - 1] ?? 0) + 1 };
        }),
        thrown,
      );
    }
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw modelInvalid([{ kind: "syntax", message, ...(file === undefined ? {} : { file }) }]);
  }
}

/** Theirs count from 0. */
export function syntaxProblems(
  found: readonly errors.DSLSyntaxSingleError[],
  file?: string,
): readonly ModelProblem[] {
  return found.map((error) => ({
    kind: "syntax",
    message: error.msg,
    ...(error.line === undefined ? {} : { line: error.line.start + 1 }),
    ...(error.column === undefined ? {} : columns(error.column)),
    ...(error.metadata?.symbol === undefined ? {} : { symbol: error.metadata.symbol }),
    ...(file === undefined ? {} : { file }),
  }));
}

function columns({ start, end }: { readonly start: number; readonly end: number }): {
  readonly column: number;
  readonly endColumn: number;
} {
  return { column: start + 1, endColumn: end + 1 };
}
