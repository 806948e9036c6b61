/** The tree of a decision, for people: what was true, what was not, and by which tuples. Marks say it without colour. */
import type { Explanation, RelationTuple } from "@authledger/authz";

const MARKS = { true: "✓", false: "✗", cycle: "✗", undecided: "?" } as const;
/** Lines of one tree; what is below is counted. */
const LINES_MAX = 500;

/** One line for each step and each tuple, indented as the tree is. */
export function explanationLines(tree: Explanation): string[] {
  const lines: string[] = [];
  const left = write(tree, 0, lines);
  return left === 0 ? lines : [...lines, `... and ${left} more steps`];
}

/** @returns steps that had no room */
function write(step: Explanation, depth: number, lines: string[]): number {
  if (lines.length >= LINES_MAX) return 1 + countBelow(step);
  const indent = "  ".repeat(depth);
  const what = step.relation === "" ? step.kind : `${step.object}#${step.relation}`;
  const reason = step.reason === "" ? "" : `  ${step.reason}`;
  lines.push(`${indent}${MARKS[step.outcome]} ${what}${reason}`);
  for (const { tuple, outcome } of step.tuples) {
    lines.push(`${indent}  ${MARKS[outcome]} ${tupleText(tuple)}`);
  }
  return step.children.reduce((left, child) => left + write(child, depth + 1, lines), 0);
}

function countBelow({ children }: Explanation): number {
  return children.reduce((sum, child) => sum + 1 + countBelow(child), 0);
}

function tupleText({ object, relation, subject, condition }: RelationTuple): string {
  const text = `${object}#${relation}@${subject}`;
  return condition === undefined ? text : `${text} with ${condition.name}`;
}
