/** Both judges of a history, and their verdict in words. */
import { checkLinearizability, type LinearizabilityViolation } from "./linearizability.js";
import type { History } from "./record.js";
import { checkReplay, type ReplayProblem } from "./replay.js";

export interface HistoryVerdict {
  readonly isGood: boolean;
  /** Lines for people. */
  readonly report: readonly string[];
}

/** Judges a history without the indexes, and, where it has lines of the log, with them. */
export function judgeHistory(history: History): HistoryVerdict {
  const { operations, writes, blocks } = history;
  const unknown = operations.filter(({ ok, ret }) => ok === null || ret === null).length;
  const report = [`${operations.length} operations, ${unknown} of them without an answer`];
  const verdict = checkLinearizability(operations);
  let isGood = verdict.kind === "linearizable";
  switch (verdict.kind) {
    case "linearizable":
      report.push(`linearizable: ${verdict.operations} operations on ${verdict.keys} keys`);
      break;
    case "undecided":
      report.push(`undecided: key ${verdict.key}: ${verdict.why}`);
      break;
    case "violated":
      report.push(...describeViolation(verdict.violation));
  }
  if (writes.length + blocks.length === 0) {
    report.push("no lines of the log: indexes, roots and proofs were not looked at");
    return { isGood, report };
  }
  const replay = checkReplay(history);
  if (replay.problems.length > 0) isGood = false;
  report.push(
    replay.problems.length === 0
      ? `replay: ${replay.answers} answers agree with ${replay.writes} writes of the log`
      : `replay: ${replay.problems.length} problems (the first ones)`,
    ...replay.problems.flatMap(describeProblem),
  );
  return { isGood, report };
}

function describeViolation(violation: LinearizabilityViolation): string[] {
  const { key, operation, possible, history } = violation;
  const held = possible.map((value) => (value === null ? "nothing" : JSON.stringify(value)));
  return [
    `NOT LINEARIZABLE (INV-JUDGE-1): key ${key}`,
    `  no order explains  ${JSON.stringify(operation)}`,
    `  just before it returned the key held ${held.join(" or ")}`,
    `  the newest ${history.length} operations on the key until then, as they were asked:`,
    ...history.map((each) => `    ${each === operation ? "->" : "  "} ${JSON.stringify(each)}`),
  ];
}

function describeProblem({ invariant, what, operation }: ReplayProblem): string[] {
  const lines = [`  ${invariant}: ${what}`];
  return operation === undefined ? lines : [...lines, `    ${JSON.stringify(operation)}`];
}
