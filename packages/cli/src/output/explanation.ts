/** The tree of a decision, for people: what was true, what was not, and by which tuples. Marks say it without colour. */
import type { Explanation } from "@authledger/authz";
import type { ExplainedStep } from "@authledger/sdk";

/** One step of a decision, as it is shown. */
export interface ShownStep {
  readonly outcome: string;
  readonly kind: string;
  /** `document:1#viewer`; an operator has its kind here. */
  readonly question: string;
  readonly reason: string;
  readonly tuples: readonly { readonly text: string; readonly outcome: string }[];
  readonly children: readonly ShownStep[];
}

const MARKS: Readonly<Record<string, string>> = {
  true: "\u2713",
  false: "\u2717",
  cycle: "\u2717",
};
const MARK_UNDECIDED = "?";
/** Lines of one tree; what is below is counted. */
const LINES_MAX = 500;
/** What only repeats what the line says anyway. */
const REPEATS = /(^all operands are| is) (true|false|not true|undecided)$/;

/** One line for each step and each tuple, indented as the tree is. */
export function explanationLines(tree: ShownStep): string[] {
  const lines: string[] = [];
  const left = write(tree, 0, lines);
  return left === 0 ? lines : [...lines, `... and ${left} more steps`];
}

/** @returns steps that had no room */
function write(step: ShownStep, depth: number, lines: string[]): number {
  const [only, ...others] = step.children;
  // A relation and the one step that it consists of are one line for who reads.
  if (only?.question === step.question && others.length === 0 && step.tuples.length === 0) {
    return write(only, depth, lines);
  }
  if (lines.length >= LINES_MAX) return 1 + countBelow(step);
  const indent = "  ".repeat(depth);
  lines.push(`${indent}${markOf(step.outcome)} ${step.question}${reasonOf(step)}`);
  for (const { text, outcome } of step.tuples) lines.push(`${indent}  ${markOf(outcome)} ${text}`);
  return step.children.reduce((left, child) => left + write(child, depth + 1, lines), 0);
}

function markOf(outcome: string): string {
  return MARKS[outcome] ?? MARK_UNDECIDED;
}

/** Reasons that name a tuple which stands below are left out. */
function reasonOf({ reason, tuples }: ShownStep): string {
  const says = tuples.some(({ text }) => reason === `tuple ${text}`);
  return reason === "" || says || REPEATS.test(reason) ? "" : `   ${reason}`;
}

function countBelow({ children }: ShownStep): number {
  return children.reduce((sum, child) => sum + 1 + countBelow(child), 0);
}

/** Only what decided: of an allowed union the branch that is true, of a denied intersection the branch that is not. */
export function decidingSteps(step: ShownStep): ShownStep {
  const decides = ({ outcome }: { readonly outcome: string }): boolean => outcome === step.outcome;
  const [base, ...subtracted] = step.children;
  const children =
    step.kind === "exclusion" && base !== undefined && !(decides(base) && step.outcome !== "true")
      ? step.outcome === "true"
        ? [base]
        : subtracted
      : step.children.filter(decides);
  const tuples = step.outcome === "true" ? step.tuples.filter(decides) : step.tuples;
  return { ...step, tuples, children: children.map(decidingSteps) };
}

const OPERATORS: Readonly<Record<string, string>> = {
  union: "any of",
  intersection: "all of",
  exclusion: "this but not that",
};

function operator(kind: string): string {
  return OPERATORS[kind] ?? kind;
}

/** Of an evaluation in this process. */
export function shownEvaluation(step: Explanation): ShownStep {
  const { kind, object, relation, outcome, reason, tuples, children } = step;
  return {
    ...{
      kind,
      outcome,
      reason,
      question: relation === "" ? operator(kind) : `${object}#${relation}`,
    },
    tuples: tuples.map(({ tuple, outcome: counts }) => ({
      text: tupleText(tuple, tuple.object, tuple.condition?.name),
      outcome: counts,
    })),
    children: children.map(shownEvaluation),
  };
}

/** Of an answer of the ledger: tuples say by which block they are what they are. */
export function shownStep(step: ExplainedStep): ShownStep {
  const { kind, question, outcome, reason, tuples, children } = step;
  return {
    ...{ kind, outcome, reason, question: question.includes("#") ? question : operator(kind) },
    tuples: tuples.map(({ tuple, condition, version, outcome: counts }) => ({
      text: `${tupleText(tuple, tuple.resource, condition?.name)}${version === 0n ? "   of the question" : `   block ${version}`}`,
      outcome: counts,
    })),
    children: children.map(shownStep),
  };
}

function tupleText(
  { relation, subject }: { readonly relation: string; readonly subject: string },
  object: string,
  condition: string | undefined,
): string {
  const text = `${object}#${relation}@${subject}`;
  return condition === undefined ? text : `${text} with ${condition}`;
}
