/** What is wrong with a model, as data: parsers and rules find problems, and a refusal carries them all. */
import { LedgerError } from "@authledger/types";

/** Lines and columns count from 1, as editors show them; `endColumn` is the first column after it. */
export interface ModelProblem {
  /** A stable word for the rule: `syntax`, `missing-definition`, `relation-no-entry-point`, ... */
  readonly kind: string;
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
  readonly endColumn?: number;
  /** What the position points to. */
  readonly symbol?: string;
  /** Of modules: the file. */
  readonly file?: string;
}

/** Problems that one refusal spells out. */
const PROBLEMS_SHOWN_MAX = 20;

/** `board.fga:3:11: the relation ...`. */
export function formatProblem(problem: ModelProblem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined);
  return place.length === 0 ? problem.message : `${place.join(":")}: ${problem.message}`;
}

/** The error of a model with problems: it names the first, and lists them in `details.problems`, one a line. */
export function modelInvalid(problems: readonly ModelProblem[], cause?: unknown): LedgerError {
  const [first] = problems;
  const shown = problems.slice(0, PROBLEMS_SHOWN_MAX).map(formatProblem);
  const rest = problems.length - shown.length;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  const message = first === undefined ? "the model cannot be read" : formatProblem(first) + more;
  const error = new LedgerError("MODEL_INVALID", message, {
    ...(cause === undefined ? {} : { cause }),
    details: {
      ...(first === undefined ? {} : { kind: first.kind }),
      ...(first?.line === undefined ? {} : { line: first.line }),
      ...(first?.column === undefined ? {} : { column: first.column }),
      problems: rest > 0 ? [...shown, `and ${rest} more`].join("\n") : shown.join("\n"),
    },
  });
  found.set(error, problems);
  return error;
}

const found = new WeakMap<object, readonly ModelProblem[]>();

/** All problems of an error that `modelInvalid` made, those too that its message leaves out; none of any other. */
export function problemsOf(error: unknown): readonly ModelProblem[] {
  return (typeof error === "object" && error !== null && found.get(error)) || [];
}
