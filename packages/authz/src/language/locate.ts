/** Puts findings of the rules where they stand in the text that the model was read from. */
import type { ModelProblem } from "../model/model-problem.js";
import type { Finding } from "../model/model-rules.js";

/** Lines and columns count from 1; `endColumn` is the first column after it. */
export interface SourcePlace {
  readonly line: number;
  readonly column: number;
  readonly endColumn: number;
}

/** What knows where things stand in a text. */
export interface Places {
  find(finding: Finding): SourcePlace | undefined;
}

export function locate(finding: Finding, places: Places | undefined, file?: string): ModelProblem {
  const { kind, message, symbol } = finding;
  return {
    kind,
    message,
    symbol,
    ...places?.find(finding),
    ...(file === undefined ? {} : { file }),
  };
}
